package borg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/machine"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const boot = 1700000000 // of the machine of files

// machineOfFiles is called laptop, runs since boot, and sees all its processes, unless it is a container.
func machineOfFiles(t *testing.T, container bool) machine.View {
	t.Helper()
	root := t.TempDir()
	process := func(pid int, state, name string, start int, args string) {
		folder := fmt.Sprintf("%s/proc/%d/", root, pid)
		write(t, folder+"stat", fmt.Sprintf("%d (%s) %s 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", pid, name, state, start))
		write(t, folder+"cmdline", args)
		write(t, folder+"status", fmt.Sprintf("NSpid:\t%d\n", pid))
	}
	write(t, root+"/proc/stat", fmt.Sprintf("btime %d\n", boot))
	write(t, root+"/proc/sys/kernel/hostname", "laptop\n")
	write(t, root+"/sys/class/net/eth0/address", "02:fc:00:00:00:01\n")
	write(t, root+"/sys/class/net/eth0/addr_assign_type", "0\n")
	process(1, "S", "init", 1, "/sbin/init\x00")
	process(20, "S", "borg", 500_00, "python3\x00/usr/bin/borg\x00")
	process(21, "S", "sleep", 500_00, "sleep\x00")
	process(22, "Z", "borg", 500_00, "")
	process(23, "S", "archiver", 500_00, "archiver\x00")
	process(24, "S", "sleep", 1, "sleep\x00")
	process(25, "S", "borg", 500_00, "borg\x00")
	write(t, root+"/proc/25/status", "NSpid:\t25\t7\n") // in a container it is number 7
	write(t, root+"/proc/26/stat", "gibberish")
	pids := "pid:[4026531836]"
	if container {
		pids = "pid:[4026532177]"
	} else if err := os.RemoveAll(root + "/proc/26"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root+"/proc/self/ns", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(pids, root+"/proc/self/ns/pid"); err != nil {
		t.Fatal(err)
	}
	return machine.At(root)
}

func TestLifeOfAHolder(t *testing.T) {
	const own, byDefault = "borgcron-00112233445566778899aabbccddeeff", "laptop@3281355014145"
	host, container := machineOfFiles(t, false), machineOfFiles(t, true)
	for name, test := range map[string]struct {
		machine machine.View
		id      string
		pid     int
		since   int // seconds after the boot
		want    backup.Life
		why     string
	}{
		"gone":                                  {host, byDefault, 99, 600, backup.Dead, "no such process"},
		"gone, our id":                          {container, own, 99, 600, backup.Dead, "no such process"},
		"gone, of another host":                 {host, "nas@1", 99, 600, backup.Unjudged, "another host"},
		"gone, of another own id":               {host, "borgcron-ff", 99, 600, backup.Unjudged, "another host"},
		"gone, older than the boot, of another": {host, "nas@1", 99, -1000, backup.Unjudged, "another host"},
		"perhaps outside of this container":     {container, byDefault, 99, 600, backup.Unjudged, "namespace"},
		"before boot, outside of container":     {container, byDefault, 99, -1000, backup.Unjudged, "namespace"},
		"a borg":                                {host, byDefault, 20, 501, backup.Living, "is a running borg"},
		"a borg, our id":                        {container, own, 20, 501, backup.Living, "is a running borg"},
		"a borg, the clock was set forward":     {host, byDefault, 20, -9000, backup.Living, "is a running borg"},
		"a borg in a container":                 {host, byDefault, 7, 600, backup.Living, "is a running borg"},
		"a borg under another name":             {host, byDefault, 23, 1, backup.Living, "is a running borg"},
		"ended, not yet noticed":                {host, byDefault, 22, 501, backup.Dead, "has ended"},
		"number taken again":                    {host, byDefault, 21, 400, backup.Dead, "began after"},
		"number taken again, our id":            {container, own, 21, 400, backup.Dead, "began after"},
		"it may be that one":                    {host, byDefault, 21, 501, backup.Living, "is running"},
		"too close to tell":                     {host, byDefault, 21, 498, backup.Living, "is running"},
		"just enough":                           {host, byDefault, 21, 497, backup.Dead, "began after"},
		"older than the boot":                   {host, byDefault, 24, -3, backup.Dead, "began after"},
		"hidden":                                {container, own, 26, 600, backup.Unjudged, "cannot be looked at"},
	} {
		j := judge{machine: test.machine, hostID: own, programs: []string{"archiver"}}
		h := backup.LockHolder{HostID: test.id, PID: test.pid, Since: time.Unix(boot+int64(test.since), 0)}
		life, why := j.life(h)
		if life != test.want || !strings.Contains(why, test.why) {
			t.Errorf("%s: %v, %s", name, life, why)
		}
	}
	j := judge{machine: host}
	if life, _ := j.life(backup.LockHolder{HostID: byDefault, PID: 21}); life != backup.Living {
		t.Errorf("a process that runs, and a lock of unknown age: %v", life)
	}
}

func TestReadLock(t *testing.T) {
	at := time.Unix(boot, 0)
	for name, test := range map[string]struct {
		files  []string // in lock.exclusive
		roster string   // "-": none
		want   []backup.LockHolder
	}{
		"nothing": {nil, "-", nil},
		"both name one": {[]string{"vm@3281355014145.17055-0"}, `{"exclusive": [["vm@3281355014145", 17055, 0]]}`, []backup.LockHolder{
			{HostID: "vm@3281355014145", PID: 17055, Exclusive: true, Since: at}}},
		"a name with dots": {[]string{"a-b.c.example@1.2-f"}, "-", []backup.LockHolder{
			{HostID: "a-b.c.example@1", PID: 2, Exclusive: true, Since: at}}},
		"readers": {nil, `{"shared": [["a@1", 5, 0], ["b@2", 5, 0]], "exclusive": []}`, []backup.LockHolder{
			{HostID: "a@1", PID: 5, Since: at}, {HostID: "b@2", PID: 5, Since: at}}},
		"a reader that joins": {[]string{"a@1.5-0"}, `{"shared": [["a@1", 5, 0]]}`, []backup.LockHolder{
			{HostID: "a@1", PID: 5, Exclusive: true, Since: at}, {HostID: "a@1", PID: 5, Since: at}}},
		"a strange name":     {[]string{"what.is-this"}, "-", []backup.LockHolder{{Exclusive: true, Since: at, Why: "name"}}},
		"an empty roster":    {nil, "", []backup.LockHolder{{Why: "lock.roster"}}},
		"a strange roster":   {nil, `{"shared": [["a@1", "5", 0]]}`, []backup.LockHolder{{Why: "lock.roster"}}},
		"a cut-off roster":   {nil, `{"shared": [["a@1", 5`, []backup.LockHolder{{Why: "lock.roster"}}},
		"a new kind of lock": {nil, `{"others": []}`, []backup.LockHolder{{Why: "lock.roster"}}},
	} {
		dir := t.TempDir()
		if test.roster != "-" {
			write(t, dir+"/lock.roster", test.roster)
		}
		if err := os.Mkdir(dir+"/lock.exclusive", 0o755); err != nil {
			t.Fatal(err)
		}
		for _, file := range test.files {
			write(t, dir+"/lock.exclusive/"+file, "")
			must(t, os.Chtimes(dir+"/lock.exclusive/"+file, at, at))
		}
		_ = os.Chtimes(dir+"/lock.roster", at, at)
		for i := range test.want {
			test.want[i].Place = backup.LockOfCache
		}
		got, err := readLock(dir, backup.LockOfCache)
		part := cmpopts.AcyclicTransformer("Why", func(h backup.LockHolder) backup.LockHolder {
			for _, word := range []string{"name", "lock.roster"} {
				if strings.Contains(h.Why, word) {
					h.Why = word
				}
			}
			return h
		})
		if diff := cmp.Diff(test.want, got, part); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReadLockThatIsNone finds what others may have put in the place of a lock: nobody can judge it, and
// nothing waits for it.
func TestReadLockThatIsNone(t *testing.T) {
	for name, put := range map[string]func(dir string) error{
		"folder is a link": func(dir string) error { return os.Symlink("/proc", dir+"/lock.exclusive") },
		"folder is a file": func(dir string) error { return os.WriteFile(dir+"/lock.exclusive", nil, 0o644) },
		"folder is a pipe": func(dir string) error { return unix.Mkfifo(dir+"/lock.exclusive", 0o644) },
		"roster is a link": func(dir string) error { return os.Symlink("/etc/passwd", dir+"/lock.roster") },
		"roster is a pipe": func(dir string) error { return unix.Mkfifo(dir+"/lock.roster", 0o644) },
		"roster is huge": func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/lock.roster", []byte("{}"), 0o644), os.Truncate(dir+"/lock.roster", 1<<40))
		},
		"many files": func(dir string) error {
			err := os.Mkdir(dir+"/lock.exclusive", 0o755)
			for i := range 2 * mostEntries {
				err = errors.Join(err, os.WriteFile(fmt.Sprintf("%s/lock.exclusive/a@1.%d-0", dir, i+1), nil, 0o644))
			}
			return err
		},
	} {
		dir := t.TempDir()
		must(t, put(dir))
		got, err := readLock(dir, backup.LockOfRepository)
		if err != nil || len(got) == 0 || got[0].PID != 0 || got[0].Life != backup.Unjudged || got[0].Why == "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCaches(t *testing.T) {
	const id = "26b13a6e4fb15fe90e045c9b42d05e37b13911bb7177ed921ad17c67651a8607"
	home := t.TempDir()
	write(t, home+"/.cache/borg/"+id+"/config", "")
	write(t, home+"/.cache/borg/CACHEDIR.TAG", "")
	for name, test := range map[string]struct {
		env  map[string]string
		id   string
		want []string
	}{
		"its own place":     {map[string]string{"BORG_CACHE_DIR": "/c", "BORG_BASE_DIR": "/b", "XDG_CACHE_HOME": "/x", "HOME": home}, id, []string{"/c/" + id}},
		"a base":            {map[string]string{"BORG_BASE_DIR": "/b", "XDG_CACHE_HOME": "/x", "HOME": home}, id, []string{"/b/.cache/borg/" + id}},
		"the user's cache":  {map[string]string{"BORG_BASE_DIR": "", "XDG_CACHE_HOME": "/x", "HOME": home}, id, []string{"/x/borg/" + id}},
		"home":              {map[string]string{"HOME": home}, id, []string{home + "/.cache/borg/" + id}},
		"unknown":           {map[string]string{"HOME": home}, "", []string{home + "/.cache/borg/" + id}},
		"no id":             {map[string]string{"HOME": home}, "../../etc", []string{home + "/.cache/borg/" + id}},
		"unknown, no cache": {map[string]string{"HOME": home + "/none"}, "", nil},
	} {
		got, err := caches(test.env, test.id)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if got := cacheFolders(map[string]string{}); len(got) == 0 || !filepath.IsAbs(got[0]) {
		t.Errorf("without HOME: %q", got)
	}
	write(t, home+"/config", "[repository]\nversion = 1\nid = "+id+"\n")
	if got := readRepositoryID(home); got != id {
		t.Errorf("id %q", got)
	}
	write(t, home+"/config", "id = ../..\n")
	if got := readRepositoryID(home) + readRepositoryID("/none"); got != "" {
		t.Errorf("id %q", got)
	}
}

func FuzzHolderName(f *testing.F) {
	for _, name := range []string{"vm@3281355014145.17055-0", "a.b-c@1.2-ff", "x.-1-0", "x.+1-0", "-", ".1-", "a\x1b.1-0", "a.99999999999-0"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		h, ok := parseHolderName(name)
		if !ok {
			if h != (backup.LockHolder{}) {
				t.Errorf("%q: %+v", name, h)
			}
			return
		}
		if !plausible(h.HostID, int64(h.PID)) || !strings.HasPrefix(name, h.HostID+".") {
			t.Errorf("%q: %+v", name, h)
		}
		if again, ok := parseHolderName(fmt.Sprintf("%s.%d-0", h.HostID, h.PID)); !ok || again != h {
			t.Errorf("%q: %+v, and then %+v", name, h, again)
		}
	})
}

func FuzzRoster(f *testing.F) {
	for _, text := range []string{
		`{"exclusive": [["vm@3281355014145", 17055, 0]]}`, `{"shared": [["a@1", 5, 0], ["b@2", 5, 0]], "exclusive": []}`,
		`{"shared": null}`, `null`, `[]`, ``, `{"shared": [[]]}`, `{"shared": [["", 1, 0]]}`, `{"shared": [["a", 1e3, 0]]}`, `{"shared": [[null, 1, 0]]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		holders, err := parseRoster(data)
		if err != nil && (!errors.Is(err, errStrange) || holders != nil) {
			t.Errorf("%v with %v", err, holders)
		}
		for _, h := range holders {
			if !plausible(h.HostID, int64(h.PID)) {
				t.Errorf("%+v", h)
			}
		}
	})
}
