package condition

import (
	"context"

	"github.com/godbus/dbus/v5"

	"borgcron/internal/backup"
)

// The values of NetworkManager's NMMetered by which a connection costs money; 0, 2 and 4 are unknown and no.
const (
	meteredYes      = 1
	meteredGuessYes = 3
)

func (c *Checker) unmetered(ctx context.Context, conditions *backup.Conditions) (string, error) {
	if !conditions.Unmetered {
		return "", nil
	}
	bounded, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	metered, err := within(bounded, busTimeout, func() (uint32, error) { return c.metered(bounded) })
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err == nil && (metered == meteredYes || metered == meteredGuessYes) {
		return "the network connection is metered", nil
	}
	return "", nil // without NetworkManager it cannot be known
}

// metered asks NetworkManager, without having it started.
func (c *Checker) metered(ctx context.Context) (uint32, error) {
	address := c.Bus
	if address == "" {
		address = "unix:path=/run/dbus/system_bus_socket"
	}
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	var metered dbus.Variant
	err = conn.Object("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager").
		CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart,
			"org.freedesktop.NetworkManager", "Metered").Store(&metered)
	if err != nil {
		return 0, err
	}
	value, _ := metered.Value().(uint32)
	return value, nil
}
