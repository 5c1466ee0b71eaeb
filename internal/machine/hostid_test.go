package machine

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func (f fake) hostID(state, want string, warned bool) string {
	f.t.Helper()
	id, err := f.HostID(state)
	if (err != nil) != warned {
		f.t.Errorf("error: %v", err)
	}
	switch want {
	case "own":
		if !ownID.MatchString(id) {
			f.t.Errorf("id %q is none of ours", id)
		}
	default:
		if id != want {
			f.t.Errorf("id %q, want %q", id, want)
		}
	}
	return id
}

func TestHostIDIsBorgsOwnWhereThatStays(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f fake)
		want   string
	}{
		"a real machine":    {func(fake) {}, ""},
		"docker":            {func(f fake) { f.write(".dockerenv", "") }, "own"},
		"podman":            {func(f fake) { f.write("run/.containerenv", "") }, "own"},
		"nspawn":            {func(f fake) { f.write("run/systemd/container", "lxc") }, "own"},
		"a PID namespace":   {func(f fake) { f.link("proc/1/ns/pid", "pid:[4026532177]") }, "own"},
		"no card":           {func(f fake) { f.remove("sys/class/net/eth0") }, "own"},
		"no network at all": {func(f fake) { f.remove("sys") }, "own"},
		"a made-up MAC":     {func(f fake) { f.card("eth0", "02:fc:00:00:00:01", "3", true) }, "own"},
		"a zero MAC":        {func(f fake) { f.card("eth0", "00:00:00:00:00:00", "0", true) }, "own"},
		"no Ethernet":       {func(f fake) { f.card("eth0", "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:01:02:03", "0", true) }, "own"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			test.change(f)
			f.t = t
			state := filepath.Join(t.TempDir(), "state")
			id := f.hostID(state, test.want, false)
			if again := f.hostID(state, test.want, false); again != id {
				t.Errorf("first %q, then %q", id, again)
			}
			if _, err := os.Stat(state); (err == nil) != (test.want == "own") {
				t.Errorf("the state folder: %v", err)
			}
		})
	}
}

func TestHostIDBelongsToOneMachine(t *testing.T) {
	f, state := newFake(t), t.TempDir()
	f.write(".dockerenv", "")
	first := f.hostID(state, "own", false)
	if info, err := os.Stat(filepath.Join(state, "host-id")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("its file: %v, %v", info, err)
	}

	f.remove(".dockerenv") // a card came, say: who has an id keeps it
	f.hostID(state, first, false)

	f.write("proc/sys/kernel/hostname", "clone\n")
	f.hostID(state, "", false)
	f.write(".dockerenv", "")
	second := f.hostID(state, "own", false)
	f.write("etc/machine-id", "another\n")
	third := f.hostID(state, "own", false)
	f.remove("etc/machine-id")
	fourth := f.hostID(state, "own", false)
	f.hostID(state, fourth, false)
	ids := map[string]bool{first: true, second: true, third: true, fourth: true}
	if len(ids) != 4 {
		t.Errorf("copies of a machine share an id: %v", ids)
	}
}

func TestHostIDOfADamagedFile(t *testing.T) {
	for _, text := range []string{"", "{", `{"id": "borgcron-x"}`, `{"id": "vm@1"}`, "null", `{"id": 7}`} {
		f, state := newFake(t), t.TempDir()
		f.write(".dockerenv", "")
		if err := os.WriteFile(filepath.Join(state, "host-id"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		id := f.hostID(state, "own", true)
		f.hostID(state, id, false)
	}
}

func TestHostIDThatCannotBeKept(t *testing.T) {
	f := newFake(t)
	f.write(".dockerenv", "")
	f.hostID("", "", true)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f.hostID(filepath.Join(file, "state"), "", true)
}

func TestHostIDOfManyAtOnce(t *testing.T) {
	f, state := newFake(t), t.TempDir()
	f.write(".dockerenv", "")
	ids := make([]string, 30)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() { ids[i], _ = f.HostID(state) })
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("different ids: %q", ids)
		}
	}
}

func TestIsDefaultHostID(t *testing.T) {
	f := newFake(t)
	f.card("wlan0", "02:00:00:00:00:05", "3", true)
	for id, want := range map[string]bool{
		"laptop@3281355014145":             true,
		"laptop.example.org@3281355014145": true,
		"laptop@2199023255557":             true,  // a card whose MAC was changed
		"laptop@196690430612883":           false, // docker0, which has another after each boot
		"laptop2@3281355014145":            false,
		"lap@3281355014145":                false,
		"@3281355014145":                   false,
		"laptop@0":                         false, // lo
		"laptop@":                          false,
		"laptop@-1":                        false,
		"laptop@99999999999999999999999":   false,
		"laptop@0x2fc00000001":             false,
		"laptop":                           false,
		"":                                 false,
		"borgcron-00":                      false,
	} {
		if got := f.IsDefaultHostID(id); got != want {
			t.Errorf("%q: %t", id, got)
		}
	}
	f.write("proc/sys/kernel/hostname", "\n")
	if f.IsDefaultHostID("@3281355014145") || f.IsDefaultHostID(".x@3281355014145") {
		t.Error("a machine without a name has an id")
	}
}

func FuzzStored(f *testing.F) {
	f.Add([]byte(`{"id": "borgcron-00112233445566778899aabbccddeeff", "machine_id_hash": "", "hostname": "x"}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseStored(data); err == nil && !ownID.MatchString(s.ID) {
			t.Errorf("id %q", s.ID)
		}
	})
}
