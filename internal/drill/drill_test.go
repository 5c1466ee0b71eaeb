package drill

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

func TestVerdicts(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, a *archive, d *Driller, call backup.Call)
		class  backup.Class // 0: it ends well
		words  string
		warns  int
		read   int64
		same   int64
	}{
		"all is well":         {read: 2, same: 2},
		"the disk has rotted": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { a.content["data/a"] = "ALPHA" }, 0, "", 1, 2, 2},
		"changed since": {func(t *testing.T, _ *archive, d *Driller, _ backup.Call) {
			if err := os.WriteFile(filepath.Join(d.Root, "data/a"), []byte("Alpha"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0, "", 0, 2, 1},
		"gone since": {func(t *testing.T, _ *archive, d *Driller, _ backup.Call) {
			if err := os.Remove(filepath.Join(d.Root, "data/a")); err != nil {
				t.Fatal(err)
			}
		}, 0, "", 0, 2, 1},
		"another ctime": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { a.items[0].Changed = made }, 0, "", 0, 2, 1},
		"a link now": {func(t *testing.T, _ *archive, d *Driller, _ backup.Call) {
			path := filepath.Join(d.Root, "data/a")
			if err := errors.Join(os.Rename(path, path+"2"), os.Symlink("a2", path)); err != nil {
				t.Fatal(err)
			}
		}, 0, "", 0, 2, 1},
		"not extracted": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { delete(a.content, "data/a") }, backup.Alarming, "not there", 0, 1, 1},
		"too short":     {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { a.content["data/a"] = "al" }, backup.Alarming, "it has 2 bytes, the archive lists 5", 0, 1, 1},
		"zeros for a lost chunk": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			a.warnings = []backup.Warning{{Kind: backup.Other, Path: "data/a", Message: "data/a: File has damaged (all-zero) chunks. Try running borg check --repair."}}
		}, backup.Alarming, "back: data/a: File has damaged (all-zero)", 0, 1, 1},
		"of which more is said": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			a.warnings = []backup.Warning{
				{Kind: backup.Other, Path: "data/a", Message: "data/a: File has damaged (all-zero) chunks."}, {Kind: backup.Other, Path: "data/a", Message: "data/a: [Errno 1] chown"},
			}
		}, backup.Alarming, "all-zero", 0, 1, 1},
		"of who knows what": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			a.warnings = []backup.Warning{{Kind: backup.Other, Message: "size inconsistency detected"}}
		}, backup.Alarming, "borg says: size inconsistency", 0, 2, 2},
		"changed when the archive was made": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { a.begun = time.Now().Add(-time.Minute) }, 0, "", 0, 2, 0},
		"a name that cannot be here": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			delete(a.content, "data/a")
			a.warnings = []backup.Warning{{Kind: backup.Other, Path: "data/a", Message: "data/a: [Errno 36] File name too long"}}
		}, backup.Permanent, "File name too long", 0, 1, 1},
		"an attribute that cannot be here": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			a.warnings = []backup.Warning{{Kind: backup.Other, Path: "data/a", Message: "data/a: when setting extended attribute"}}
		}, 0, "", 0, 2, 2},
		"a source is missing": {func(_ *testing.T, _ *archive, _ *Driller, call backup.Call) {
			call.Job.Sources = append(call.Job.Sources, "/srv")
		}, backup.Permanent, "/srv", 0, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			a, d, call := site(t, map[string]string{"data/a": "alpha", "data/b": "beta"})
			if test.change != nil {
				test.change(t, a, d, call)
			}
			for _, full := range []bool{false, true} {
				report, err := d.Verify(t.Context(), call, full, 7)
				if (err != nil) != (test.words != "") {
					t.Fatalf("full %v: %v", full, err)
				}
				if err != nil {
					if failure := backup.AsFailure("", err); failure.Class != test.class || !strings.Contains(failure.Message, test.words) {
						t.Errorf("full %v: %v", full, err)
					}
				}
				if len(report.Warnings) != test.warns || report.Drill.Files != test.read || report.Drill.Compared != test.same {
					t.Errorf("full %v: %d warnings, %+v", full, len(report.Warnings), report.Drill)
				}
			}
		})
	}
}

// What borg says is known to be about a file, however the file is spelled.
func TestSpelled(t *testing.T) {
	for _, path := range []string{"data/n\xffot \xfe", "data/line\nbreak", "data/-dash", "data/\t tab", "data/\uFFFD", "data/a: b"} {
		for name, says := range map[string]func(string) string{
			"as it is": func(s string) string { return s }, "by question marks": func(s string) string { return strings.ToValidUTF8(s, "?") },
			"by replacement characters": func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") },
		} {
			a, d, call := site(t, map[string]string{path: "alpha", "data/b": "beta"})
			said := backup.CleanLine(says(path), 4096)
			a.warnings = []backup.Warning{{Kind: backup.Other, Path: said, Message: said + ": File has damaged (all-zero) chunks."}}
			report, err := d.Verify(t.Context(), call, false, 7)
			if err == nil || backup.AsFailure("", err).Class != backup.Alarming || strings.Contains(err.Error(), "borg says") || report.Drill.Files != 1 {
				t.Errorf("%q %s: %v, %+v", path, name, err, report.Drill)
			}
		}
	}
}

func TestNoSpace(t *testing.T) {
	_, d, call := site(t, map[string]string{"data/a": "alpha", "data/b": "beta"})
	d.Free = func(string) int64 { return spare + 6 }
	_, err := d.Verify(t.Context(), call, false, 1)
	if failure := backup.AsFailure("", err); failure == nil || failure.Class != backup.Permanent || !strings.Contains(failure.Hint, "verify.size") {
		t.Error(err)
	}
}

// A file for which there is no room is read all the same, and compared as it comes.
func TestLargerThanTheDisk(t *testing.T) {
	large := strings.Repeat("alpha", 100_000)
	for name, test := range map[string]struct {
		change  func(a *archive)
		class   backup.Class
		compare int64
		differ  int64
	}{
		"whole":     {compare: 2},
		"differs":   {func(a *archive) { a.content["data/a"] = strings.Replace(large, "p", "P", 1) }, 0, 2, 1},
		"too short": {func(a *archive) { a.content["data/a"] = large[1:] }, backup.Alarming, 1, 0},
		"zeros":     {func(a *archive) { a.damaged = "data/a" }, backup.Alarming, 1, 0},
		"changed":   {func(a *archive) { a.items[0].ModTime = made.Add(2 * time.Microsecond) }, 0, 1, 0},
	} {
		a, d, call := site(t, map[string]string{"data/a": large, "data/b": "beta"})
		d.Free = func(string) int64 { return spare + 1000 }
		call.Job.Verify.Size = 2000
		if test.change != nil {
			test.change(a)
		}
		report, err := d.Verify(t.Context(), call, true, 1)
		if (err != nil) != (test.class != 0) || err != nil && backup.AsFailure("", err).Class != test.class {
			t.Errorf("%s: %v", name, err)
		}
		if report.Drill.Compared != test.compare || report.Drill.Differ != test.differ || len(a.asked) != 1 {
			t.Errorf("%s: %+v", name, report.Drill)
		}
	}
}

// A drill that is ended in a comparison ends.
func TestEnded(t *testing.T) {
	a, d, call := site(t, map[string]string{"data/a": "alpha", "data/b": "beta"})
	ctx, cancel := context.WithCancel(t.Context())
	a.extracted = cancel
	report, err := d.Verify(ctx, call, false, 1)
	if failure := backup.AsFailure("", err); failure.Class != backup.Permanent || !strings.Contains(failure.Message, "ended") || report.Drill.Files != 0 {
		t.Errorf("%v, %+v", err, report.Drill)
	}
}

// Trouble of the connection or the lock is passed on as it is, and nothing counts as read.
func TestTrouble(t *testing.T) {
	a, d, call := site(t, map[string]string{"data/a": "alpha"})
	memory := &memory{}
	d.Memory = memory
	for _, class := range []backup.Class{backup.Transient, backup.Permanent, backup.Killed, backup.Unknown, backup.Alarming} {
		a.trouble = &backup.Failure{Op: "extract", Class: class, Message: "Connection closed by remote host"}
		_, err := d.Verify(t.Context(), call, false, 1)
		if failure := backup.AsFailure("", err); failure.Class != class || len(memory.noted) > 0 {
			t.Errorf("%v: %v, noted %v", class, err, memory.noted)
		}
	}
	a.trouble = nil
	if _, err := d.Verify(t.Context(), call, false, 1); err != nil || !slices.Equal(memory.noted, []string{"data/a"}) {
		t.Errorf("%v, noted %v", err, memory.noted)
	}
}

// A full drill takes the files in parts that are no larger than a drill.
func TestFullInParts(t *testing.T) {
	live := map[string]string{}
	for _, name := range strings.Split("abcdefghij", "") {
		live["data/"+name] = strings.Repeat(name, 400)
	}
	a, d, call := site(t, live)
	call.Job.Verify.Size = 1000
	report, err := d.Verify(t.Context(), call, true, 1)
	if err != nil || report.Drill.Files != 10 || report.Drill.Compared != 10 || len(a.asked) != 10 {
		t.Errorf("%+v, %v", report.Drill, err)
	}
}

func TestDumps(t *testing.T) {
	contents := backup.Contents{Version: 1, Dumps: []backup.DatabaseDump{
		{Kind: backup.OneDatabase, Type: "postgresql", Server: "postgresql", Name: "shop", Format: "custom", Size: 9000},
		{Kind: backup.OneDatabase, Type: "postgresql", Server: "postgresql", Name: "soft", Format: "custom", Left: "down"},
	}}
	text, err := json.Marshal(contents)
	if err != nil {
		t.Fatal(err)
	}
	dump := "PGDMP" + strings.Repeat("x", 8995)
	for name, test := range map[string]struct {
		dump, names string
		sampled     bool // whether a drill that is not full finds it
		class       backup.Class
	}{
		"well":      {dump: dump, names: "shop"},
		"no dump":   {"\x00" + dump[1:], "shop", true, backup.Alarming},
		"too short": {dump[:8000], "shop", false, backup.Alarming},
		"zeros":     {dump, "shop", false, backup.Alarming},
		"missing":   {dump, "other", true, backup.Permanent},
		"left out":  {dump, "soft", true, backup.Permanent},
	} {
		a, d, call := site(t, map[string]string{"data/a": "alpha"})
		call.Job.Databases = []backup.Database{{Type: "postgresql", Names: []string{test.names}}}
		a.content["contents.json"], a.content["postgresql/shop.dump"] = string(text), test.dump
		if name == "zeros" {
			a.damaged = "postgresql/shop.dump"
		}
		for _, full := range []bool{false, true} {
			report, err := d.Verify(t.Context(), call, full, 1)
			if fails := test.class != 0 && (test.sampled || full); fails != (err != nil) || fails && backup.AsFailure("", err).Class != test.class || report.Drill.Dumps != 1 {
				t.Errorf("%s, full %v: %v, %+v", name, full, err, report.Drill)
			}
		}
	}
}
