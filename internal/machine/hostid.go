package machine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// stored is an id of ours, and the machine that it was made for.
type stored struct {
	ID      string `json:"id"`
	Machine string `json:"machine_id_hash"` // machine-id(5) itself is not to be shown to others
	Host    string `json:"hostname"`
}

var ownID = regexp.MustCompile(`^borgcron-[0-9a-f]{32}$`)

// lockWait is how long another process may take to write the file.
const lockWait = 5 * time.Second

// HostID is what BORG_HOST_ID is to be set to, "" to leave it to borg. Borg's own is FQDN@MAC, which will not do
// in a container, whose processes are counted for themselves, nor without a MAC that stays. Such a machine
// has an id of ours, kept in STATE/host-id; who has one keeps it. For a copy of the machine a new one is made.
//
// An id with an error is good, and the error a warning; without an id, borg's own has to do.
func (v View) HostID(state string) (id string, err error) {
	name := filepath.Join(state, "host-id")
	want := stored{Machine: v.machineID(), Host: v.hostname()}
	if kept, err := readStored(name); err == nil && kept.isFor(want) {
		return kept.ID, nil
	}
	if v.defaultStays() {
		return "", nil
	}
	id, err = makeID(state, name, want)
	if err != nil {
		err = fmt.Errorf("the id of this host for borg's locks: %w", err)
	}
	return id, err
}

func (s stored) isFor(want stored) bool { return s.Machine == want.Machine && s.Host == want.Host }

// makeID makes an id, unless another process just did.
func makeID(state, name string, want stored) (string, error) {
	unlock, err := lockFile(state)
	if err != nil {
		return "", err
	}
	defer unlock()
	kept, damage := readStored(name)
	if damage == nil && kept.isFor(want) {
		return kept.ID, nil
	}
	if errors.Is(damage, fs.ErrNotExist) {
		damage = nil
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // it never fails
	want.ID = "borgcron-" + hex.EncodeToString(random)
	data, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		return "", err
	}
	err = renameio.WriteFile(name, append(data, '\n'), 0o644, renameio.WithStaticPermissions(0o644), renameio.WithTempDir(state))
	if err != nil {
		return "", err
	}
	if damage != nil {
		damage = fmt.Errorf("%w; a new one is made", damage)
	}
	return want.ID, damage
}

// lockFile keeps other processes from making an id at the same time.
func lockFile(state string) (unlock func(), err error) {
	if state == "" {
		return nil, errors.New("there is no state folder to keep it in")
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(state, ".host-id.lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			file.Close()
			return nil, fmt.Errorf("lock its file: %w", err)
		}
	}
}

func readStored(name string) (stored, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return stored{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil {
		return stored{}, err
	}
	return parseStored(data)
}

func parseStored(data []byte) (stored, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return stored{}, fmt.Errorf("its file is damaged: %w", err)
	}
	if !ownID.MatchString(s.ID) {
		return stored{}, errors.New("its file is damaged: it holds no id of ours")
	}
	return s, nil
}

func (v View) machineID() string {
	id := v.line("etc/machine-id")
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("borgcron host-id " + id))
	return hex.EncodeToString(sum[:])
}

func (v View) hostname() string {
	if v.root != "" {
		return v.line("proc/sys/kernel/hostname")
	}
	name, _ := os.Hostname()
	return name
}

// defaultStays tells whether borg's own id is this machine's alone and the same each time: without a MAC
// Python makes up a new one in every process.
func (v View) defaultStays() bool {
	for _, mark := range []string{".dockerenv", "run/.containerenv", "run/systemd/container"} {
		if _, err := os.Lstat(v.path(mark)); err == nil {
			return false
		}
	}
	if !v.inFirstPIDs() {
		return false
	}
	for _, i := range v.interfaces() {
		if i.hardware && i.permanent {
			return true
		}
	}
	return false
}

// IsDefaultHostID tells whether an id is one that borg gives this machine by itself: HOST@MAC, where HOST is
// the name of the host, with its domain or without, and MAC a decimal number.
func (v View) IsDefaultHostID(id string) bool {
	at := strings.LastIndexByte(id, '@')
	if at < 0 {
		return false
	}
	name := v.hostname()
	if host := id[:at]; name == "" || host != name && !strings.HasPrefix(host, name+".") {
		return false
	}
	node, err := strconv.ParseUint(id[at+1:], 10, 48)
	if err != nil {
		return false
	}
	for _, i := range v.interfaces() {
		if i.node == node && (i.hardware || i.permanent) {
			return true
		}
	}
	return false
}

// netInterface is a network interface that has a MAC.
type netInterface struct {
	node      uint64 // the MAC as a number
	hardware  bool   // there is a device behind it
	permanent bool   // the MAC is the device's own, not made up
}

func (v View) interfaces() []netInterface {
	entries, _ := os.ReadDir(v.path("sys/class/net"))
	var found []netInterface
	for _, entry := range entries {
		folder := filepath.Join("sys/class/net", entry.Name())
		mac, err := net.ParseMAC(v.line(folder, "address"))
		if err != nil || len(mac) != 6 {
			continue
		}
		i := netInterface{permanent: v.line(folder, "addr_assign_type") == "0"}
		for _, b := range mac {
			i.node = i.node<<8 | uint64(b)
		}
		_, err = os.Stat(v.path(folder, "device"))
		i.hardware = err == nil
		if i.node != 0 {
			found = append(found, i)
		}
	}
	return found
}
