// Package inhibit keeps the machine from going to sleep in the middle of a run, where systemd's logind, or one
// that speaks like it, is there to be asked.
package inhibit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	systemBus = "unix:path=/run/dbus/system_bus_socket"
	// timeout is how long a run waits for logind.
	timeout = 3 * time.Second
)

var errNoAnswer = errors.New("no answer in time")

// Sleep keeps the machine awake until release is called or the process ends. It takes 3 s at most. Release is
// never nil and may be called twice. Where there is no system bus or no logind, nothing is kept awake, and that
// is no error. An error says why logind would not, which is no reason not to run: polkit may refuse this to a
// user who does not sit at the machine. The weaker lock of mode "delay" is not asked for in its place: it
// would give a few seconds to end something in, and a backup is not ended by that.
func Sleep(ctx context.Context, why string) (release func(), err error) {
	return sleep(ctx, systemBus, why)
}

func sleep(ctx context.Context, address, why string) (release func(), err error) {
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, errNoAnswer)
	defer cancel()
	type answer struct {
		lock *os.File
		err  error
	}
	answers := make(chan answer)
	go func() {
		lock, err := ask(bounded, address, why)
		select {
		case answers <- answer{lock, err}:
		case <-bounded.Done(): // nobody would ever let go of a lock that comes now
			lock.Close()
		}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-bounded.Done():
		a.err = context.Cause(bounded)
	}
	if a.err != nil && !absent(a.err) {
		err = fmt.Errorf("keep the machine from sleeping: %w", a.err)
	}
	return func() { a.lock.Close() }, err // to close none at all is an error that nobody looks at
}

// ask gets the lock from logind, without having it started. The lock holds until the last copy of the file is
// closed, which no program that we start inherits. The context bounds the way to the bus only: a connection
// that is closed while the answer comes in would lose the lock and keep it held, so the answer is waited for
// until there is one or the bus is gone.
func ask(ctx context.Context, address, why string) (*os.File, error) {
	connection, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	stop := context.AfterFunc(ctx, hangUp)
	conn, err := dbus.Connect(address, dbus.WithContext(connection))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if !stop() {
		return nil, context.Cause(ctx)
	}
	var fd dbus.UnixFD
	err = conn.Object("org.freedesktop.login1", "/org/freedesktop/login1").
		Call("org.freedesktop.login1.Manager.Inhibit", dbus.FlagNoAutoStart, "sleep", "borgcron", why, "block").Store(&fd)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(max(fd, 0)), "inhibitor lock"), nil
}

// absent tells whether there is nobody to ask.
func absent(err error) bool {
	var refused dbus.Error
	if errors.As(err, &refused) {
		return refused.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || refused.Name == "org.freedesktop.DBus.Error.NameHasNoOwner"
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}
