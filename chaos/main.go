// The chaos program breaks what borgcron relies on, at random moments, and then looks whether all of its promises held.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const usage = `chaos/run [-seed N] [-rounds N] [-workers N] [-place local|ssh] [-faults KIND,...] [-record FILE]
Rounds go in worlds of ten: a repository, a configuration, data. Each round injects one or two faults into a run of
borgcron, undoes them, lets up to two runs go undisturbed and then checks the invariants. The same seed plans the same
rounds. -faults takes kinds (kill, cut, damage...) or a kind and its target (kill:borg). Exits with 1 if an invariant
was violated; the folder of that world is kept then.`

// series is one call of this program.
type series struct {
	seed            uint64
	rounds, workers int
	place           string   // local, ssh, "": in turns
	only            []string // kinds of faults, empty: all
	record          string   // file to which a line a round is appended, "": none
	source          string   // the checkout whose borgcron is tried
	tags            string   // build tags beside chaos
	keep            bool     // all worlds, not only those with violations
	out             io.Writer

	temp, program, commit string
	borgs                 []borgProgram
	mutex                 sync.Mutex // of what follows, and of out
	done                  []*record
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	s := &series{out: os.Stdout}
	only, summary := "", ""
	flag.Usage = func() { fmt.Fprintln(os.Stderr, usage); flag.PrintDefaults() }
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().Unix()), "plans everything") //nolint:gosec // a clock before 1970 plans as well
	flag.IntVar(&s.rounds, "rounds", 100, "how many")
	flag.IntVar(&s.workers, "workers", 2, "worlds at the same time")
	flag.StringVar(&s.place, "place", "", "only worlds whose repository is `local`, or over ssh")
	flag.StringVar(&only, "faults", "", "only these kinds, separated by commas")
	flag.StringVar(&s.record, "record", "", "append a line of JSON a round to this file")
	flag.StringVar(&summary, "summary", "", "write a page with the sum of the -record file here")
	flag.StringVar(&s.source, "source", ".", "checkout whose borgcron is tried")
	flag.StringVar(&s.tags, "tags", "", "further build tags, e.g. broken_lock")
	flag.BoolVar(&s.keep, "keep", false, "keep the folders of all worlds")
	flag.Parse()
	if only != "" {
		s.only = strings.Split(only, ",")
	}
	err := s.run(ctx)
	if err == nil && summary != "" {
		err = summarise(s.record, summary)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// errViolated says that an invariant did not hold.
var errViolated = errors.New("invariants were violated")

// run performs the rounds and prints the sum. Worlds are dealt out to the workers; what happens in one does not
// depend on the others.
func (s *series) run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer func() {
		_ = os.Remove(s.program)
		_ = os.Remove(s.temp) // stays while the folder of a world does
	}()
	fmt.Fprintf(s.out, "seed %d: %d rounds with %s\n", s.seed, s.rounds, describe(s.borgs))
	numbers := make(chan int)
	var workers sync.WaitGroup
	failures := make([]error, max(s.workers, 1))
	for i := range failures {
		workers.Go(func() {
			for number := range numbers {
				if failures[i] == nil {
					failures[i] = s.world(ctx, number)
				}
			}
		})
	}
	for number := 0; number*perWorld < s.rounds && ctx.Err() == nil; number++ {
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	violations := s.sum()
	if err := errors.Join(append(failures, context.Cause(ctx))...); err != nil {
		return err
	}
	if violations > 0 {
		return fmt.Errorf("%w: %d times with seed %d", errViolated, violations, s.seed)
	}
	return nil
}

// perWorld is how many rounds a world lasts: long enough for archives to fall out of the retention.
const perWorld = 10

// world performs the rounds of one world. After a violation it goes on with a fresh one, as the damage may last.
func (s *series) world(ctx context.Context, number int) error {
	var w *world
	defer func() { w.close(s.keep) }()
	for round := number * perWorld; round < min((number+1)*perWorld, s.rounds) && ctx.Err() == nil; round++ {
		if w != nil && len(w.violations) > 0 {
			w.close(s.keep)
			w = nil
		}
		if w == nil {
			var err error
			if w, err = s.newWorld(ctx, number, round); err != nil {
				return fmt.Errorf("world %d: %w", number, err)
			}
		}
		plan := newPlan(s.seed, round, w.options, s.only)
		result, err := w.round(ctx, plan)
		if ctx.Err() != nil {
			return nil // half a round says nothing
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if err := s.note(result, w); err != nil {
			return err
		}
	}
	return nil
}

// prepare builds the borgcron that is tried, and finds the borgs.
func (s *series) prepare(ctx context.Context) (err error) {
	if s.source, err = filepath.Abs(s.source); err != nil {
		return err
	}
	if s.borgs, err = findBorgs(s.source); err != nil {
		return err
	}
	if s.temp, err = os.MkdirTemp("", "borgcron-chaos-"); err != nil {
		return err
	}
	s.commit = commit(s.source)
	s.program = filepath.Join(s.temp, "borgcron")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", strings.Trim("chaos,"+s.tags, ","), "-o", s.program, "./cmd/borgcron")
	build.Dir, build.Env = s.source, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		_ = os.RemoveAll(s.temp)
		return fmt.Errorf("build borgcron: %w\n%s", err, output)
	}
	return nil
}

// commit names what is tried; "-dirty" if the program's sources are not those of the commit.
func commit(source string) string {
	git := func(args ...string) string {
		output, _ := exec.Command("git", append([]string{"-C", source}, args...)...).Output()
		return strings.TrimSpace(string(output))
	}
	name := git("rev-parse", "--short", "HEAD")
	if name == "" {
		return "unknown"
	}
	if git("status", "--porcelain", "--", "cmd", "internal", "go.mod") != "" {
		name += "-dirty"
	}
	return name
}
