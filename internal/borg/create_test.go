package borg_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func TestCreate(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.repo.Encryption, f.repo.Passphrase = "repokey-blake2", backup.Secret{Text: "hunter2 of the house"}
		f.job.Comment, f.job.Nice = "with {braces}", 5
		f.init()
		began := time.Now().Truncate(time.Second)
		report := f.create("host-home-{1}")
		if a := report.Archive; a == nil || a.Name != "host-home-{1}" || len(a.ID) != 64 || a.Time.Before(began) || a.Time.After(time.Now()) {
			t.Errorf("archive %+v", report.Archive)
		}
		if report.Files != 1 || report.OriginalSize < 9 || report.DeduplicatedSize == 0 || report.RepositorySize == 0 || len(report.RepositoryID) != 64 {
			t.Errorf("%+v", report)
		}
		if len(report.Warnings) != 0 || len(report.Counts) != 0 {
			t.Errorf("warnings %v", report.Warnings)
		}
		if diff := cmp.Diff("host-home-{1}\n", f.names()); diff != "" {
			t.Error(diff)
		}
		if out := f.raw("info", f.repo.Location); !strings.Contains(out, "Encrypted: Yes") {
			t.Errorf("not encrypted: %s", out)
		}
		info, err := f.client.Info(t.Context(), f.call(), "host-home-{1}")
		f.must(err)
		if diff := cmp.Diff(report.Archive, info.Archive); diff != "" {
			t.Error(diff)
		}
		if info.Files != report.Files || info.OriginalSize == 0 {
			t.Errorf("info: %+v", info)
		}
	})
}

func TestNewestIsNotTheOneBefore(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		newest := func() string {
			t.Helper()
			report, err := f.client.Newest(t.Context(), f.call(), f.job.Prune.Match, "host-home-2")
			f.must(err)
			if report == nil {
				return ""
			}
			return report.Archive.Name
		}
		if name := newest(); name != "" {
			t.Errorf("in an empty repository there is %q", name)
		}
		f.create("host-home-1")
		f.create("host-home-2")
		f.create("other")
		if name := newest(); name != "host-home-1" {
			t.Errorf("it is %q", name)
		}
	})
}

func TestEveryOptionIsTaken(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		list := filepath.Join(f.dir, "list")
		if err := os.WriteFile(list, []byte("- **/by-list\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		plain := filepath.Join(f.dir, "plain")
		if err := os.WriteFile(plain, []byte("sh:**/by-file\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"by-pattern", "by-list", "by-exclude", "by-file", "kept"} {
			f.write(name, name)
		}
		tagged := filepath.Join(f.source, "tagged")
		if err := os.Mkdir(tagged, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"tagged/.nobackup", "tagged/hidden"} {
			f.write(name, "")
		}
		bootstrap := filepath.Join(f.dir, "config.yaml")
		if err := os.WriteFile(bootstrap, []byte("jobs:"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.job.Patterns, f.job.PatternsFrom = []string{"- **/by-pattern"}, []string{list}
		f.job.Exclude, f.job.ExcludeFrom = []string{"sh:**/by-exclude"}, []string{plain}
		f.job.ExcludeIfPresent, f.job.KeepExcludeTags = []string{".nobackup"}, true
		f.job.ExcludeCaches, f.job.ExcludeNodump, f.job.OneFileSystem, f.job.ReadSpecial = true, true, true, true
		f.job.FilesCache, f.job.Compression, f.job.Chunker = "mtime,size", "zstd,3", "buzhash,19,23,21,4095"
		f.job.CheckpointInterval, f.job.Comment = 90*time.Second, "-- a comment"
		f.job.BorgOptions.Create = []string{"--numeric-ids"}
		f.job.Bootstrap, f.job.OptionalSources = []string{bootstrap}, nil
		f.repo.UploadLimit, f.repo.Cache, f.repo.Keys = 5<<20, filepath.Join(f.dir, "cache"), filepath.Join(f.dir, "keys")
		f.init()
		f.create("host-home-1")
		got := f.raw("list", "--format={path}{NL}", f.repo.Location+"::host-home-1")
		var want strings.Builder
		for _, path := range []string{
			f.source, f.source + "/file", f.source + "/kept", f.source + "/tagged", f.source + "/tagged/.nobackup", bootstrap,
		} {
			fmt.Fprintln(&want, path[1:])
		}
		if diff := cmp.Diff(sorted(want.String()), sorted(got)); diff != "" {
			t.Error(diff)
		}
		if _, err := os.Stat(f.repo.Cache); err != nil {
			t.Error(err)
		}
	})
}

func TestStrangeNames(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		t.Chdir(f.source) // for the source that begins with a hyphen
		names := []string{"a b", "line\nbreak", "-hyphen", "--", "qu\"ote'", "{now}"}
		for _, name := range names {
			f.write(name, "x")
		}
		// Below a source alone: borg cannot take a name that is no UTF-8 on its command line.
		folder := filepath.Join(f.source, "sub\n folder")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		names = append(names, "sub\n folder/no-utf8-\xff")
		f.write("sub\n folder/no-utf8-\xff", "x")
		f.job.Sources = []string{"-hyphen", "--", folder, filepath.Join(f.source, "a b"), filepath.Join(f.source, "line\nbreak"),
			filepath.Join(f.source, "{now}"), filepath.Join(f.source, "qu\"ote'")}
		f.init()
		report := f.create(" host home: {now} ")
		if report.Files != int64(len(names)) || len(report.Warnings) != 0 {
			t.Errorf("%d files, %v", report.Files, report.Warnings)
		}
	})
}

func TestWarnings(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make files that another user cannot read")
	}
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.asNobody()
		f.init()
		if err := os.Chmod(f.write("secret \x1b[31m", "x"), 0); err != nil {
			t.Fatal(err)
		}
		f.job.Sources = append(f.job.Sources, filepath.Join(f.source, "gone: for ever"))
		report := f.create("host-home-1")
		want := map[backup.WarningKind]int{backup.Unreadable: 1, backup.Vanished: 1}
		if diff := cmp.Diff(want, report.Counts); diff != "" {
			t.Errorf("%s\n%v\n%s", diff, report.Warnings, strings.Join(report.Tail, "\n"))
		}
		if diff := cmp.Diff(f.warned, report.Warnings); diff != "" {
			t.Error(diff)
		}
		paths := map[backup.WarningKind]string{}
		for _, w := range report.Warnings {
			paths[w.Kind] = w.Path
			if strings.ContainsAny(w.Message+w.Path, "\x1b\n") {
				t.Errorf("control characters in %+v", w)
			}
		}
		if !strings.HasSuffix(paths[backup.Vanished], "gone: for ever") || !strings.Contains(paths[backup.Unreadable], "secret ") {
			t.Errorf("%+v", report.Warnings)
		}
	})
}

// The mode of a large file changes all the while, as when somebody works with it.
func TestChangedFile(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		path := filepath.Join(f.source, "restless")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := file.Truncate(64 << 20); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		stopped := make(chan struct{})
		go func() { // changes its ctime all the time
			defer close(stopped)
			for {
				select {
				case <-done:
					return
				default:
					_ = os.Chmod(path, 0o600)
					_ = os.Chmod(path, 0o644)
				}
			}
		}()
		report := f.create("host-home-1")
		close(done)
		<-stopped
		if diff := cmp.Diff(map[backup.WarningKind]int{backup.Changed: 1}, report.Counts); diff != "" {
			t.Errorf("%s\n%s", diff, strings.Join(report.Tail, "\n"))
		}
		if len(report.Warnings) != 1 || report.Warnings[0].Path != path {
			t.Errorf("%+v", report.Warnings)
		}
	})
}

func TestProgress(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		var seen []backup.Progress
		call := f.call()
		call.Progress = func(p backup.Progress) { seen = append(seen, p) }
		_, err := f.client.Create(t.Context(), call, "host-home-1")
		f.must(err)
		if len(seen) == 0 {
			t.Error("there was none")
		}
	})
}

func TestStoppedCreateIsNoWarning(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		// borg reads the FIFO as long as the test holds it open: it is stopped in the middle for sure.
		fifo := filepath.Join(f.source, "fifo")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		f.job.ReadSpecial = true
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns when borg reads
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			cancel()
			<-ended
		}()
		_, err := f.client.Create(ctx, f.call(), "host-home-1")
		close(ended)
		failure := f.fails(err, backup.Transient, "")
		if !failure.Lost || failure.Err == nil || !isCanceled(err) {
			t.Errorf("%+v", failure)
		}
		if names := f.names(); strings.Contains(names, "host-home-1\n") {
			t.Errorf("there is an archive: %s", names)
		}
		f.must(second(f.client.Check(t.Context(), f.call())))
	})
}

// borg lists the folder, sticks at the FIFO, and finds the file gone when it comes to it.
func TestVanishedFile(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		fifo := filepath.Join(f.source, "fifo")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		victim := f.fileAfter(fifo)
		f.job.ReadSpecial = true
		go func() {
			w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns when borg reads
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			if err := os.Remove(victim); err != nil {
				t.Error(err)
			}
		}()
		report := f.create("host-home-1")
		if diff := cmp.Diff(map[backup.WarningKind]int{backup.Vanished: 1}, report.Counts); diff != "" {
			t.Fatalf("%s\n%s", diff, strings.Join(report.Tail, "\n"))
		}
		if report.Warnings[0].Path != victim {
			t.Errorf("%+v", report.Warnings)
		}
	})
}

// fileAfter makes a file that borg comes to after the given one: it goes by inode number within a folder.
func (f *fixture) fileAfter(path string) string {
	f.t.Helper()
	inode := func(path string) uint64 {
		var stat syscall.Stat_t
		if err := syscall.Lstat(path, &stat); err != nil {
			f.t.Fatal(err)
		}
		return stat.Ino
	}
	for i := range 1000 {
		if later := f.write(fmt.Sprint("later-", i), "x"); inode(later) > inode(path) {
			return later
		}
	}
	f.t.Fatal("no file gets a higher inode number")
	return ""
}
