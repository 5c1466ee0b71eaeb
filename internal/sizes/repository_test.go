package sizes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	godiff "github.com/google/go-cmp/cmp"
)

// write writes a file, and says that it was written some days before now.
func write(t *testing.T, path, content string, days int) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(content), 0o644))
	when := now.AddDate(0, 0, -days)
	check(t, os.Chtimes(path, when, when))
}

// day is how old a repository is, with a segment or without.
type day struct {
	Days    int
	Segment bool
}

func TestRepositories(t *testing.T) {
	top := t.TempDir()
	const config = "[repository]\nversion = 1\n"
	for path, days := range map[string]int{
		"direct/config": 9, "direct/data/0/1": 8, "direct/data/0/9": 7, "direct/data/0/10": 3, "direct/data/0/note": 1,
		"deep/below/it/config": 9, "deep/below/it/data/9/9999": 5, "deep/below/it/data/10/10001": 2, "deep/below/it/data/11/empty": 0,
		"empty/config": 4, "future/config": 9, "future/data/0/1": -2, "soon/config": 9, "soon/data/0/1": 0,
	} {
		content := config
		if filepath.Base(path) != "config" {
			content = "segment"
		}
		write(t, filepath.Join(top, path), content, days)
	}
	check(t, os.Mkdir(top+"/empty/data", 0o755))
	// What only looks like one.
	write(t, top+"/no/config", "[core]\n", 9)
	write(t, top+"/no/data/0/1", "", 9)
	write(t, top+"/only/config", config, 9)
	check(t, os.MkdirAll(top+"/fifo/data", 0o755))
	check(t, syscall.Mkfifo(top+"/fifo/config", 0o644))
	check(t, os.MkdirAll(top+"/link/data", 0o755))
	check(t, os.Symlink("../direct/config", top+"/link/config"))
	// A link in a segment's place says nothing.
	check(t, os.Symlink("1", top+"/direct/data/0/99"))

	for _, workers := range []int{1, 4} {
		report := measure(t, Options{Now: now, Workers: workers}, top)
		got := map[string]day{}
		for _, r := range report.Repositories {
			name, _ := filepath.Rel(top, r.Path)
			got[name] = day{int(r.Age / 86400), r.NewestSegment != nil}
		}
		want := map[string]day{"direct": {3, true}, "deep/below/it": {2, true}, "empty": {4, false}, "future": {-2, true}, "soon": {0, true}}
		if diff := godiff.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if itself := measure(t, Options{Now: now}, top+"/direct"); len(itself.Repositories) != 1 || itself.Repositories[0].Path != top+"/direct" {
		t.Errorf("%+v", itself.Repositories)
	}
}

func TestSilent(t *testing.T) {
	for _, c := range []struct {
		age, after time.Duration
		want       bool
	}{
		{time.Hour, 2 * time.Hour, false}, {2 * time.Hour, 2 * time.Hour, false}, {2*time.Hour + time.Second, 2 * time.Hour, true},
		{-23 * time.Hour, time.Hour, false}, {-25 * time.Hour, time.Hour, true},
	} {
		if got := (Repository{Age: int64(c.age / time.Second)}).Silent(c.after); got != c.want {
			t.Errorf("%v after %v: %v", c.age, c.after, got)
		}
	}
}

// A context that has ended ends it at once, with its cause.
func TestEnded(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if report, err := Measure(ctx, []string{t.TempDir()}, Options{}); !errors.Is(err, cause) || report.Entries != nil {
		t.Errorf("%+v, %v", report, err)
	}
}
