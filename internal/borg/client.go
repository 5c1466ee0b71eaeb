// Package borg knows the foreign program: its arguments, its environment, its log, its exit codes and its versions.
package borg

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

const (
	// interruptGrace is how long borg may take for a checkpoint after SIGINT: it first ends the file it is at.
	interruptGrace = 30 * time.Second
	terminateGrace = 10 * time.Second
)

// Client runs borg. It may be used from several goroutines as far as the repositories' locks allow.
type Client struct {
	Environ []string                                             // the caller's environment; little of it reaches borg
	Secret  func(context.Context, backup.Secret) ([]byte, error) // reads a passphrase
	State   string                                               // folder for the cache of borg's version; "": none
	HostID  string                                               // BORG_HOST_ID; "": borg's default
	Owners  []int                                                // users whose folders root uses as its own
	KnownID func(ctx context.Context, key string) string         // borg's id of a repository, "" if it is not known; nil: none is
}

// task is one call of borg.
type task struct {
	command string
	options []string       // ours, in front of the owner's
	own     []string       // the owner's
	archive string         // "": the repository as a whole
	paths   []string       // behind the repository
	answer  *answer        // takes the JSON on stdout; nil: there is none
	list    func(string)   // takes each line that --list makes borg log
	zone    bool           // keep the caller's time zone; else UTC, as the times borg prints have no offset
	stall   time.Duration  // without a sign of life
	dir     string         // where borg runs, "" for where we do
	mortal  syscall.Signal // it ends at once when it is to end, and gets this when we die; 0: it may bring its work to an end
	output  io.Writer      // takes stdout; nil: the answer does
}

// run carries out a task and judges how it went. Its errors are of type *backup.Failure.
func (c *Client) run(ctx context.Context, call backup.Call, t task) (backup.Report, error) {
	program, _, err := c.program(ctx, call.Repository)
	if err != nil {
		return backup.Report{}, during(t.command, err)
	}
	if err := c.CheckOwner(ctx, call.Repository); err != nil {
		return backup.Report{}, during(t.command, err)
	}
	passphrase, err := c.passphrase(ctx, call.Repository)
	if err != nil {
		return backup.Report{}, during(t.command, err)
	}
	files, err := handOver(passphrase, call.Lock)
	if err != nil {
		return backup.Report{}, during(t.command, err)
	}
	defer files.close()
	log := newRecord(t, call, newRedactor(call, passphrase))
	stdout := &limited{}
	command := process.Command{
		Path: program, Args: t.argv(call), Env: c.environment(call, t.zone, passphrase != nil), Dir: t.dir,
		Stdout: stdout, Line: log.line, ExtraFiles: files.inherited,
		Interrupt: interruptGrace, Terminate: terminateGrace, Stall: t.stall, Mortal: t.mortal,
		Nice: call.Job.Nice, IONice: call.Job.IONice,
	}
	if t.mortal != 0 {
		command.Interrupt = 0
	}
	if t.output != nil {
		command.Stdout = t.output
	}
	err = process.Run(ctx, command)
	log.end()
	failure := log.judge(err)
	if failure == nil && t.answer != nil {
		failure = log.accept(t.answer, stdout)
	}
	if failure == nil {
		return log.report, nil
	}
	if failure.ID == "" {
		c.forgetVersion(program) // perhaps it is another one by now
	}
	failure.Hint = strings.ReplaceAll(failure.Hint, "JOB", call.Job.Name)
	return backup.Report{}, failure
}

// argv is borg's command line behind the program's name. Options come first: borg takes none behind a path.
func (t *task) argv(call backup.Call) []string {
	argv := append(strings.Fields(t.command), "--log-json") // "key export" is two words
	argv = append(argv, commonOptions(call)...)
	argv = append(argv, t.options...)
	argv = append(argv, t.own...)
	// The location is in the environment: who lists the processes need not see it.
	argv = append(argv, "--", "::"+escapeBraces(t.archive))
	return append(argv, t.paths...)
}

// program finds borg and makes sure that it is one that we know.
func (c *Client) program(ctx context.Context, r backup.Repository) (string, Version, error) {
	name := r.Borg
	if name == "" {
		name = "borg"
	}
	path, err := process.LookPath(name, environment(c.Environ)["PATH"])
	if err != nil {
		return "", Version{}, notStarted(err)
	}
	version, err := c.version(ctx, path)
	return path, version, err
}

// passphrase reads the repository's passphrase, nil if none is configured.
func (c *Client) passphrase(ctx context.Context, r backup.Repository) ([]byte, error) {
	if r.Passphrase.IsZero() {
		return nil, nil
	}
	passphrase, err := c.Secret(ctx, r.Passphrase)
	if err == nil {
		return passphrase, nil
	}
	failure := &backup.Failure{
		Code: -1, Class: backup.Permanent, Message: "no passphrase: " + backup.Clean(err.Error()), Err: err,
		Hint: "look at `passphrase` of this repository",
	}
	if r.Passphrase.Command != "" {
		failure.Class = backup.Transient // a keyring may be locked for a while, a vault down
	}
	return nil, failure
}

// during names the command in a failure; any other error becomes a failure that may pass.
func during(command string, err error) *backup.Failure {
	var failure *backup.Failure
	if !errors.As(err, &failure) {
		failure = &backup.Failure{Code: -1, Message: backup.Clean(err.Error()), Err: err}
	}
	failure.Op = command
	return failure
}

// notStarted is why borg could not be found or started.
func notStarted(err error) *backup.Failure {
	failure := &backup.Failure{Code: -1, Message: "borg cannot be started: " + backup.Clean(err.Error()), Err: err}
	permanent := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) ||
		errors.Is(err, syscall.ENOEXEC) || errors.Is(err, syscall.EISDIR)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		failure.Class, failure.Message = backup.Transient, "borg was not started: "+backup.Clean(err.Error())
	case permanent:
		failure.Class = backup.Permanent
		failure.Hint = "install borg, or name its program with the key `borg` of the repository"
	}
	return failure
}

// escapeBraces protects text in which borg would expand placeholders such as {now}.
func escapeBraces(s string) string {
	return strings.NewReplacer("{", "{{", "}", "}}").Replace(s)
}
