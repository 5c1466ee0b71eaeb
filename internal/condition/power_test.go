package condition

import (
	"os"
	"path/filepath"
	"testing"

	"borgcron/internal/backup"
)

// machine makes a /sys with these supplies: name, attribute, value.
func machine(t *testing.T, supplies map[string]map[string]string) string {
	t.Helper()
	sys := t.TempDir()
	for name, attributes := range supplies {
		folder := filepath.Join(sys, "class", "power_supply", name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for attribute, value := range attributes {
			if err := os.WriteFile(filepath.Join(folder, attribute), []byte(value+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return sys
}

var onBattery = map[string]map[string]string{
	"AC":   {"type": "Mains", "online": "0"},
	"BAT0": {"type": "Battery", "status": "Discharging", "capacity": "50", "present": "1", "scope": "System"},
}

func TestPower(t *testing.T) {
	type attributes = map[string]string
	tests := map[string]struct {
		supplies map[string]attributes
		onAC     string // the reason if on_ac is asked
		above20  string // the reason if battery_above: 20 is
	}{
		"no such folder":     {},
		"laptop on battery":  {supplies: onBattery, onAC: "on battery"},
		"laptop plugged in":  {supplies: map[string]attributes{"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Full", "capacity": "100"}}},
		"nearly empty":       {supplies: map[string]attributes{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Discharging", "capacity": "7"}}, onAC: "on battery", above20: "the battery is at 7%, not above 20%"},
		"exactly the bound":  {supplies: map[string]attributes{"BAT0": {"type": "Battery", "status": "Charging", "capacity": "20"}}, above20: "the battery is at 20%, not above 20%"},
		"just above":         {supplies: map[string]attributes{"BAT0": {"type": "Battery", "status": "Charging", "capacity": "21"}}},
		"unplugged, full":    {supplies: map[string]attributes{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Full", "capacity": "100"}}, onAC: "on battery"},
		"unplugged, unknown": {supplies: map[string]attributes{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Unknown"}}, onAC: "on battery"},
		"unplugged, but it charges": {
			supplies: map[string]attributes{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Charging", "capacity": "60"}},
		},
		"by USB": {
			supplies: map[string]attributes{"AC": {"type": "Mains", "online": "0"}, "ucsi1": {"type": "USB", "online": "0"}, "ucsi2": {"type": "USB_C", "online": "1"}, "BAT0": {"type": "Battery", "status": "Not charging", "capacity": "80"}},
		},
		"by USB with a programmable voltage": {
			supplies: map[string]attributes{"ucsi": {"type": "USB", "online": "2"}, "BAT0": {"type": "Battery", "status": "Discharging", "capacity": "80"}},
		},
		"idle USB socket alone": {
			supplies: map[string]attributes{"ucsi": {"type": "USB", "online": "0"}, "BAT0": {"type": "Battery", "status": "Not charging", "capacity": "80"}},
		},
		"battery alone, discharging": {supplies: map[string]attributes{"BAT0": {"type": "Battery", "status": "Discharging", "capacity": "80"}}, onAC: "on battery"},
		"desktop with a mouse": {
			supplies: map[string]attributes{"mouse": {"type": "Battery", "scope": "Device", "status": "Discharging", "capacity": "3"}},
		},
		"desktop with an odd adapter": {supplies: map[string]attributes{"AC": {"type": "Mains", "online": "0"}}},
		"battery taken out": {
			supplies: map[string]attributes{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "present": "0", "capacity": "0"}},
		},
		"two batteries": {
			supplies: map[string]attributes{"BAT0": {"type": "Battery", "status": "Unknown", "capacity": "90"}, "BAT1": {"type": "Battery", "status": "Discharging", "capacity": "5"}}, onAC: "on battery",
		},
		"two empty batteries": {
			supplies: map[string]attributes{"BAT0": {"type": "Battery", "status": "Unknown", "capacity": "30"}, "BAT1": {"type": "Battery", "status": "Discharging", "capacity": "5"}}, onAC: "on battery",
			above20: "the battery is at 17%, not above 20%",
		},
		"nonsense": {
			supplies: map[string]attributes{"a": {}, "b": {"type": "Battery", "capacity": "many"}, "c": {"type": "Battery", "capacity": "-5"}, "d": {"type": "Battery", "capacity": "300"}, "e": {"type": "\x00"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := &Checker{Sysfs: machine(t, test.supplies)}
			if reason, err := holds(t, c, backup.Conditions{OnAC: true}); reason != test.onAC || err != nil {
				t.Errorf("on_ac: %q, %v, want %q", reason, err, test.onAC)
			}
			if reason, err := holds(t, c, backup.Conditions{BatteryAbove: 20}); reason != test.above20 || err != nil {
				t.Errorf("battery_above: %q, %v, want %q", reason, err, test.above20)
			}
		})
	}
}
