package cli

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"
)

// A signal ends a walk at once: nothing is printed, nothing saved, and Main makes 128+N of it.
func TestSizesInterrupted(t *testing.T) {
	folder := t.TempDir()
	saved := filepath.Join(folder, "saved")
	var stdout, stderr bytes.Buffer
	env := &environment{Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interruption{})
	err := showSizes(ctx, env, []string{folder}, sizesOptions{save: saved})
	if !errors.Is(err, context.Canceled) || exitCode(err) == 0 || errors.As(err, &wholeError{}) {
		t.Errorf("%v", err)
	}
	if stdout.Len() > 0 {
		t.Errorf("printed %q", stdout.String())
	}
	if found, _ := filepath.Glob(saved + "*"); len(found) != 1 || found[0] != saved+".lock" {
		t.Errorf("saved %q", found)
	}
}
