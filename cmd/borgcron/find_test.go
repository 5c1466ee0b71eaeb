package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const findConfig = `
host: h
repositories:
  nas: {location: "${WORK}/repo", borg: "${WORK}/borg", encryption: none}
jobs:
  home: {repository: nas, sources: ["${WORK}/data"], bootstrap: false, archive_name: "{job}-{now:%Y%m%d%H%M%S}", retention: keep_all}
`

// counted makes ${WORK}/borg a borg that notes how it is called.
func (s *site) counted(borg string) {
	s.t.Helper()
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\nexec %s \"$@\"\n", s.path("borg.calls"), borg)
	check(s.t, os.WriteFile(s.path("borg"), []byte(script), 0o700))
}

// found is what `find --json` says.
type found struct {
	Archives int
	Paths    []struct {
		Path     string
		Raw      string `json:"path_base64"`
		Versions []struct {
			Type, Target string
			Size         int64
			Archives     int
		}
	}
}

func (s *site) find(args ...string) (f found, paths []string) {
	s.t.Helper()
	check(s.t, json.Unmarshal([]byte(s.must(append([]string{"find", "home", "--json", "--quiet"}, args...)...)), &f))
	for _, path := range f.Paths {
		name := path.Path
		if path.Raw != "" {
			raw, err := base64.StdEncoding.DecodeString(path.Raw)
			check(s.t, err)
			name = string(raw)
		}
		paths = append(paths, strings.TrimPrefix(name, strings.TrimPrefix(s.path("data")+"/", "/")))
	}
	return f, paths
}

// Names have all the bytes that a file system takes; each is found by itself, and borg lists an archive once.
func TestFindOddNames(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, findConfig)
		s.counted(borg)
		names := []string{
			"new\nline", "tab\there", "cr\rx", "\xff\xfelatin", "-dash", strings.Repeat("x", 255), `back\slash`, `q"uote`, "it's", "[class]", "*", "?",
			" blank ", "\x1b[31m", "ü€😀", "\u0085\u2028\ufeff",
		}
		for _, name := range names {
			check(t, os.WriteFile(s.path("data", name), []byte(name), 0o600))
		}
		deep := strings.Repeat("deep/", 300) + "bottom"
		check(t, os.MkdirAll(s.path("data", filepath.Dir(deep)), 0o700))
		check(t, os.WriteFile(s.path("data", deep), nil, 0o600))
		check(t, os.Symlink("new\nline", s.path("data", "symlink")))
		check(t, os.Link(s.path("data", "-dash"), s.path("data", "-hard")))
		check(t, syscall.Mkfifo(s.path("data", "fifo"), 0o600))
		names = append(names, deep, "symlink", "-hard", "fifo")
		s.must("init", "home")
		s.must("run")

		for _, name := range names {
			escaped := strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(filepath.Base(name))
			if _, paths := s.find("--", escaped); !slices.Equal(paths, []string{name}) {
				t.Errorf("%q is found as %q", name, paths)
			}
		}
		f, paths := s.find("--archive", "latest", "*/data/*")
		if missing := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(paths, name) }); len(missing) > 0 {
			t.Errorf("among all of them is no %q", missing)
		}
		types := map[string]int{}
		for _, path := range f.Paths {
			types[path.Versions[0].Type]++
		}
		if types["file"] != 17 || types["directory"] != 300 || types["symlink"] != 1 || types["hardlink"] != 1 || types["fifo"] != 1 {
			t.Errorf("there are %v", types)
		}
		if n := s.calls("--format="); n != 1 {
			t.Errorf("borg was asked %d times what the archive holds", n)
		}
	})
}

// With the archive goes what is kept of it, be it that prune deletes it.
func TestFindAfterPrune(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, strings.Replace(findConfig, "keep_all", "{last: 2}", 1))
		s.counted(borg)
		s.must("init", "home")
		for i := range 3 {
			s.write(i+1, 10)
			s.must("run")
			if f, _ := s.find("0"); f.Archives != min(i+1, 2) || len(f.Paths[0].Versions) != min(i+1, 2) {
				t.Errorf("after run %d: %+v", i+1, f)
			}
			kept, err := filepath.Glob(s.path("state", "listings", "*", "*.listing"))
			check(t, err)
			if n := s.calls("--format="); len(kept) != min(i+1, 2) || n != i+1 {
				t.Errorf("after run %d: %d listings are kept, borg was asked %d times", i+1, len(kept), n)
			}
		}
	})
}

// A search that is broken off keeps what it has heard, and the next one goes on from there.
func TestFindInterrupted(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, findConfig)
		s.counted(borg)
		s.must("init", "home")
		for range 3 {
			s.write(3, 10)
			s.must("run")
		}
		// The second list hangs until it is ended.
		script := fmt.Sprintf(`#!/bin/sh
echo "$@" >>%[1]s
case "$*" in
*--format=*) [ "$(grep -c -- --format= %[1]s)" -eq 2 ] && { echo $$ >%[2]s; exec sleep 600; } ;;
esac
exec %[3]s "$@"
`, s.path("borg.calls"), s.path("hangs"), borg)
		check(t, os.WriteFile(s.path("borg"), []byte(script), 0o700))
		search := s.start("find", "home", "0")
		eventually(t, func() bool { _, err := os.Stat(s.path("hangs")); return err == nil }, search.text)
		search.signal(syscall.SIGINT)
		if code := search.wait(); code != 128+int(syscall.SIGINT) {
			t.Errorf("exit code %d\n%s", code, search.text())
		}
		kept, err := filepath.Glob(s.path("state", "listings", "*", "*"))
		check(t, err)
		if len(kept) != 2 { // one and the list of archives
			t.Errorf("kept: %v", kept)
		}
		if f, _ := s.find("0"); f.Archives != 3 || s.calls("--format=") != 4 {
			t.Errorf("%+v after %d lists", f, s.calls("--format="))
		}
	})
}

// What is asked over ssh is the same.
func TestFindRemote(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		r := newRemote(t, borg, "    retention: keep_all\n    bootstrap: false\n")
		check(t, os.WriteFile(filepath.Join(r.home, "data", "a\xff"), []byte("one"), 0o600))
		r.must("init")
		r.must("run")
		check(t, os.WriteFile(filepath.Join(r.home, "data", "b"), []byte("two"), 0o600))
		r.must("run")
		if output := r.must("find", "home", "a*"); !strings.Contains(output, `/data/a\xff'`) || !strings.Contains(output, " back to ") {
			t.Error(output)
		}
		if output := r.must("diff", "home"); !strings.Contains(output, "1 added") {
			t.Error(output)
		}
		if output := r.must("archives", "home", "--json"); strings.Count(output, `"id"`) != 2 {
			t.Error(output)
		}
	})
}
