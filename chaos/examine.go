package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// archive is one that was reported as made.
type archive struct {
	job    string
	began  time.Time // when its run had the lock
	id     string
	data   tree            // what it must hold; nil if that is not known
	except map[string]bool // files that changed meanwhile
	fresh  bool            // reported in this round
	gone   bool            // fell out of the retention
}

// examine looks whether all invariants hold after a round.
func (r *round) examine(ctx context.Context) {
	r.examineProcesses()
	r.examineFiles()
	r.examineLocks()
	r.examineReports(ctx)
	r.examineHeldBack()
	r.examineArchives(ctx)
	r.examineStatus(ctx)
	overlaps, _ := os.ReadFile(r.world.path("log/overlaps"))
	r.holds("never_two_borgs", len(overlaps) == 0, "two borgs at once: %s", overlaps)
	output, err := r.world.ownBorg(ctx, "check", r.world.repository())
	r.holds("check_clean", err == nil, "%v: %s", err, output)
}

func (w *world) repository() string { return w.path("repository-disk/repository") }

// examineProcesses waits a little: what is being ended may take its seconds.
func (r *round) examineProcesses() {
	for _, s := range slices.Concat(r.struck, r.calm) {
		r.holds("no_hang", !s.hung, "borgcron %v did not end within %v, its goroutines are in %s.err", s.args, patience, s.log)
	}
	var left []running
	for range 150 {
		if left = r.world.processes(); len(left) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.holds("no_process", len(left) == 0, "still there: %v", left)
}

// stateFiles are all that belong into the state folder.
var stateFiles = regexp.MustCompile(`^(host|host-id|\.host-id\.lock|notice|borg-versions\.json|history\.db(-wal|-shm|\.lock)?|` +
	`locks|locks/[^/]+\.lock|status|status/\.lock|status/(alpha|beta)\.json|alarms|alarms/\.lock|alarms/[^/]+\.json|.*\.damaged-.*)$`)

// examineFiles looks for what is left in runtime and state.
func (r *round) examineFiles() {
	var left []string
	_ = filepath.WalkDir(r.world.path("runtime"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && path != r.world.path("runtime") {
			left = append(left, path)
		}
		return nil
	})
	_ = filepath.WalkDir(r.world.path("state"), func(path string, _ fs.DirEntry, _ error) error {
		name, err := filepath.Rel(r.world.path("state"), path)
		if err == nil && name != "." && !stateFiles.MatchString(name) {
			left = append(left, path)
		}
		return nil
	})
	r.holds("no_file_left", len(left) == 0, "left behind: %s", strings.Join(left, ", "))
}

// examineLocks looks for locks of borg's, in repository and cache, and takes the local one for a moment.
func (r *round) examineLocks() {
	folders, _ := filepath.Glob(r.world.path("cache/*"))
	for _, folder := range append(folders, r.world.repository()) {
		_, err := os.Lstat(filepath.Join(folder, "lock.exclusive"))
		r.holds("no_lock", err != nil, "%s is locked", folder)
		var roster map[string][]any
		text, _ := os.ReadFile(filepath.Join(folder, "lock.roster"))
		_ = json.Unmarshal(text, &roster)
		for kind, holders := range roster {
			r.holds("no_lock", len(holders) == 0, "%s: %s lock of %v", folder, kind, holders)
		}
	}
	locks, _ := filepath.Glob(r.world.path("state/locks/*.lock"))
	for _, path := range locks {
		file, err := os.Open(path)
		if err == nil {
			err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
			file.Close()
		}
		r.holds("no_lock", err == nil, "the local lock: %v", err)
	}
}

// examineHeldBack looks whether a lost history kept everything from being deleted until a check.
func (r *round) examineHeldBack() {
	if !slices.ContainsFunc(r.plan.faults, func(f fault) bool { return f.kind == "history" }) {
		return
	}
	r.heldBackUntilCheck(r.world.calls(r.mark), "the history was lost")
}

// heldBackUntilCheck looks whether a check came before everything that deletes.
func (r *round) heldBackUntilCheck(calls []string, why string) {
	check := slices.Index(calls, "check")
	for i, call := range calls {
		deletes := call == "prune" || call == "compact"
		r.holds("held_back", !deletes || check >= 0 && check < i, "borg %s without a check before it, though %s: %v", call, why, calls)
	}
}

// examineArchives looks whether all archives are there that were reported and did not fall out of the retention, and
// extracts those of this round.
func (r *round) examineArchives(ctx context.Context) {
	w := r.world
	listed, err := w.list(ctx)
	if err != nil {
		r.violated("archives_there", "%v", err)
		return
	}
	pruned := slices.Contains(w.calls(r.mark), "prune")
	for name, a := range w.archives {
		id, there := listed[name]
		switch {
		case there && a.id == "":
			a.id = id
		case there:
			r.holds("archives_there", id == a.id, "archive %s is another one than before", name)
		case !a.gone:
			a.gone = true
			newer := w.newer(listed, a)
			r.holds("archives_there", pruned && newer >= w.Keep, "archive %s was reported and is not there (prune ran: %v, newer ones: %d)", name, pruned, newer)
		}
	}
	for name, a := range w.archives {
		if _, there := listed[name]; there && a.fresh && a.data != nil {
			r.extract(ctx, name, a)
		}
		a.fresh = false
	}
}

// newer counts the archives of the same job that are newer than this one; one that nobody reported counts as such.
func (w *world) newer(listed map[string]string, than *archive) int {
	count := 0
	for name := range listed {
		known := w.archives[name]
		if strings.Contains(name, "-"+than.job+"-") && (known == nil || known.began.After(than.began)) {
			count++
		}
	}
	return count
}

// list are borg's ids of all archives, by name.
func (w *world) list(ctx context.Context) (map[string]string, error) {
	output, err := w.ownBorg(ctx, "list", "--json", w.repository())
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, output)
	}
	var answer struct {
		Archives []struct{ Name, ID string } `json:"archives"`
	}
	if err := json.Unmarshal([]byte(output), &answer); err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for _, a := range answer.Archives {
		ids[a.Name] = a.ID
	}
	return ids, nil
}

// extract compares what is in an archive with what it was made of.
func (r *round) extract(ctx context.Context, name string, a *archive) {
	w := r.world
	defer func() { _ = os.RemoveAll(w.path("own/out")) }()
	if err := os.MkdirAll(w.path("own/out"), 0o755); err != nil {
		r.violated("extracts_equal", "%v", err)
		return
	}
	output, err := w.ownBorgIn(ctx, w.path("own/out"), "extract", w.repository()+"::"+name)
	if err != nil {
		r.violated("extracts_equal", "%s: %v: %s", name, err, output)
		return
	}
	found, err := snapshot(filepath.Join(w.path("own/out"), w.path("data", a.job)))
	different := a.data.differences(found, a.except)
	r.holds("extracts_equal", err == nil && different == "", "%s differs from its source (%v): %s", name, err, different)
}

// examineStatus looks whether the status says that all is well, and of which archive.
func (r *round) examineStatus(ctx context.Context) {
	for _, s := range r.calm {
		if s.exit != 0 {
			continue
		}
		row, code, err := r.world.status(ctx, s.args[1])
		good := err == nil && code == 0 && row.State == "ok" && !row.Running && string(row.Alarm) == "null" && row.Archive == s.archive()
		r.holds("status_ok", good, "after a good run of %s status says %q, exit code %d, alarm %s, archive %q of %q: %s (%v)",
			s.args[1], row.State, code, row.Alarm, row.Archive, s.archive(), row.Problem, err)
	}
}
