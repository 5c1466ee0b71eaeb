package notify

import (
	"context"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"borgcron/internal/backup"
)

const desktopService = "org.freedesktop.Notifications"

// looks are how an event looks on a screen: its icon, by freedesktop's icon naming specification, and its urgency
// (0 low, 1 normal, 2 critical: stays until somebody has seen it), by the desktop notifications specification.
var looks = map[backup.News]struct {
	icon    string
	urgency byte
}{
	backup.NewsFailed:    {"dialog-error", 2},
	backup.NewsAlarm:     {"dialog-error", 2},
	backup.NewsStale:     {"dialog-error", 2},
	backup.NewsWarning:   {"dialog-warning", 1},
	backup.NewsRecovered: {"dialog-information", 1},
	backup.NewsTest:      {"dialog-information", 1},
	backup.NewsSucceeded: {"dialog-information", 0},
	backup.NewsSkipped:   {"dialog-information", 0},
}

// Show shows a message by the notification server of a session, whose bus has this address.
func Show(ctx context.Context, address string, m Message) error {
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return orEnd(ctx, noBus(err))
	}
	defer conn.Close()
	server := conn.Object(desktopService, "/org/freedesktop/Notifications")
	var capabilities []string
	if err := server.CallWithContext(ctx, desktopService+".GetCapabilities", 0).Store(&capabilities); err != nil {
		return orEnd(ctx, noBus(err))
	}
	body := strings.TrimSuffix(text(strings.Split(m.Text, "\n")), "\n")
	if slices.Contains(capabilities, "body-markup") {
		body = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
	}
	look := looks[m.Event]
	hints := map[string]dbus.Variant{
		"urgency": dbus.MakeVariant(look.urgency), "category": dbus.MakeVariant("transfer"), "desktop-entry": dbus.MakeVariant("borgcron"),
	}
	if look.urgency == 0 {
		hints["transient"] = dbus.MakeVariant(true) // not worth being kept
	}
	const newOne, byServer = uint32(0), int32(-1)
	call := server.CallWithContext(ctx, desktopService+".Notify", 0, "borgcron", newOne, look.icon,
		backup.CleanLine(m.Title, mostTitle), body, []string{}, hints, byServer)
	if call.Err != nil {
		return orEnd(ctx, noBus(call.Err))
	}
	return nil
}

// orEnd is the reason why the context ended, if it did, rather than what that led to.
func orEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
