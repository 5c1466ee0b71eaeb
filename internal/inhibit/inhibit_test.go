package inhibit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"borgcron/internal/bustest"
)

// logind stands in for the real one. It gives its copy of a lock away for good.
type logind struct {
	asked chan []any    // what for
	sent  chan struct{} // the answer is on its way
}

// start makes a logind that answers with a lock or an error.
func start(t *testing.T, address string, answer func() (*os.File, *dbus.Error)) *logind {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if reply, err := conn.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	l := &logind{asked: make(chan []any, 1), sent: make(chan struct{}, 1)}
	messages := make(chan *dbus.Message, 8)
	conn.Eavesdrop(messages) // the answer is written by hand, to know when that is done
	go func() {
		for message := range messages {
			if message.Headers[dbus.FieldMember].Value() != "Inhibit" || message.Headers[dbus.FieldInterface].Value() != "org.freedesktop.login1.Manager" ||
				message.Headers[dbus.FieldPath].Value() != dbus.ObjectPath("/org/freedesktop/login1") {
				continue
			}
			l.asked <- message.Body
			l.reply(conn, message, answer)
			l.sent <- struct{}{}
		}
	}()
	return l
}

func (l *logind) reply(conn *dbus.Conn, call *dbus.Message, answer func() (*os.File, *dbus.Error)) {
	reply := &dbus.Message{Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: call.Headers[dbus.FieldSender],
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
	}}
	lock, refused := answer()
	if refused != nil {
		reply.Type, reply.Body = dbus.TypeError, refused.Body
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(refused.Name)
	} else {
		defer lock.Close()
		reply.Type, reply.Body = dbus.TypeMethodReply, []any{dbus.UnixFD(lock.Fd())}
	}
	reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(reply.Body...))
	conn.Send(reply, nil)
}

// pipe returns the end that logind keeps and the one that it gives away.
func pipe(t *testing.T) (kept, given *os.File) {
	t.Helper()
	kept, given, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kept.Close()
		given.Close()
	})
	return kept, given
}

// held tells whether anybody has the other end.
func held(t *testing.T, kept *os.File) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(kept.Fd()), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, 0); err != nil {
		t.Fatal(err)
	}
	return fds[0].Revents&unix.POLLHUP == 0
}

func TestHeldUntilReleased(t *testing.T) {
	address := bustest.Start(t)
	kept, given := pipe(t)
	l := start(t, address, func() (*os.File, *dbus.Error) { return given, nil })
	before := openPipes(t)
	release, err := sleep(t.Context(), address, "a backup is running")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(<-l.asked), "[sleep borgcron a backup is running block]"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	<-l.sent
	if !held(t, kept) {
		t.Error("the lock is not held")
	}
	// What inherited it would keep it longer than the run.
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill()
		child.Wait()
	}()
	release()
	if !gone(kept) {
		t.Error("the lock is held after it was released, and a child was started meanwhile")
	}
	release()
	if after := openPipes(t); after != before-1 { // logind has closed its own
		t.Errorf("%d pipes are open, %d were", after, before)
	}
}

// gone waits until nobody has the other end, for a while.
func gone(kept *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(kept.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 5000)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLHUP != 0
}

// openPipes counts the ends of pipes that this process has.
func openPipes(t *testing.T) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

func TestClosedOnExec(t *testing.T) {
	address := bustest.Start(t)
	_, given := pipe(t)
	start(t, address, func() (*os.File, *dbus.Error) { return given, nil })
	lock, err := ask(t.Context(), address, "")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if flags, err := unix.FcntlInt(lock.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

func TestRefused(t *testing.T) {
	address := bustest.Start(t)
	start(t, address, func() (*os.File, *dbus.Error) {
		return nil, dbus.NewError("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", []any{"Interactive authentication required."})
	})
	release, err := sleep(t.Context(), address, "")
	if err == nil || err.Error() != "keep the machine from sleeping: Interactive authentication required." {
		t.Errorf("Sleep: %v", err)
	}
	release()
	release()
}

func TestAbsent(t *testing.T) {
	stale := filepath.Join(t.TempDir(), "bus")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	for name, address := range map[string]string{
		"no bus": "unix:path=/nonexistent/bus", "nobody listens": "unix:path=" + stale, "no logind": bustest.Start(t),
	} {
		release, err := sleep(t.Context(), address, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		release()
	}
}

// A logind that answers too late is not waited for, and its lock does not keep the machine awake.
func TestTooLate(t *testing.T) {
	t.Parallel()
	address := bustest.Start(t)
	kept, given := pipe(t)
	answer := make(chan struct{})
	l := start(t, address, func() (*os.File, *dbus.Error) {
		<-answer
		return given, nil
	})
	began := time.Now()
	release, err := sleep(t.Context(), address, "")
	if took := time.Since(began); !errors.Is(err, errNoAnswer) || took < timeout || took > 3*timeout {
		t.Errorf("Sleep: %v after %v", err, took)
	}
	<-l.asked
	release()
	close(answer)
	<-l.sent
	if !gone(kept) {
		t.Error("somebody holds the lock")
	}
}

func TestSilentBus(t *testing.T) {
	t.Parallel()
	began := time.Now()
	release, err := sleep(t.Context(), silent(t, func() {}), "")
	if took := time.Since(began); !errors.Is(err, errNoAnswer) || took < timeout || took > 3*timeout {
		t.Errorf("Sleep: %v after %v", err, took)
	}
	release()
}

func TestStopped(t *testing.T) {
	stopped := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	release, err := sleep(ctx, silent(t, func() { cancel(stopped) }), "")
	if !errors.Is(err, stopped) {
		t.Errorf("Sleep: %v", err)
	}
	release()
}

// Answers that come just as the waiting ends leave no lock behind.
func TestStoppedWhileItAnswers(t *testing.T) {
	address := bustest.Start(t)
	answers := make(chan *os.File, 1)
	l := start(t, address, func() (*os.File, *dbus.Error) { return <-answers, nil })
	for round := range 100 {
		kept, given := pipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			release, _ := sleep(ctx, address, "")
			release()
		}()
		<-l.asked
		answers <- given
		for range round % 10 * 1000 { // a moment more each time
			_ = ctx.Err()
		}
		cancel()
		<-ended
		<-l.sent
		if !gone(kept) {
			t.Fatal("somebody holds the lock")
		}
	}
}

// silent is a bus that takes a connection, tells accepted, and never says a word.
func silent(t *testing.T, accepted func()) string {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(bustest.Folder(t), "bus"))
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
