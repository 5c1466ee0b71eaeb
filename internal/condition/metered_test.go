package condition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"borgcron/internal/backup"
	"borgcron/internal/bustest"
)

func TestUnmetered(t *testing.T) {
	address := bustest.Start(t)
	c := &Checker{Bus: address}
	ask := func(t *testing.T, want string) {
		t.Helper()
		if reason, err := holds(t, c, backup.Conditions{Unmetered: true}); reason != want || err != nil {
			t.Errorf("Holds = %q, %v, want %q", reason, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var answer dbus.Error
	if _, err := c.metered(ctx); !errors.As(err, &answer) {
		t.Fatalf("without a NetworkManager the bus answers %v", err)
	}
	ask(t, "")

	manager, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	const name = "org.freedesktop.NetworkManager"
	properties, err := prop.Export(manager, "/org/freedesktop/NetworkManager", prop.Map{name: {"Metered": {Value: uint32(0)}}})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := manager.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	const metered = "the network connection is metered"
	for value, want := range []string{"", metered, "", metered, "", ""} {
		t.Run(fmt.Sprint("Metered ", value), func(t *testing.T) {
			properties.SetMust(name, "Metered", uint32(value))
			ask(t, want)
		})
	}
	t.Run("of another type", func(t *testing.T) {
		if _, err := prop.Export(manager, "/org/freedesktop/NetworkManager", prop.Map{name: {"Metered": {Value: "yes"}}}); err != nil {
			t.Fatal(err)
		}
		ask(t, "")
	})
}

func TestNoBus(t *testing.T) {
	for _, address := range []string{"unix:path=/nonexistent/bus", "nonsense", "unix:path=/etc/passwd"} {
		if reason, err := holds(t, &Checker{Bus: address}, backup.Conditions{Unmetered: true}); reason != "" || err != nil {
			t.Errorf("%s: %q, %v", address, reason, err)
		}
	}
}

// silent is a bus that takes a connection, tells accepted, and never says a word.
func silent(t *testing.T, accepted func()) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	listener, err := net.Listen("unix", filepath.Join(folder, "bus"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		accepted()
		io.Copy(io.Discard, conn)
		conn.Close()
	}()
	return "unix:path=" + listener.Addr().String()
}

func TestSilentBus(t *testing.T) {
	t.Parallel()
	began := time.Now()
	reason, err := holds(t, &Checker{Bus: silent(t, func() {})}, backup.Conditions{Unmetered: true})
	if took := time.Since(began); reason != "" || err != nil || took < busTimeout || took > 4*busTimeout {
		t.Errorf("Holds = %q, %v after %v", reason, err, took)
	}
}

func TestSilentBusIsLeft(t *testing.T) {
	stopped := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	job := &backup.Job{Conditions: backup.Conditions{Unmetered: true}}
	if reason, err := (&Checker{Bus: silent(t, func() { cancel(stopped) })}).Holds(ctx, job); reason != "" || !errors.Is(err, stopped) {
		t.Errorf("Holds = %q, %v", reason, err)
	}
}
