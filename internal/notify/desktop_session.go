package notify

import (
	"context"
	"errors"
	"io/fs"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/godbus/dbus/v5"
)

const (
	systemBus = "unix:path=/run/dbus/system_bus_socket"
	login     = "org.freedesktop.login1"
)

// account is a user as the kernel knows one.
type account struct{ uid, gid uint32 }

// graphicalUsers asks logind who sits at a screen now: those with an active session that is graphical and not a greeter.
// Where there is no logind, nobody does.
func graphicalUsers(ctx context.Context, address string) ([]account, error) {
	if address == "" {
		address = systemBus
	}
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, noBus(err)
	}
	defer conn.Close()
	var sessions []struct {
		ID   string
		UID  uint32
		User string
		Seat string
		Path dbus.ObjectPath
	}
	err = conn.Object(login, "/org/freedesktop/login1").
		CallWithContext(ctx, login+".Manager.ListSessions", dbus.FlagNoAutoStart).Store(&sessions)
	if err != nil {
		return nil, noBus(err)
	}
	var users []account
	for _, session := range sessions {
		known := slices.ContainsFunc(users, func(a account) bool { return a.uid == session.UID })
		if !known && isGraphical(ctx, conn.Object(login, session.Path)) {
			users = append(users, accountOf(session.UID))
		}
	}
	return users, nil
}

// isGraphical tells whether somebody looks at a session's screen. One that has ended meanwhile has none.
func isGraphical(ctx context.Context, session dbus.BusObject) bool {
	var properties map[string]dbus.Variant
	err := session.CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, login+".Session").Store(&properties)
	if err != nil {
		return false
	}
	text := func(name string) string {
		value, _ := properties[name].Value().(string)
		return value
	}
	active, _ := properties["Active"].Value().(bool)
	return active && text("Class") == "user" && slices.Contains([]string{"x11", "wayland", "mir"}, text("Type"))
}

// accountOf finds the user's own group; one that the machine's files do not know gets a group of the same number.
func accountOf(uid uint32) account {
	found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return account{uid, uid}
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return account{uid, uid}
	}
	return account{uid, uint32(gid)}
}

// ownBus is the address of the own session's bus. From cron there are no variables: then it is where logind puts it.
func ownBus(environ []string, folder string) string {
	if address := variable(environ, "DBUS_SESSION_BUS_ADDRESS"); strings.HasPrefix(address, "unix:") {
		return address
	}
	if own := variable(environ, "XDG_RUNTIME_DIR"); filepath.IsAbs(own) {
		folder = own
	}
	return busIn(folder)
}

func busIn(folder string) string {
	return "unix:path=" + dbus.EscapeBusAddressValue(filepath.Join(folder, "bus"))
}

// noBus says in words without an address why a bus gives no answer. That there is none means that nobody is there.
func noBus(err error) error {
	var refused dbus.Error
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return ErrNobody
	case errors.As(err, &refused) && (refused.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || refused.Name == "org.freedesktop.DBus.Error.NameHasNoOwner"):
		return ErrNobody
	case errors.As(err, &refused) && strings.HasPrefix(refused.Name, "org.freedesktop.DBus.Error.Spawn."): // a bus without a screen
		return ErrNobody
	case errors.As(err, &refused):
		return errors.New("D-Bus refused: " + refused.Name)
	case errors.Is(err, syscall.EACCES): // another user's
		return errors.New("D-Bus does not let this user in")
	}
	return errors.New("D-Bus gives no answer")
}
