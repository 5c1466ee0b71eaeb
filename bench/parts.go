package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// oneRun is part a: one run with prune and compact due.
func (b *bench) oneRun(ctx context.Context) error {
	for _, files := range b.sizes {
		err := b.compare(ctx, fmt.Sprintf("a-%d", files), files, 3, 1, borgcron, byHand, fewest, borgmatic)
		if err != nil {
			return err
		}
	}
	return nil
}

// day is part b: 24 runs, in the last of which prune and compact are due.
func (b *bench) day(ctx context.Context) error {
	return b.compare(ctx, "b-1000", 1000, 24, 24, borgcron, byHand, borgmatic)
}

// compare measures contenders side by side: all back up the same changes, one after the other, so many backups
// a round. A figure is the sum of a round.
func (b *bench) compare(ctx context.Context, name string, files, keep, backups int, names ...string) error {
	w, err := b.newWorld(name, files, keep)
	if err != nil {
		return err
	}
	first, err := w.newContender(ctx, borgcron)
	if err != nil {
		return err
	}
	processes, err := w.count(ctx, first, backups)
	if err != nil {
		return err
	}
	contenders := []*contender{first}
	for _, name := range names[1:] {
		c, err := w.newContender(ctx, name)
		if err != nil {
			return err
		}
		contenders = append(contenders, c)
	}
	note := fmt.Sprintf("borgcron started borg %d times in a round; %s", processes, machine())
	s := &series{name: name, unit: "seconds", note: note, columns: names}
	return b.measure(s, b.rounds, func(round int, row []float64) error {
		for i := range backups {
			if err := w.change(); err != nil {
				return err
			}
			for _, j := range order(round+i, len(names)) {
				took, err := contenders[j].backup(ctx, i == backups-1)
				if err != nil {
					return err
				}
				row[j] += took
			}
		}
		return nil
	})
}

// order is that of the contenders in a turn. The first two are a pair and follow each other, now the one first,
// now the other; the rest comes after them in two turns and before them in the next two.
func order(turn, n int) []int {
	all := []int{0, 1, 2, 3}[:n]
	if turn%2 == 1 {
		slices.Reverse(all[:2])
		slices.Reverse(all[2:])
	}
	if turn/2%2 == 1 {
		all = slices.Concat(all[2:], all[:2])
	}
	return all
}

// memory is part c: the peak of borgcron's own resident memory in a run. The flood has borg warn of 100,000 files.
func (b *bench) memory(ctx context.Context) error {
	var contenders []*contender
	var names []string
	for _, files := range b.sizes {
		w, err := b.newWorld(fmt.Sprintf("c-%d", files), files, 3)
		if err != nil {
			return err
		}
		c, err := w.newContender(ctx, borgcron)
		if err != nil {
			return err
		}
		contenders, names = append(contenders, c), append(names, thousands(files)+" files")
	}
	flooded, err := contenders[0].behind(`case "$*" in *create*) awk 'BEGIN { for (i = 0; i < 100000; i++)
	printf "{\"type\": \"file_status\", \"status\": \"C\", \"path\": \"folder/file-%d\"}\n", i }' >&2 ;; esac`)
	if err != nil {
		return err
	}
	contenders, names = append(contenders, flooded), append(names, names[0]+", 100,000 warnings")
	s := &series{name: "c", unit: "MiB", note: machine(), columns: names}
	return b.measure(s, b.rounds, func(_ int, row []float64) (err error) {
		for i, c := range contenders {
			if row[i], err = c.peak(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peak makes a backup and returns the peak of the program's resident memory in MiB. What the kernel tells at
// its end (wait4) is the largest of the program and all its children, so it is asked every 10 ms on the way.
func (c *contender) peak(ctx context.Context) (peak float64, err error) {
	c.settle()
	cmd := c.command(ctx, c.commands(true)[0])
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return peak, c.explain(cmd, err)
		case <-time.After(10 * time.Millisecond):
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)) // gone at the end
			if m := highWater.FindSubmatch(status); m != nil {
				kib, _ := strconv.Atoi(string(m[1]))
				peak = float64(kib) / 1024
			}
		}
	}
}

// startUp is part d: `version` against a Go program that does nothing, built in the same way. Such a short time
// is measured ten times as often.
func (b *bench) startUp(ctx context.Context) error {
	source, empty := filepath.Join(b.temp, "empty.go"), filepath.Join(b.temp, "empty")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", empty, source)
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the empty program: %w", err)
	}
	programs := [][]string{{empty}, {b.program, "version"}}
	s := &series{name: "d", unit: "ms", note: machine(), columns: []string{"empty Go program", "borgcron version"}}
	return b.measure(s, 10*b.rounds, func(round int, row []float64) error {
		for _, i := range order(round%2, 2) {
			began := time.Now()
			if err := exec.CommandContext(ctx, programs[i][0], programs[i][1:]...).Run(); err != nil {
				return err
			}
			row[i] = time.Since(began).Seconds() * 1000
		}
		return nil
	})
}
