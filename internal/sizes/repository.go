package sizes

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Repository is a Borg repository that was come upon, whoever writes to it. It is known by a file `config` that has
// the section [repository], beside a folder `data`. Each backup, as every other change, writes a segment: a file with a
// number in a folder with a number below `data`.
type Repository struct {
	Path          string     `json:"path"`
	NewestSegment *time.Time `json:"newest_segment"` // when it was written to last; nil: it has none
	Age           int64      `json:"age"`            // seconds since then; without a segment, since its config was written
}

const (
	// tolerated is how far in the future a segment may be: a clock that was a bit wrong.
	tolerated = 24 * time.Hour
	// mostConfig is how much of a file is looked at, many times as much as borg writes.
	mostConfig = 64 << 10
)

// Silent tells whether nothing was written for longer than that, or at a time which cannot be true.
func (r Repository) Silent(after time.Duration) bool {
	age := time.Duration(r.Age) * time.Second
	return age > after || age < -tolerated
}

// marks are what makes a folder look like a repository.
type marks struct{ config, data bool }

func (m *marks) see(names []string) {
	for _, name := range names {
		switch name {
		case "config":
			m.config = true
		case "data":
			m.data = true
		}
	}
}

func (m *marks) all() bool { return m.config && m.data }

// recognise notes an open folder if it is a repository.
func (w *walk) recognise(f *folder) {
	config, info, err := openFile(f.fd, "config")
	if err != nil {
		return
	}
	defer config.Close()
	head, err := io.ReadAll(io.LimitReader(config, mostConfig))
	if err != nil || !slices.ContainsFunc(bytes.Split(head, []byte("\n")), func(line []byte) bool {
		return string(bytes.TrimSpace(line)) == "[repository]"
	}) {
		return
	}
	last := info.ModTime()
	found := Repository{Path: cmp.Or(f.path(), ".")}
	if segment := newestSegment(f.fd); !segment.IsZero() {
		last, found.NewestSegment = segment, &segment
	}
	found.Age = int64(w.now.Sub(last) / time.Second)
	if found.Age < 0 && found.Age > -int64(tolerated/time.Second) {
		found.Age = 0
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.repositories = append(w.repositories, found)
}

// newestSegment returns when the segment with the highest number was written; zero if there is none, or none that may
// be seen. The numbers only ever rise.
func newestSegment(repository int) time.Time {
	for _, number := range numbersIn(repository, "data") {
		group := "data/" + number
		for _, segment := range numbersIn(repository, group) {
			var st unix.Stat_t
			if err := lstat(repository, group+"/"+segment, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
				return time.Unix(st.Mtim.Unix())
			}
		}
	}
	return time.Time{}
}

// numbersIn returns the names in a folder that are numbers, the highest first.
func numbersIn(at int, path string) (names []string) {
	fd, err := again(func() (int, error) {
		return unix.Openat(at, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil
	}
	folder := os.NewFile(uintptr(fd), path) //nolint:gosec // a descriptor is not negative
	defer folder.Close()
	names, _ = folder.Readdirnames(-1) // the walk says what cannot be read
	names = slices.DeleteFunc(names, func(name string) bool { return strings.Trim(name, "0123456789") != "" })
	slices.SortFunc(names, func(a, b string) int { // as numbers, of any length
		return cmp.Or(len(b)-len(a), strings.Compare(b, a))
	})
	return names
}
