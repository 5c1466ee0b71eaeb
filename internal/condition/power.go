package condition

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"borgcron/internal/backup"
)

// supplies is what the kernel says of the power of this machine, that of mice and the like left out.
type supplies struct {
	online      bool // an adapter gives power
	unplugged   bool // there is a mains adapter that gives none
	batteries   int
	discharging bool
	charging    bool
	charges     []int // percent, of the batteries that tell
}

func (c *Checker) power(_ context.Context, conditions *backup.Conditions) (string, error) {
	if !conditions.OnAC && conditions.BatteryAbove == 0 {
		return "", nil
	}
	s := readSupplies(c.sysfs("class", "power_supply"))
	if conditions.OnAC && s.onBattery() {
		return "on battery", nil
	}
	if charge, known := s.charge(); conditions.BatteryAbove > 0 && known && charge <= conditions.BatteryAbove {
		return fmt.Sprintf("the battery is at %d%%, not above %d%%", charge, conditions.BatteryAbove), nil
	}
	return "", nil
}

// readSupplies reads the folder class/power_supply. What is missing or makes no sense is not known.
func readSupplies(folder string) supplies {
	var s supplies
	entries, err := os.ReadDir(folder)
	if err != nil {
		return s
	}
	for _, entry := range entries {
		read := func(attribute string) string {
			text, err := os.ReadFile(filepath.Join(folder, entry.Name(), attribute))
			if err != nil {
				return ""
			}
			return strings.TrimSpace(string(text))
		}
		if read("scope") == "Device" {
			continue
		}
		switch kind := read("type"); {
		case kind == "Battery" && read("present") != "0":
			s.addBattery(read("status"), read("capacity"))
		case kind == "Mains" || kind == "Wireless" || strings.HasPrefix(kind, "USB"):
			online := read("online")
			s.online = s.online || online == "1" || online == "2" // 2: with a programmable voltage
			s.unplugged = s.unplugged || kind == "Mains" && online == "0"
		}
	}
	return s
}

func (s *supplies) addBattery(status, capacity string) {
	s.batteries++
	s.discharging = s.discharging || status == "Discharging"
	s.charging = s.charging || status == "Charging"
	if charge, err := strconv.Atoi(capacity); err == nil && charge >= 0 && charge <= 100 {
		s.charges = append(s.charges, charge)
	}
}

// onBattery tells whether the machine certainly runs on its battery. A USB socket without power says
// nothing of the other sockets, hence the word of the battery counts as well.
func (s *supplies) onBattery() bool {
	if s.online || s.batteries == 0 {
		return false
	}
	return s.discharging || s.unplugged && !s.charging
}

// charge is the mean charge of the batteries in percent: where there are two, one is used up after the other.
func (s *supplies) charge() (percent int, known bool) {
	if len(s.charges) == 0 {
		return 0, false
	}
	sum := 0
	for _, charge := range s.charges {
		sum += charge
	}
	return sum / len(s.charges), true
}
