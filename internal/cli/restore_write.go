package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/machine"
	"borgcron/internal/restore"
)

const (
	// syncEvery is how often all that was written is put on the disk, so that a crash of the machine costs no more than that.
	syncEvery = 5 * time.Minute
	// mostFailed is how many paths are kept that could not be restored, mostSaid how many are shown.
	mostFailed, mostSaid = 100_000, 200
	// fewRoots is how many paths borg may compare each entry with.
	fewRoots = 50
)

// writing is a restore at work.
type writing struct {
	*fileRestore
	mutex   sync.Mutex
	journal *restore.Journal
	failed  int
}

// write restores, and says how it went.
func (r *fileRestore) write(ctx context.Context) error {
	began := time.Now()
	if err := os.MkdirAll(r.request.Dir, 0o700); err != nil {
		return exitError{exitFailed, fmt.Errorf("make the folder to restore to: %w", err)}
	}
	w := &writing{fileRestore: r, journal: r.journal}
	if err := w.begin(); err != nil {
		return exitError{exitFailed, err}
	}
	for _, conflict := range r.plan.Conflicts {
		if conflict.Action == restore.Rename {
			if err := restore.SetAside(r.request.Dir, conflict.Path, r.stamp()); err != nil {
				return exitError{exitFailed, err}
			}
		}
	}
	err := w.extract(ctx)
	if err != nil {
		return w.goOnLater(ctx, err)
	}
	if err := r.journals.End(r.request); err != nil {
		r.env.Log.Warn("the same restore would be taken for one that was interrupted", "error", err)
	}
	return w.summary(time.Since(began))
}

// begin puts on record what is about to be done.
func (w *writing) begin() error {
	if w.journal != nil {
		w.journal.Boot, w.journal.Failed = machine.BootID(), nil
		return w.journals.Save(w.request, w.journal)
	}
	w.journal = &restore.Journal{
		Repository: w.call.Repository.Key(), Archive: w.archive, Existing: w.existing, Stamp: w.stamp(),
		Began: w.env.Now(), Boot: machine.BootID(), Before: w.plan.Before,
	}
	w.fileRestore.journal = w.journal // the stamp is its from now on
	return w.journals.Begin(w.request, w.journal)
}

// extract lets borg write what was planned.
func (w *writing) extract(ctx context.Context) error {
	e := borg.Extraction{Dir: w.request.Dir}
	roots := restore.Select(w.roots).Roots()
	switch {
	case w.unlisted:
	case len(w.plan.Write) == 0:
		return nil
	case len(roots) <= fewRoots && len(w.plan.Leave) <= len(w.plan.Write):
		e.Paths, e.Exclude = roots, w.plan.Leave
	default:
		e.Entries = w.plan.Write
	}
	call := w.call
	call.Warn = w.warn
	if w.env.Terminal && !w.env.Quiet {
		progress := &restoreProgress{env: w.env, began: time.Now(), entries: w.plan.Entries}
		call.Progress = progress.show
		defer progress.end()
	}
	stop := w.syncNowAndThen()
	defer stop()
	_, err := w.parts.client.ExtractTree(ctx, call, w.archive.Name, e)
	return err
}

// warn hears of each path that could not be restored.
func (w *writing) warn(warning backup.Warning) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.failed++; w.failed <= mostFailed && warning.Path != "" {
		w.journal.Failed = append(w.journal.Failed, warning.Path)
	}
	if w.failed <= mostSaid {
		if w.env.Terminal {
			_, _ = io.WriteString(w.env.Stderr, clearLine)
		}
		w.env.Log.Warn("not restored as it was: " + warning.Message)
	}
}

// syncNowAndThen puts on record since when all is on the disk.
func (w *writing) syncNowAndThen() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(syncEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			before := time.Now().Add(-time.Second) // the kernel's clock of files is coarse
			unix.Sync()
			w.mutex.Lock()
			w.journal.Synced = before
			err := w.journals.Save(w.request, w.journal)
			w.mutex.Unlock()
			if err != nil {
				w.env.Log.Warn("writing the journal of the restore", "error", err)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// goOnLater says why it is not whole, and what to do.
func (w *writing) goOnLater(ctx context.Context, err error) error {
	if saved := w.journals.Save(w.request, w.journal); saved != nil {
		w.env.Log.Warn("writing the journal of the restore", "error", saved)
	}
	failure := backup.AsFailure("extract", err)
	hint := "what was restored stays; the same command again goes on with the rest"
	if failure.ID == borg.DiskFull {
		err = fmt.Errorf("%w%s", err, w.incomplete(ctx))
		hint = "make room, then give the same command again: it goes on with the rest"
	} else if failure.Hint != "" {
		hint = failure.Hint + "; " + hint
	}
	return exitError{exitFailed, fmt.Errorf("the restore to %s is not whole: %w\n  hint: %s", w.where(), err, hint)}
}

// incomplete names the files that borg has begun and not brought to an end, "" if that cannot be told.
func (w *writing) incomplete(ctx context.Context) string {
	const shown = 3
	var found []string
	planner := w.planner()
	planner.Each = func(action restore.Action) {
		if action.Exists && action.Does == "write" && action.Item.Type() == '-' {
			found = append(found, backup.Clean(filepath.Join(w.request.Dir, action.Item.Path)))
		}
	}
	if err := w.feed(ctx, planner); err != nil || len(found) == 0 {
		return ""
	}
	if len(found) > shown {
		found = append(found[:shown], "...")
	}
	return "; incomplete: " + strings.Join(found, ", ")
}

// summary says how it went.
func (w *writing) summary(took time.Duration) error {
	if !w.env.Quiet || w.failed > 0 {
		w.say(took)
	}
	if w.failed == 0 {
		return nil
	}
	if w.failed > mostSaid {
		w.env.Log.Warn(fmt.Sprintf("and %s more", humanize.Comma(int64(w.failed-mostSaid))))
	}
	return exitError{exitWarning, fmt.Errorf("%w%s could not be restored as it was", wholeError{}, counted(w.failed, "path"))}
}

func (w *writing) say(duration time.Duration) {
	text := fmt.Sprintf("%s restored to %s from the archive %s in %s", w.amount(), w.where(), backup.Clean(w.archive.Name), took(duration))
	if w.plan.Done > 0 {
		text += fmt.Sprintf("; %s, %s, were there before", counted(int(w.plan.Done), "file"), size(w.plan.DoneBytes))
	}
	aside, left := 0, 0
	for _, conflict := range w.plan.Conflicts {
		switch conflict.Action {
		case restore.Rename:
			aside++
		case restore.Skip:
			left++
		}
	}
	if aside > 0 {
		text += fmt.Sprintf("; %s kept as NAME.before-restore-%s", counted(aside, "path"), w.stamp())
	}
	if left > 0 {
		text += fmt.Sprintf("; %s left as it was", counted(left, "path"))
	}
	fmt.Fprintln(w.env.Stdout, text)
}

// restoreProgress keeps one line of a terminal up to date.
type restoreProgress struct {
	env         *environment
	began, last time.Time
	entries     int64 // all of them; 0: not known
}

const progressEvery = 200 * time.Millisecond

func (p *restoreProgress) show(now backup.Progress) {
	if time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	_, _ = io.WriteString(p.env.Stderr, clearLine+backup.CleanLine(restoreText(now, p.entries, time.Since(p.began)), 79))
}

func (p *restoreProgress) end() { _, _ = io.WriteString(p.env.Stderr, clearLine) }

// restoreText is what a restore that has gone on for so long says of itself.
func restoreText(now backup.Progress, entries int64, since time.Duration) string {
	text := humanize.Comma(now.Files)
	if entries > 0 {
		text += " of " + humanize.Comma(entries)
	}
	text += " entries"
	if now.Total > 0 {
		text += fmt.Sprintf(", %s of %s (%d%%)", size(now.Current), size(now.Total), 100*now.Current/now.Total)
	}
	if since > 3*time.Second && now.Current > 0 {
		rest := time.Duration(float64(since) * float64(now.Total-now.Current) / float64(now.Current))
		text += ", " + rest.Round(time.Second).String() + " left"
	}
	return text + "  " + now.Message
}
