package borg_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
)

// A segment that is not there is damage to whoever wants to read it, here and on a server.
func TestLostSegment(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.create("host-home-1")
		segments, err := filepath.Glob(filepath.Join(f.repo.Location, "data", "0", "*"))
		f.must(err)
		for _, segment := range segments {
			text, err := os.ReadFile(segment)
			f.must(err)
			if len(text) > 100 && string(text[:8]) == "BORG_SEG" && filepath.Base(segment) > "1" { // not that of the first manifest
				f.must(os.Remove(segment))
			}
		}
		read := func() error {
			return f.client.Extract(t.Context(), f.call(), "host-home-1", f.source[1:]+"/file", io.Discard)
		}
		if failure := backup.AsFailure("", read()); failure.Class != backup.Alarming {
			t.Errorf("class %v, id %q: %s", failure.Class, failure.ID, failure.Message)
		}
		script := filepath.Join(f.dir, "ssh") // a server without a network: what follows the name of the host
		f.must(os.WriteFile(script, []byte("#!/bin/sh\nwhile [ \"$1\" != host ]; do shift; done; shift; shift; exec '"+f.repo.Borg+"' \"$@\"\n"), 0o755))
		f.repo.SSH.Command, f.repo.Location = script, "ssh://host"+f.repo.Location
		f.repo.Env["BORG_RELOCATED_REPO_ACCESS_IS_OK"] = "yes"
		if failure := backup.AsFailure("", read()); failure.Class != backup.Alarming {
			t.Errorf("remote: class %v, id %q: %s", failure.Class, failure.ID, failure.Message)
		}
	})
}

// One that is missing because the disk was taken away is no damage, nor is what an archive that is being made misses.
func TestLostDisk(t *testing.T) {
	f := newFixture(t, "")
	f.standIn(`printf '%s\n' '{"type": "log_message", "levelname": "ERROR", "message": "Traceback (most recent call last):\n  File\nFileNotFoundError: [Errno 2] No such file or directory: '"'/x/data/0/17'"'"}' >&2; exit 2`)
	f.must(os.Mkdir(f.repo.Location, 0o755))
	read := func() error { return f.client.Extract(t.Context(), f.call(), "host-home-1", "file", io.Discard) }
	f.fails(read(), backup.Unknown, "")
	f.must(os.WriteFile(filepath.Join(f.repo.Location, "config"), nil, 0o600))
	f.fails(read(), backup.Alarming, "")
	_, err := f.client.Create(t.Context(), f.call(), "host-home-1")
	f.fails(err, backup.Unknown, "")
}

// A file of which a repair has replaced chunks by zeros is told as damaged by each borg, written or streamed.
func TestZeros(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.write("file", strings.Repeat("some text", 1000))
		path := f.write("a: n\xffot", strings.Repeat("another text", 1000))
		f.create("host-home-1")
		segments, err := filepath.Glob(filepath.Join(f.repo.Location, "data", "0", "*"))
		f.must(err)
		for _, segment := range segments {
			if text, err := os.ReadFile(segment); err == nil {
				at := bytes.Index(text, []byte("another text"))
				if at > 0 {
					text[at]++
					f.must(os.WriteFile(segment, text, 0o600))
				}
			}
		}
		repair := f.byHand(t.Context(), "check", "--repair", f.repo.Location)
		repair.Env = append(repair.Env, "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES")
		if said, err := repair.CombinedOutput(); !strings.Contains(string(said), "all-zero") {
			t.Fatalf("%v: %s", err, said)
		}
		_, err = f.client.ExtractTree(t.Context(), f.call(), "host-home-1", borg.Extraction{Dir: t.TempDir()})
		f.must(err)
		if len(f.warned) != 1 || !strings.Contains(f.warned[0].Message, "damaged") || !strings.HasSuffix(f.warned[0].Path, "/a: n?ot") {
			t.Errorf("%+v", f.warned)
		}
		err = f.client.Extract(t.Context(), f.call(), "host-home-1", path[1:], io.Discard)
		if failure := f.fails(err, backup.Permanent, ""); !strings.Contains(failure.Message, "damaged") {
			t.Error(failure.Message)
		}
	})
}
