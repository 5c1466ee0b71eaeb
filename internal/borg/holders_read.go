package borg

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// readLock reads the lock of a repository or of a cache, which is in two pieces: the folder lock.exclusive with
// an empty file for the process that has it, and the file lock.roster with all that use the repository. The
// folder is read first: who leaves it free while it is read stands in the roster before.
func readLock(folder, place string) ([]backup.LockHolder, error) {
	exclusive, err := readExclusive(filepath.Join(folder, "lock.exclusive"), place)
	if err != nil {
		return nil, fmt.Errorf("read the lock of the %s: %w", place, err)
	}
	roster, err := readRoster(filepath.Join(folder, "lock.roster"), place)
	if err != nil {
		return nil, fmt.Errorf("read the lock of the %s: %w", place, err)
	}
	return merge(exclusive, roster), nil
}

// merge adds the holders of the roster that are not known by the folder.
func merge(exclusive, roster []backup.LockHolder) []backup.LockHolder {
	for _, h := range roster {
		known := slices.IndexFunc(exclusive, func(e backup.LockHolder) bool {
			return h.PID != 0 && e.PID == h.PID && e.HostID == h.HostID && e.Exclusive == h.Exclusive
		})
		if known < 0 {
			exclusive = append(exclusive, h)
		} else if h.Since.Before(exclusive[known].Since) {
			exclusive[known].Since = h.Since
		}
	}
	return exclusive
}

// strange is a holder of which nothing is known.
func strange(place, why string) backup.LockHolder {
	return backup.LockHolder{Place: place, Why: why}
}

// mostEntries is more than a folder lock.exclusive ever has: one.
const mostEntries = 100

func readExclusive(name, place string) ([]backup.LockHolder, error) {
	folder, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_DIRECTORY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR):
		return []backup.LockHolder{strange(place, "lock.exclusive is no folder")}, nil
	case err != nil:
		return nil, err
	}
	defer folder.Close()
	entries, err := folder.ReadDir(mostEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var holders []backup.LockHolder
	if len(entries) == mostEntries {
		holders = append(holders, strange(place, "lock.exclusive is full of files"))
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) { // it was let go just now
			continue
		}
		if err != nil {
			return nil, err
		}
		h, ok := parseHolderName(entry.Name())
		if !ok {
			h.Why = "the file in lock.exclusive has a name that borg does not give: " + backup.CleanLine(entry.Name(), 100)
		}
		h.Place, h.Exclusive, h.Since = place, true, info.ModTime()
		holders = append(holders, h)
	}
	return holders, nil
}

// parseHolderName reads HOSTID.PID-THREAD, the thread as a hexadecimal number.
func parseHolderName(name string) (h backup.LockHolder, ok bool) {
	rest, thread, found := cutLast(name, '-')
	if _, err := strconv.ParseUint(thread, 16, 64); !found || err != nil {
		return h, false
	}
	host, number, found := cutLast(rest, '.')
	pid, err := strconv.ParseInt(number, 10, 32)
	if !found || err != nil || strings.HasPrefix(number, "+") || !plausible(host, pid) {
		return h, false
	}
	return backup.LockHolder{HostID: host, PID: int(pid)}, true
}

func cutLast(s string, separator byte) (before, after string, found bool) {
	at := strings.LastIndexByte(s, separator)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}

// plausible tells whether borg can have written this, and it can be shown as it is.
func plausible(host string, pid int64) bool {
	return pid > 0 && pid <= 1<<31-1 && host != "" && len(host) <= 255 && host == backup.Clean(host)
}

// mostRoster is more than a roster ever has, in bytes.
const mostRoster = 1 << 20

// readRoster reads the holders in a roster. It is written anew with each change: they have been there since its
// time at the latest.
func readRoster(name, place string) ([]backup.LockHolder, error) {
	data, changed, err := readForeign(name, mostRoster)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var holders []backup.LockHolder
	if err == nil {
		holders, err = parseRoster(data)
	}
	if errors.Is(err, errStrange) {
		return []backup.LockHolder{strange(place, "lock.roster cannot be understood: "+backup.CleanLine(err.Error(), 100))}, nil
	}
	for i := range holders {
		holders[i].Place, holders[i].Since = place, changed
	}
	return holders, err
}

// errStrange says that a file is not what borg writes.
var errStrange = errors.New("it is not what borg writes")

// parseRoster reads {"exclusive": [...], "shared": [...]}. An empty file is strange as well: it may be about to
// be written.
func parseRoster(data []byte) ([]backup.LockHolder, error) {
	var roster map[string][]json.RawMessage
	if err := json.Unmarshal(data, &roster); err != nil {
		return nil, fmt.Errorf("%w: %w", errStrange, err)
	}
	for key := range roster {
		if key != "exclusive" && key != "shared" {
			return nil, fmt.Errorf("%w: %q", errStrange, key)
		}
	}
	var holders []backup.LockHolder
	for _, key := range []string{"exclusive", "shared"} {
		for _, entry := range roster[key] {
			h, err := parseRosterEntry(entry)
			if err != nil {
				return nil, err
			}
			h.Exclusive = key == "exclusive"
			holders = append(holders, h)
		}
	}
	return holders, nil
}

func parseRosterEntry(data json.RawMessage) (backup.LockHolder, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) != 3 {
		return backup.LockHolder{}, fmt.Errorf("%w: an entry is no list of three", errStrange)
	}
	var host string
	var pid, thread int64
	err := errors.Join(json.Unmarshal(parts[0], &host), json.Unmarshal(parts[1], &pid), json.Unmarshal(parts[2], &thread))
	if err != nil || !plausible(host, pid) {
		return backup.LockHolder{}, fmt.Errorf("%w: an entry is no host, process and thread", errStrange)
	}
	return backup.LockHolder{HostID: host, PID: int(pid)}, nil
}

// readForeign reads a small file that others may have put there: nothing is followed or waited for.
func readForeign(name string, most int64) (data []byte, changed time.Time, err error) {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, changed, fmt.Errorf("%w: a symbolic link", errStrange)
	}
	if err != nil {
		return nil, changed, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, changed, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, changed, fmt.Errorf("%w: no file, or a huge one", errStrange)
	}
	data, err = io.ReadAll(io.LimitReader(file, most))
	return data, info.ModTime(), err
}
