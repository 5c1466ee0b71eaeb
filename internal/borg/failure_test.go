package borg_test

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// asNobody has borg run without the rights of root, all it needs being its own.
func (f *fixture) asNobody() {
	f.t.Helper()
	const nobody = 65534
	for dir := f.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := os.Chown(f.dir, nobody, nobody); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(f.dir, "home"), nobody, nobody); err != nil {
		f.t.Fatal(err)
	}
	wrapper := filepath.Join(f.dir, "borg-as-nobody")
	text := "#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups '" + f.repo.Borg + "' \"$@\"\n"
	if err := os.WriteFile(wrapper, []byte(text), 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.repo.Borg, f.client.Owners = wrapper, []int{nobody}
}

func TestRepositoryFailures(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		create := func() error {
			_, err := f.client.Create(t.Context(), f.call(), "host-home-1")
			return err
		}
		f.fails(create(), backup.Permanent, "Repository.DoesNotExist")
		if err := os.Mkdir(f.repo.Location, 0o755); err != nil {
			t.Fatal(err)
		}
		f.fails(create(), backup.Permanent, "Repository.InvalidRepository")

		f.repo.Encryption = "repokey-blake2"
		f.fails(f.client.Init(t.Context(), f.call()), backup.Permanent, "")
		f.repo.Passphrase = backup.Secret{Command: "vault"}
		f.fails(f.client.Init(t.Context(), f.call()), backup.Transient, "")
		if entries, err := os.ReadDir(f.repo.Location); err != nil || len(entries) != 0 {
			t.Errorf("a half-made repository: %v, %v", entries, err)
		}
		f.repo.Passphrase = backup.Secret{Text: "correct horse"}
		f.init()
		f.fails(f.client.Init(t.Context(), f.call()), backup.Permanent, "Repository.AlreadyExists")
		f.must(create())
		f.fails(create(), backup.Permanent, "Archive.AlreadyExists")

		f.repo.Passphrase.Text = "battery staple"
		if failure := f.fails(create(), backup.Permanent, "PassphraseWrong"); failure.Hint == "" || failure.Temporary() {
			t.Errorf("%+v", failure)
		}
		f.repo.Passphrase = backup.Secret{}
		f.fails(create(), backup.Permanent, "NoPassphraseFailure")
	})
}

func TestWrongOptionIsPermanent(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.job.BorgOptions.Create = []string{"--no-such-option"}
		_, err := f.client.Create(t.Context(), f.call(), "host-home-1")
		if failure := f.fails(err, backup.Permanent, ""); !strings.Contains(failure.Message, "--no-such-option") {
			t.Errorf("message: %s", failure.Message)
		}
	})
}

func TestLockTimeout(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		holder := f.byHand(t.Context(), "with-lock", f.repo.Location, "sh", "-c", "echo held; read x")
		out, err := holder.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := holder.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := holder.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		_, err = f.client.Create(t.Context(), f.call(), "host-home-1")
		in.Close()
		_ = holder.Wait()
		f.fails(err, backup.Transient, "LockTimeout")
	})
}

func TestServerThatCannotBeReached(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.repo.Location = "ssh://borg@nas.example:2222/./laptop"
		// Borg passes on what ssh says only if it has read it before the connection ends: ssh takes a moment, too.
		f.repo.SSH.Command = "sh -c 'head -c 1 >/dev/null; echo ssh: connect to host nas.example port 2222: Connection refused, 10.1.2.3 >&2; sleep 1; exit 255'"
		_, err := f.client.Create(t.Context(), f.call(), "host-home-1")
		failure := f.fails(err, backup.Transient, "ConnectionClosedWithHint")
		if !failure.Lost || !strings.Contains(failure.Message, "Connection refused") {
			t.Errorf("lost %v, message %q", failure.Lost, failure.Message)
		}
		all := strings.Join(append(failure.Tail, failure.Message), "\n")
		for _, part := range []string{"nas.example", "10.1.2.3", "./laptop", "borg@"} {
			if strings.Contains(all, part) {
				t.Errorf("%s is shown: %s", part, all)
			}
		}
	})
}

func TestProgramThatIsNoBorg(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, program := range map[string]string{
		"missing":        filepath.Join(dir, "none"),
		"folder":         dir,
		"not executable": file("plain", "#!/bin/sh\n", 0o644),
		"not a program":  file("binary", "\x00\x01", 0o755),
		"silent":         file("silent", "#!/bin/sh\n", 0o755),
		"rubbish":        file("rubbish", "#!/bin/sh\nhead -c 1000000 /dev/urandom\n", 0o755),
		"too old":        file("old", "#!/bin/sh\necho borg 1.1.18\n", 0o755),
		"too new":        file("new", "#!/bin/sh\necho borg 2.0.0b22\n", 0o755),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, program)
			_, err := f.client.Create(t.Context(), f.call(), "host-home-1")
			f.fails(err, backup.Permanent, "")
		})
	}
}

const answered = `echo '{"archive": {"name": "host-home-1", "id": "abc", "start": "2026-11-22T19:18:22.000000", "stats": {"nfiles": 3}}}'
`

func TestHowBorgEnds(t *testing.T) {
	errorLine := func(id string) string {
		return `echo '{"type": "log_message", "levelname": "ERROR", "message": "Local Exception", "msgid": "` + id + `"}' >&2` + "\n"
	}
	for name, test := range map[string]struct {
		script string
		class  backup.Class
		id     string
		lost   bool
	}{
		"killed":                            {answered + "kill -KILL $$", backup.Killed, "", true},
		"killed below a shell":              {answered + "exit 137", backup.Killed, "", true},
		"SIGTERM that borg caught":          {answered + "exit 143", backup.Transient, "", true},
		"SIGTERM, the code was lost":        {answered + errorLine("Signal.SIGTERM") + "exit 2", backup.Transient, "", true},
		"SIGSEGV":                           {answered + "kill -SEGV $$", backup.Transient, "", true},
		"an error in the log, but 0":        {answered + errorLine("Exception"), backup.Unknown, "Exception", false},
		"an error in the log, but 1":        {answered + errorLine("Cache.RepositoryReplay") + "exit 1", backup.Alarming, "Cache.RepositoryReplay", false},
		"id as servers send it":             {errorLine("InvalidRepository") + "exit 2", backup.Permanent, "InvalidRepository", false},
		"id with a dot that is not known":   {errorLine("Other.AlreadyExists") + "exit 2", backup.Unknown, "Other.AlreadyExists", false},
		"code alone":                        {"exit 73", backup.Transient, "LockTimeout", false},
		"code alone, connection":            {"exit 80", backup.Transient, "ConnectionClosed", true},
		"no word at all":                    {"exit 2", backup.Unknown, "", false},
		"no answer":                         {"exit 0", backup.Unknown, "", false},
		"an answer of another archive":      {`echo '{"archive": {"name": "x", "id": "abc", "start": "2026-11-22T19:18:22"}}'`, backup.Unknown, "", false},
		"an answer without an id":           {`echo '{"archive": {"name": "host-home-1", "start": "2026-11-22T19:18:22"}}'`, backup.Unknown, "", false},
		"an answer with a warning, but cut": {`echo '{"archive": {"name": "host-ho'; exit 1`, backup.Unknown, "", false},
		"rubbish":                           {"head -c 3000000 /dev/urandom; head -c 3000000 /dev/urandom >&2", backup.Unknown, "", false},
		"a full disk":                       {errorLine("Exception") + `printf '%s\n' '{"type": "log_message", "levelname": "ERROR", "message": "Traceback (most recent call last):\n  File\nOSError: [Errno 28] No space left on device\n\nPlatform: Linux"}' >&2; exit 2`, backup.Permanent, "Exception", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "")
			f.standIn(test.script)
			_, err := f.client.Create(t.Context(), f.call(), "host-home-1")
			if failure := f.fails(err, test.class, test.id); failure.Lost != test.lost {
				t.Errorf("lost: %v", failure.Lost)
			}
		})
	}
}

func TestWarningWithoutAWord(t *testing.T) {
	for _, code := range []string{"1", "127"} {
		f := newFixture(t, "")
		f.standIn(answered + "exit " + code)
		if report := f.create("host-home-1"); report.Counts[backup.Other] != 1 || report.Files != 3 {
			t.Errorf("%+v", report)
		}
	}
}

func TestCheckThatEndsWithAWarningIsAnAlarm(t *testing.T) {
	f := newFixture(t, "")
	f.standIn("exit 1")
	_, err := f.client.Check(t.Context(), f.call())
	f.fails(err, backup.Alarming, "")
	f.standIn("exec /nowhere/borg \"$@\"")
	_, err = f.client.Check(t.Context(), f.call())
	f.fails(err, backup.Unknown, "")
	f.standIn(`echo '{"type": "log_message", "levelname": "ERROR", "message": "words", "msgid": "LockTimeout"}' >&2; exit 2`)
	_, err = f.client.Check(t.Context(), f.call())
	f.fails(err, backup.Transient, "LockTimeout")
}

func TestGreetingOfTheServerIsNoWarning(t *testing.T) {
	greeting := `echo '{"type": "log_message", "levelname": "WARNING", "name": "root", "message": "Remote: welcome"}' >&2` + "\n"
	f := newFixture(t, "")
	f.standIn(greeting + answered)
	if report := f.create("host-home-1"); len(report.Warnings) != 0 {
		t.Errorf("%+v", report.Warnings)
	}
}

func TestStall(t *testing.T) {
	f := newFixture(t, "")
	f.standIn("exec sleep 60")
	f.job.Timeout.Stall = 300 * time.Millisecond
	_, err := f.client.Create(t.Context(), f.call(), "host-home-1")
	if failure := f.fails(err, backup.Transient, ""); !failure.Lost || !strings.Contains(failure.Message, "no sign of life") {
		t.Errorf("%+v", failure)
	}
}

func TestFloodOfWarnings(t *testing.T) {
	f := newFixture(t, "")
	f.standIn(`yes '{"type": "file_status", "status": "E", "path": "/some/path/or/other"}' | head -n 50000 >&2
yes '{"type": "log_message", "levelname": "WARNING", "message": "/some: open: [Errno 13] Permission denied"}' | head -n 20000 >&2
head -c 1073741824 /dev/zero >&2
` + answered + "exit 1")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f.warned = nil
	call := f.call()
	call.Warn = nil
	report, err := f.client.Create(t.Context(), call, "host-home-1")
	f.must(err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 4<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	if report.Counts[backup.Unreadable] != 70000 || len(report.Warnings) > 60 || len(report.Tail) > 50 {
		t.Errorf("counts %v, %d warnings, tail of %d", report.Counts, len(report.Warnings), len(report.Tail))
	}
	runtime.KeepAlive(report)
}
