package notice

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Now()

func at(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }

// folder is a state folder with a notice, "" for none.
func folder(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if text != "" {
		if err := os.WriteFile(Path(dir), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	const head, good = "borgcron-notice 1\n", "borgcron: home: failed; try: borgcron history home"
	long := good + strings.Repeat("x", 2*mostChars)
	many, some := head, []string{}
	for i := range 100 {
		many += "0\tborgcron: " + strconv.Itoa(i) + "\n"
		if i < mostLines {
			some = append(some, "borgcron: "+strconv.Itoa(i))
		}
	}
	for _, test := range []struct {
		name  string
		texts []string // of the notices, "" for none
		want  []string
		none  bool
	}{
		{"none", []string{"", ""}, nil, true},
		{"well", []string{head}, nil, false},
		{"well, one of two", []string{"", head}, nil, false},
		{"wrong now", []string{head + "0\t" + good + "\n"}, []string{good}, false},
		{"later", []string{head + at(time.Minute) + "\t" + good + "\n"}, nil, false},
		{"since", []string{head + at(0) + "\t" + good + "\n"}, []string{good}, false},
		{"until", []string{head + "0\t" + good + "\t" + at(time.Minute) + "\n"}, []string{good}, false},
		{"until now", []string{head + "0\t" + good + "\t" + at(0) + "\n"}, nil, false},
		{"without a last line break", []string{head + "0\t" + good}, []string{good}, false},
		{"two", []string{head + "0\tborgcron: a\n0\tborgcron: b\n", head + "0\tborgcron: b\n0\tborgcron: c\n"},
			[]string{"borgcron: a", "borgcron: b", "borgcron: c"}, false},
		{"empty", []string{"\n"}, []string{unreadable}, false},
		{"another version", []string{"borgcron-notice 2\n0\t" + good + "\n"}, []string{unreadable}, false},
		{"no epoch", []string{head + good + "\n0\t" + good + "\n"}, []string{good, unreadable}, false},
		{"negative epoch", []string{head + "-1\t" + good + "\n"}, []string{unreadable}, false},
		{"huge epoch", []string{head + "9223372036854775808\t" + good + "\n"}, []string{unreadable}, false},
		{"no number until", []string{head + "0\t" + good + "\tsoon\n"}, []string{unreadable}, false},
		{"empty line", []string{head + "\n0\t" + good + "\n"}, []string{good, unreadable}, false},
		{"somebody else's words", []string{head + "0\tlogin: your password:\n"}, []string{unreadable}, false},
		{"escapes", []string{head + "0\tborgcron: \x1b]0;owned\a\u009b31m\u202e\x9b\x7f\r\u00e9\u200bend\n"}, []string{"borgcron: ?]0;owned??31m??????end"}, false},
		{"long", []string{head + "0\t" + long + "\n"}, []string{long[:mostChars-3] + "..."}, false},
		{"many", []string{many}, append(some, "borgcron: and 80 more; try: borgcron status"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var folders []string
			for _, text := range test.texts {
				folders = append(folders, folder(t, text))
			}
			got, found := Read(folders, now)
			if diff := cmp.Diff(test.want, got); diff != "" || found == test.none {
				t.Errorf("found %t, - want, + got:\n%s", found, diff)
			}
		})
	}
}

// Nothing that lies in the place of a notice makes a login wait, or read without end, or show another file.
func TestOddFiles(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"link": func(path string) error {
			other := path + "-other"
			return first(os.WriteFile(other, []byte("borgcron-notice 1\n0\tborgcron: secret\n"), 0o600), os.Symlink(other, path))
		},
		"dangling": func(path string) error { return os.Symlink("/nonexistent", path) },
		"huge":     func(path string) error { return first(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<40)) },
		"too big": func(path string) error {
			return os.WriteFile(path, []byte("borgcron-notice 1\n"+strings.Repeat("0\tborgcron: x\n", MostBytes/13)), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := put(Path(dir)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			got, found := Read([]string{dir}, now)
			if diff := cmp.Diff([]string{unreadable}, got); diff != "" || !found {
				t.Errorf("found %t, - want, + got:\n%s", found, diff)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// first is the first error.
func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func TestFolderThatIsNone(t *testing.T) {
	if lines, found := Read([]string{"/dev/null/state"}, now); found || lines != nil {
		t.Errorf("found %t, %q", found, lines)
	}
}

// A notice from the future was written under a wrong clock, or is read under one: then nothing in it that depends on
// the time can be believed.
func TestClock(t *testing.T) {
	dir := folder(t, "borgcron-notice 1\n0\tborgcron: a\n"+at(time.Hour)+"\tborgcron: b\n")
	for ahead, want := range map[time.Duration][]string{
		23 * time.Hour: {"borgcron: a"}, 25 * time.Hour: {fromFuture, "borgcron: a"}, 24 * 365 * time.Hour: {fromFuture, "borgcron: a"},
	} {
		if err := os.Chtimes(Path(dir), now, now.Add(ahead)); err != nil {
			t.Fatal(err)
		}
		got, _ := Read([]string{dir}, now)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s ahead, - want, + got:\n%s", ahead, diff)
		}
	}
}

func TestQuestion(t *testing.T) {
	for line, want := range map[string][2]bool{
		"borgcron status --login":              {true, true},
		"borgcron status --login --no-wait":    {false, true},
		"borgcron status --no-wait --login":    {false, true},
		"borgcron":                             {false, false},
		"borgcron status":                      {false, false},
		"borgcron status --json":               {true, false},
		"borgcron status home --login":         {false, false},
		"borgcron status --login --login":      {false, false},
		"borgcron run --login":                 {true, false},
		"borgcron run --login --no-wait":       {false, false},
		"borgcron status --login --no-wait -q": {false, false},
		"borgcron --quiet status --login":      {false, false},
	} {
		if wait, asked := question(strings.Fields(line)); asked != want[1] || asked && wait != want[0] {
			t.Errorf("%s: wait %t, asked %t", line, wait, asked)
		}
	}
}

func TestFolders(t *testing.T) {
	for _, test := range []struct {
		uid       int
		xdg, home string
		want      []string
	}{
		{0, "/x", "/root", []string{machine}},
		{1000, "/x", "/home/a", []string{machine, "/x/borgcron"}},
		{1000, "relative", "/home/a", []string{machine, "/home/a/.local/state/borgcron"}},
		{1000, "", "home", []string{machine}},
		{1000, "", "", []string{machine}},
	} {
		environment := map[string]string{"XDG_STATE_HOME": test.xdg, "HOME": test.home}
		got := Folders(func(name string) string { return environment[name] }, test.uid)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: - want, + got:\n%s", test, diff)
		}
	}
}

// Whatever a file holds: what is shown is bounded, printable and says who says it; and what was read is written and
// read again as it was.
func FuzzNotice(f *testing.F) {
	for _, seed := range []string{
		"", "\n", header, header + "\n", header + "\n0\tborgcron: home: failed; try: borgcron history home\n",
		header + "\n1700000000\tborgcron: a\t1800000000\n5\tborgcron: b\n", header + "\n0\tborgcron: \x1b[2J\u202e\xff\n", header + "\n\t\t\n-1\tx\n",
	} {
		f.Add([]byte(seed), int64(1_750_000_000))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file []byte, second int64) {
		path := filepath.Join(dir, "notice")
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
		texts, found := Read([]string{dir}, time.Unix(second, 0))
		if !found || len(texts) > mostLines+1 {
			t.Errorf("found %t, %d lines", found, len(texts))
		}
		for _, text := range texts {
			odd := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
			if odd >= 0 || len(text) > mostChars || !strings.HasPrefix(text, prefix) {
				t.Errorf("%q", text)
			}
		}
		lines, _ := Parse(file)
		again, whole := Parse(Format(lines))
		if diff := cmp.Diff(lines, again); diff != "" || !whole {
			t.Errorf("whole %t, - once, + again:\n%s", whole, diff)
		}
	})
}
