package condition

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"borgcron/internal/backup"
)

func holds(t *testing.T, c *Checker, conditions backup.Conditions) (string, error) {
	t.Helper()
	return c.Holds(t.Context(), &backup.Job{Name: "home", Conditions: conditions})
}

// Nothing is asked that is not named: every look here would say no.
func TestOnlyWhatIsNamed(t *testing.T) {
	c := &Checker{
		Sysfs: machine(t, onBattery), Bus: "unix:path=/nonexistent",
		Mounted: func(string) (bool, error) { return false, errors.New("asked") },
	}
	if reason, err := holds(t, c, backup.Conditions{}); reason != "" || err != nil {
		t.Errorf("Holds = %q, %v", reason, err)
	}
	job := &backup.Job{}
	if reason, err := c.Reachable(t.Context(), job, backup.Repository{Location: "/nonexistent"}); reason != "" || err != nil {
		t.Errorf("Reachable = %q, %v", reason, err)
	}
}

func TestFirstThatDoesNotHold(t *testing.T) {
	c := &Checker{Sysfs: machine(t, onBattery), Mounted: func(string) (bool, error) { return false, errors.New("asked") }}
	reason, err := holds(t, c, backup.Conditions{OnAC: true, Mounted: []string{"/mnt"}, Command: "exit 7"})
	if reason != "on battery" || err != nil {
		t.Errorf("Holds = %q, %v", reason, err)
	}
}

func TestCommand(t *testing.T) {
	c := &Checker{Environ: []string{"PATH=" + os.Getenv("PATH"), "ANSWER=1"}}
	tests := map[string]struct{ command, reason, err string }{
		"yes":            {command: "true"},
		"yes with words": {command: "echo no; true"},
		"no":             {command: "exit 1", reason: `condition "exit 1" does not hold`},
		"no with words on stdout": {
			command: "echo on the train; exit 1", reason: `condition "echo on the train; exit 1" does not hold: on the train`,
		},
		"no with words on stderr": {
			command: `printf 'a\033[m\n\n' >&2; exit 1`, reason: `condition "printf 'a\033[m\n\n' >&2; exit 1" does not hold: a [m`,
		},
		"environment": {command: "exit $ANSWER", reason: `condition "exit $ANSWER" does not hold`},
		"nonsense":    {command: "echo why; exit 3", err: `condition "echo why; exit 3" exited 3, which is neither yes (0) nor no (1): why`},
		"signal":      {command: "kill -9 $$", err: `condition "kill -9 $$" was ended by signal 9 (killed), which is neither yes (0) nor no (1)`},
		"no such program": {
			command: "/nonexistent/may-i 2>/dev/null",
			err:     `condition "/nonexistent/may-i 2>/dev/null" exited 127, which is neither yes (0) nor no (1)`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reason, err := holds(t, c, backup.Conditions{Command: test.command})
			message := ""
			if err != nil {
				message = err.Error()
			}
			if reason != test.reason || message != test.err {
				t.Errorf("Holds = %q, %q\nwant    %q, %q", reason, message, test.reason, test.err)
			}
		})
	}
}

func TestCommandThatHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a command may")
	}
	t.Parallel()
	began := time.Now()
	reason, err := holds(t, &Checker{Environ: os.Environ()}, backup.Conditions{Command: "sleep 600"})
	if reason != "" || err == nil || err.Error() != `condition "sleep 600" did not end within 30s` {
		t.Errorf("Holds = %q, %v", reason, err)
	}
	if took := time.Since(began); took < commandTimeout || took > 2*commandTimeout {
		t.Errorf("took %v", took)
	}
}

func TestCommandIsStopped(t *testing.T) {
	stopped := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	running := filepath.Join(t.TempDir(), "running")
	if err := syscall.Mkfifo(running, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := os.ReadFile(running); err == nil { // ends when the command has opened and closed it
			cancel(stopped)
		}
	}()
	job := &backup.Job{Conditions: backup.Conditions{Command: ": >" + running + "; sleep 600"}}
	reason, err := (&Checker{Environ: os.Environ()}).Holds(ctx, job)
	if reason != "" || !errors.Is(err, stopped) || !strings.Contains(err.Error(), "was stopped") {
		t.Errorf("Holds = %q, %v", reason, err)
	}
}

func TestMounted(t *testing.T) {
	broken := errors.New("input/output error")
	c := &Checker{Mounted: func(path string) (bool, error) {
		if path == "/broken" {
			return false, broken
		}
		return path == "/mnt/usb", nil
	}}
	tests := map[string]struct {
		mounted []string
		reason  string
		err     error
	}{
		"all":    {mounted: []string{"/mnt/usb", "/mnt/usb"}},
		"one":    {mounted: []string{"/mnt/usb", "/mnt/nas"}, reason: "/mnt/nas is not mounted"},
		"broken": {mounted: []string{"/broken"}, err: broken},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reason, err := holds(t, c, backup.Conditions{Mounted: test.mounted})
			if reason != test.reason || !errors.Is(err, test.err) {
				t.Errorf("Holds = %q, %v", reason, err)
			}
		})
	}
}

// A file system that hangs is no reason to hang: as a condition it does not hold, as a source it is an error.
func TestMountThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		c := &Checker{Mounted: func(string) (bool, error) { <-release; return true, nil }}
		began := time.Now()
		reason, err := holds(t, c, backup.Conditions{Mounted: []string{"/mnt/nfs"}})
		if reason != "/mnt/nfs does not answer" || err != nil || time.Since(began) != statTimeout {
			t.Errorf("Holds = %q, %v after %v", reason, err, time.Since(began))
		}
		_, err = c.Ready(t.Context(), &backup.Job{Guard: backup.Guard{Mounted: []string{"/mnt/nfs"}}})
		if err == nil || !strings.HasSuffix(err.Error(), "/mnt/nfs cannot be looked at: no answer in time") {
			t.Errorf("Ready = %v", err)
		}
		stopped := errors.New("stopped by the user")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		if _, err := c.Ready(ctx, &backup.Job{Guard: backup.Guard{Mounted: []string{"/mnt/nfs"}}}); !errors.Is(err, stopped) {
			t.Errorf("Ready when stopped = %v", err)
		}
	})
}

func TestIsMountPoint(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc, which is mounted on every Linux")
	}
	folder := t.TempDir()
	link := filepath.Join(folder, "link")
	if err := os.Symlink("/proc", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/": true, "/proc": true, "/proc/": true, link: true, "/proc/self": false, folder: false, "/etc": false,
		filepath.Join(folder, "missing"): false, "/etc/passwd/below": false,
	} {
		if got, err := isMountPoint(path); got != want || err != nil {
			t.Errorf("isMountPoint(%s) = %v, %v", path, got, err)
		}
	}
}
