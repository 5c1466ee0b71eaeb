// Package process runs a foreign program so that it can neither hang, flood nor outlive a run unnoticed:
// own session, bounded output, an orderly way to stop it, and a watch for signs of life.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Command is a program to run. The zero values of the optional fields are safe.
type Command struct {
	Path       string // absolute, see LookPath
	Args       []string
	Env        []string // the whole environment: nil is an empty one
	Dir        string
	Stdin      *os.File          // nil: /dev/null
	Stdout     io.Writer         // nil: discarded
	Whole      bool              // the output counts only to its end: what a left-behind process may still write is waited for
	Line       func(line []byte) // each line of stderr without its end, cut to MaxLine; valid during the call only
	ExtraFiles []*os.File        // descriptors 3, 4, ... of the program
	Interrupt  time.Duration     // grace after SIGINT to the program before SIGTERM to its group; 0: begin with SIGTERM
	Terminate  time.Duration     // grace after SIGTERM before SIGKILL; 0: 10s
	Stall      time.Duration     // without any sign of life for so long it is ended; 0: never
	Nice       int               // 0: as we are; what the system refuses is left as it is
	IONice     string            // "idle", "": as we are; Linux only
	Mortal     syscall.Signal    // what it gets when we die, however that happens; 0: it lives on. Linux and FreeBSD only
	User       *User             // who it runs as; nil: as we are. Only root can say another
}

// User is whom a program runs as: with these rights and in no other group.
type User struct{ UID, GID uint32 }

// outputDelay is how long output is still waited for after the program itself has ended: a process it left
// behind may hold the pipes open for ever. What it has written by then is taken whole, however long that takes.
const outputDelay = 5 * time.Second

// Run runs the program until it has ended and its output is read. When ctx ends the program is stopped:
// SIGINT, SIGTERM, SIGKILL, each after its grace, the latter two to all of its process group.
//
// The error is nil if the program ended with 0 and was not stopped by us, an *ExitError if it ended
// otherwise, and any other error if it could not be started or its output could not be written.
func Run(ctx context.Context, c Command) error {
	if ctx.Err() != nil {
		return fmt.Errorf("start %s: %w", c.name(), errors.Join(context.Cause(ctx), ctx.Err()))
	}
	r := &running{c: c, output: output{line: c.Line, stdout: c.Stdout}, done: make(chan struct{})}
	if err := r.start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name(), err)
	}
	lower(r.cmd.Process.Pid, c.Nice, c.IONice)
	go func() {
		r.waited = r.cmd.Wait()
		if r.drain != nil {
			r.drain.finish(r.c.Whole)
		}
		close(r.done)
	}()
	r.watch(ctx)
	return r.result(ctx)
}

// Shell is a command line of the user's own, for /bin/sh. Nothing else ever goes to a shell.
func Shell(line string) Command {
	return Command{Path: "/bin/sh", Args: []string{"-c", line}}
}

func (c *Command) name() string { return filepath.Base(c.Path) }

// running is a program that was started.
type running struct {
	c       Command
	cmd     *exec.Cmd
	output  output
	drain   *drain        // nil: stdout is discarded, or a file
	done    chan struct{} // closed when the program has ended and its output was read
	waited  error         // of cmd.Wait, valid once done is closed
	stopped bool
	stalled bool
}

// start starts the program.
func (r *running) start() (err error) {
	_, isFile := r.c.Stdout.(*os.File)
	if r.c.Stdout != nil && !isFile {
		if r.drain, err = newDrain(&r.output); err != nil {
			return err
		}
	}
	r.cmd = r.command()
	if err := r.cmd.Start(); err != nil {
		if r.drain != nil {
			r.drain.abandon()
		}
		return err
	}
	if r.drain != nil {
		r.drain.start()
	}
	return nil
}

func (r *running) command() *exec.Cmd {
	cmd := &exec.Cmd{
		Path:       r.c.Path,
		Args:       append([]string{r.c.Path}, r.c.Args...),
		Env:        append([]string{}, r.c.Env...), // never nil, which would be our own environment
		Dir:        r.c.Dir,
		ExtraFiles: r.c.ExtraFiles,
		Stderr:     (*stderrWriter)(&r.output),
		WaitDelay:  outputDelay,
		// A session of its own is a process group of its own, and without a terminal nothing can stop
		// to ask for a password there.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if r.c.Mortal != 0 {
		mortal(cmd.SysProcAttr, r.c.Mortal)
	}
	if user := r.c.User; user != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: user.UID, Gid: user.GID}
	}
	if r.c.Stdin != nil { // a nil *os.File in the interface would not be nil
		cmd.Stdin = r.c.Stdin
	}
	switch out := r.c.Stdout.(type) {
	case nil:
	case *os.File:
		cmd.Stdout = out // the program writes there itself
	default:
		cmd.Stdout = r.drain.write
	}
	return cmd
}

// result makes of how the program ended what Run returns.
func (r *running) result(ctx context.Context) error {
	tail, writeErr := r.output.close()
	if writeErr != nil {
		return fmt.Errorf("write the output of %s: %w", r.c.name(), writeErr)
	}
	exit := &ExitError{Program: r.c.name(), Code: -1, Tail: tail, Stopped: r.stopped, Stalled: r.stalled}
	if r.stopped {
		exit.Cause = errors.Join(context.Cause(ctx), ctx.Err())
		if errors.Is(context.Cause(ctx), ctx.Err()) {
			exit.Cause = context.Cause(ctx)
		}
	}
	select {
	case <-r.done:
	default: // not even SIGKILL ended it, e.g. it waits for a dead disk
		exit.Signal = syscall.SIGKILL
		return exit
	}
	status := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		exit.Signal = status.Signal()
		return exit
	}
	exit.Code = status.ExitStatus()
	if exit.Code != 0 || r.stopped || r.stalled {
		return exit
	}
	if r.waited != nil && !errors.Is(r.waited, exec.ErrWaitDelay) {
		return fmt.Errorf("run %s: %w", r.c.name(), r.waited)
	}
	return nil
}

// ExitError is a program that ended other than with 0, or that we ended (then the code may even be 0).
type ExitError struct {
	Program string
	Code    int       // -1 if a signal ended it
	Signal  os.Signal // nil if it ended by itself
	Tail    []string  // the last lines of stderr, as they came
	Stopped bool      // we ended it because the context did
	Stalled bool      // we ended it because it gave no sign of life
	Cause   error     // why the context ended; nil if not Stopped
}

// Error says how the program ended, without its output.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != nil {
		how = "ended by signal: " + e.Signal.String()
	}
	switch {
	case e.Stalled:
		how = "gave no sign of life and was ended (" + how + ")"
	case e.Stopped:
		how = "was stopped (" + how + ")"
	}
	return e.Program + ": " + how
}

// Unwrap returns why the context ended.
func (e *ExitError) Unwrap() error { return e.Cause }
