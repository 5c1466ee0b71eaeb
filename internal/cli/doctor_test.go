package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"borgcron/internal/doctor"
)

// A probe that hangs in the kernel, whatever is told to it, keeps none of the others from being made.
func TestProbesThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never, began := make(chan struct{}), time.Now()
		probes := []probe{
			{check: doctor.Clock, look: func(context.Context) []doctor.Finding { return []doctor.Finding{{Check: doctor.Clock}} }},
			{check: doctor.Sources, job: "home", look: func(context.Context) []doctor.Finding { <-never; return nil }},
			{check: doctor.Login, limit: time.Hour, look: func(ctx context.Context) []doctor.Finding {
				<-ctx.Done()
				return []doctor.Finding{{Check: doctor.Login, What: ctx.Err().Error()}}
			}},
		}
		found := new(examination).run(t.Context(), probes)
		if len(found[0]) != 1 || found[0][0].Check != doctor.Clock {
			t.Errorf("the sound one: %+v", found[0])
		}
		if len(found[1]) != 1 || found[1][0].Severity != doctor.Warning || found[1][0].Job != "home" || !strings.Contains(found[1][0].What, "1m0s") {
			t.Errorf("the one that hangs: %+v", found[1])
		}
		if len(found[2]) != 1 || found[2][0].What != context.DeadlineExceeded.Error() {
			t.Errorf("the one that obeys: %+v", found[2])
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %v", took)
		}
		close(never)
	})
}

func TestSystemMounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fstab")
	text := "# a comment\nUUID=1 / ext4 defaults 0 1\nUUID=2 /home ext4 defaults 0 2\nnas:/x /mnt/with\\040blank nfs rw\nnone swap swap sw 0 0\n/dev/sr0\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := systemMounts(file), []string{"/home", "/mnt/with blank"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := systemMounts(file + ".none"); got != nil {
		t.Errorf("without a table: %q", got)
	}
}

func TestNotMounted(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "usb"), 0o755); err != nil {
		t.Fatal(err)
	}
	table := []string{filepath.Join(dir, "usb")}
	for path, want := range map[string]bool{
		filepath.Join(dir, "usb"): true, filepath.Join(dir, "usb", "photos"): true, filepath.Join(dir, "usb2"): false, dir: false,
	} {
		if got := notMounted(path, table); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if notMounted("/proc/self", []string{"/proc"}) {
		t.Error("/proc is mounted")
	}
}
