package notify_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/bustest"
	"borgcron/internal/notify"
)

const notifications = "org.freedesktop.Notifications"

// screen stands in for a desktop's notification server.
type screen struct {
	capabilities []string
	hang         bool

	mu    sync.Mutex
	shown []string
}

// asks sets what it can do and forgets what it has shown, which it returns.
func (s *screen) asks(capabilities []string, hang bool) (shown []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown = s.shown
	s.capabilities, s.hang, s.shown = capabilities, hang, nil
	return shown
}

func (s *screen) GetCapabilities() ([]string, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capabilities, nil
}

func (s *screen) Notify(app string, _ uint32, icon, summary, body string, _ []string, hints map[string]dbus.Variant, expire int32) (uint32, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hang {
		time.Sleep(time.Second) // longer than anybody waits
	}
	s.shown = append(s.shown, fmt.Sprint(app, "|", icon, "|", hints["urgency"].Value(), "|", hints["transient"].Value(), "|", expire, "|", summary, "|", body))
	return 1, nil
}

// claimName puts an object onto a bus under a name.
func claimName(t *testing.T, address, name string, object any, path dbus.ObjectPath, face string) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Export(object, path, face); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	return conn
}

func showOn(t *testing.T, address string, s *screen) {
	claimName(t, address, notifications, s, "/org/freedesktop/Notifications", notifications)
}

// TestShow compares what a screen is asked to show.
func TestShow(t *testing.T) {
	address := bustest.Start(t)
	if err := notify.Show(t.Context(), address, notify.Message{}); !errors.Is(err, notify.ErrNobody) {
		t.Errorf("without a notification server: %v", err)
	}
	s := &screen{}
	showOn(t, address, s)
	message := notify.Message{Event: "failed", Title: "laptop: backup of home\x1b failed", Text: "a <b> & c\n\nTook 4 minutes.\n"}
	for _, event := range []struct {
		word         backup.News
		look         string
		capabilities []string
		body         string
	}{
		{"failed", "dialog-error|2|<nil>", nil, "a <b> & c\nTook 4 minutes."},
		{"alarm", "dialog-error|2|<nil>", []string{"body", "body-markup"}, "a &lt;b&gt; &amp; c\nTook 4 minutes."},
		{"warning", "dialog-warning|1|<nil>", nil, "a <b> & c\nTook 4 minutes."},
		{"succeeded", "dialog-information|0|true", nil, "a <b> & c\nTook 4 minutes."},
	} {
		s.asks(event.capabilities, false)
		message.Event = event.word
		if err := notify.Show(t.Context(), address, message); err != nil {
			t.Fatal(err)
		}
		want := []string{"borgcron|" + event.look + "|-1|laptop: backup of home  failed|" + event.body}
		if diff := cmp.Diff(want, s.asks(nil, false)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", event.word, diff)
		}
	}
	s.asks(nil, true)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("no answer"))
	defer cancel()
	if err := notify.Show(ctx, address, message); err == nil || err.Error() != "no answer" {
		t.Errorf("a notification server that hangs: %v", err)
	}
}

// TestOwnScreen: not root, the own session's bus is found by its variable, and from cron without any.
func TestOwnScreen(t *testing.T) {
	runtime := bustest.Folder(t)
	if err := os.Mkdir(filepath.Join(runtime, "1000"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := bustest.StartAs(t, filepath.Join(runtime, "1000", "bus"), os.Getuid(), "")
	s := &screen{}
	showOn(t, address, s)
	for name, environ := range map[string][]string{
		"variable": {"DBUS_SESSION_BUS_ADDRESS=" + address, "XDG_RUNTIME_DIR=/nonexistent"},
		"runtime":  {"XDG_RUNTIME_DIR=" + filepath.Join(runtime, "1000"), "DBUS_SESSION_BUS_ADDRESS=tcp:host=localhost"},
		"cron":     nil,
	} {
		d := &notify.Desktop{UID: 1000, Environ: environ, RuntimeDir: runtime}
		if err := d.Deliver(t.Context(), notify.Message{Event: "failed", Title: "x"}); err != nil || len(s.asks(nil, false)) != 1 {
			t.Errorf("%s: %v, or it is not shown", name, err)
		}
	}
	d := &notify.Desktop{UID: 1001, RuntimeDir: runtime}
	if err := d.Deliver(t.Context(), notify.Message{}); !errors.Is(err, notify.ErrNobody) {
		t.Errorf("nobody is logged in: %v", err)
	}
}

// session is one of logind's.
type session struct {
	uid         uint32
	kind, class string
	active      bool
}

// logind stands in for the real one.
type logind []session

func (l logind) ListSessions() (list []struct {
	ID   string
	UID  uint32
	User string
	Seat string
	Path dbus.ObjectPath
}, _ *dbus.Error,
) {
	for i, s := range l {
		list = append(list, struct {
			ID   string
			UID  uint32
			User string
			Seat string
			Path dbus.ObjectPath
		}{fmt.Sprint(i), s.uid, "user", "seat0", sessionPath(i)})
	}
	return list, nil
}

func sessionPath(i int) dbus.ObjectPath {
	return dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/login1/session/_3%d", i))
}

func startLogind(t *testing.T, sessions ...session) string {
	t.Helper()
	const login = "org.freedesktop.login1"
	address := bustest.Start(t)
	conn := claimName(t, address, login, logind(sessions), "/org/freedesktop/login1", login+".Manager")
	for i, s := range sessions {
		_, err := prop.Export(conn, sessionPath(i), prop.Map{login + ".Session": {
			"Type": {Value: s.kind}, "Class": {Value: s.class}, "Active": {Value: s.active},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return address
}

// TestRootShowsOnScreens: the helper is started once for each user with an active graphical session, as that user, in
// no group but the user's own, with nothing of root's environment; the message comes in on its input.
func TestRootShowsOnScreens(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root starts helpers as other users")
	}
	t.Setenv("CANARY", "of root")
	folder := bustest.Folder(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Chmod(folder, 0o777))
	helper := filepath.Join(folder, "helper")
	check(os.WriteFile(helper, []byte(`#!/bin/sh
{ id -u; id -G; pwd; cat; echo; env; } >"$0.$(id -u)"
test "$(id -u)" != 65533 || { echo borgcron: the screen is broken >&2; exit 2; }
`), 0o755))
	d := &notify.Desktop{
		UID: 0, Environ: []string{"CANARY=of root"}, Program: helper, RuntimeDir: "/run/user",
		SystemBus: startLogind(t, session{65534, "wayland", "user", true}, session{65534, "x11", "user", true}, session{65533, "x11", "user", true},
			session{65532, "x11", "user", false}, session{65531, "tty", "user", true}, session{65530, "wayland", "greeter", true}),
	}
	check(d.Deliver(t.Context(), notify.Message{Event: "failed", Title: "it failed", Tail: []string{"a log"}}))
	started, _ := filepath.Glob(helper + ".*")
	if diff := cmp.Diff([]string{helper + ".65533", helper + ".65534"}, started); diff != "" {
		t.Fatalf("helpers (-want +got):\n%s", diff)
	}
	data, err := os.ReadFile(helper + ".65534")
	check(err)
	said := string(data)
	if !strings.HasPrefix(said, "65534\n65534\n/\n{") || !strings.Contains(said, `"title":"it failed"`) || !strings.Contains(said, "XDG_RUNTIME_DIR=/run/user/65534\n") {
		t.Errorf("the helper saw:\n%s", said)
	}
	for _, leak := range []string{"CANARY", "a log", "HOME=", "USER=root"} {
		if strings.Contains(said, leak) {
			t.Errorf("the helper was given %s:\n%s", leak, said)
		}
	}
	d.SystemBus = startLogind(t, session{65533, "x11", "user", true})
	if err := d.Deliver(t.Context(), notify.Message{}); err == nil || err.Error() != "the screen of user 65533: the screen is broken" {
		t.Errorf("no screen could be reached: %v", err)
	}
	d.SystemBus = startLogind(t, session{65532, "x11", "user", false})
	if err := d.Deliver(t.Context(), notify.Message{}); !errors.Is(err, notify.ErrNobody) {
		t.Errorf("nobody is active: %v", err)
	}
	d.SystemBus = bustest.Start(t)
	if err := d.Deliver(t.Context(), notify.Message{}); !errors.Is(err, notify.ErrNobody) {
		t.Errorf("no logind: %v", err)
	}
}

// TestRootIsNotLetIn: a session's bus refuses root, which is why there is a helper.
func TestRootIsNotLetIn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start another user's bus")
	}
	folder := bustest.Folder(t)
	if err := errors.Join(os.Chmod(folder, 0o755), os.Mkdir(filepath.Join(folder, "65534"), 0o700), os.Chown(filepath.Join(folder, "65534"), 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	address := bustest.StartAs(t, filepath.Join(folder, "65534", "bus"), 65534, "")
	if err := notify.Show(t.Context(), address, notify.Message{}); err == nil || errors.Is(err, notify.ErrNobody) {
		t.Errorf("root is let in: %v", err)
	}
}
