package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// client is one call of a program of a database: on this machine, as another user, or inside a container.
type client struct {
	database *backup.Database
	program  string   // its name, or path
	args     []string // never with a password
	env      []string // on top of the caller's; never with a password
	stdin    io.Reader
	stdout   io.Writer
	line     func([]byte) // hears each line of stderr; may be nil
	secret   *handover    // how it gets its password; nil: it has none
	folder   *os.File     // that it works in; nil: none
	named    string       // what stands before the folder's path in its arguments, such as --file=
	patient  bool         // it may say nothing for hours: its server builds an index, or it writes files
}

// handover is how a program gets a secret: text in a file that only its user can read.
type handover struct {
	text string                     // the file's content, a line or several
	args func(path string) []string // the arguments, in front of all others, that name the file; may be nil
	env  func(path string) []string // the variables that name it; may be nil
}

// run runs the program. The error is an *process.ExitError, with the end of what the program said, if it did not end with 0.
func (m *Maker) run(ctx context.Context, c client) error {
	who, env, err := m.identity(c.database)
	if err != nil {
		return err
	}
	args := c.args
	env = append(env, c.env...)
	var inherited []*os.File
	if c.secret != nil && c.database.Container == "" {
		file, path, err := secretFile(c.secret.text, who)
		if err != nil {
			return err
		}
		defer file.Close()
		inherited = append(inherited, file)
		if c.secret.args != nil {
			args = slices.Concat(c.secret.args(path), args)
		}
		if c.secret.env != nil {
			env = append(env, c.secret.env(path)...)
		}
	}
	if c.folder != nil { // inherited as well: whoever owns the folder above cannot put another one in its place
		inherited = append(inherited, c.folder)
		args = append(slices.Clone(args), c.named+inheritedPath(2+len(inherited)))
	}
	command := process.Command{Args: args, Env: env, Dir: "/", Stdout: c.stdout, Whole: true, Line: c.line, User: who, Stall: m.Stall, ExtraFiles: inherited, Mortal: syscall.SIGKILL}
	name, stdin := c.program, c.stdin
	if c.database.Container != "" {
		name, command.Args, stdin = contained(c)
		command.Env = env[:len(env)-len(c.env)]
	}
	if command.Path, err = process.LookPath(name, lookup(env, "PATH")); err != nil {
		return notFound(name, err)
	}
	if c.patient {
		command.Stall = 0
	}
	if stdin == nil {
		return process.Run(ctx, command)
	}
	return runWith(ctx, command, stdin)
}

// runWith runs a command with a stream as its input. If the stream breaks, the program is ended before its input is: for many of
// them the end of the input is the moment to commit what they have. That a program ends before it has read everything is no
// error of ours: it says itself what is wrong.
func runWith(ctx context.Context, command process.Command, stdin io.Reader) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended, fed := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := io.Copy(write, stdin)
		if errors.Is(err, syscall.EPIPE) { // it needs no more; but a dump of which the end does not come may not be whole
			_, err = io.Copy(io.Discard, stdin)
		}
		if err != nil {
			cancel(fmt.Errorf("read the dump: %w", err))
			<-ended
		}
		_ = write.Close()
		fed <- err
	}()
	command.Stdin = read
	err = process.Run(ctx, command)
	close(ended)
	err = errors.Join(err, read.Close())
	if err != nil {
		return err
	}
	if err := <-fed; err != nil {
		return fmt.Errorf("read the dump: %w", err)
	}
	return nil
}

// notFound is a program that is not installed.
func notFound(name string, err error) *backup.Failure {
	return &backup.Failure{
		Op: "dump", Code: -1, Class: backup.Permanent, Err: err, Message: fmt.Sprintf("the program %s cannot be started: %v", name, err),
		Hint: "install it, or name it with the key `program` of the database",
	}
}

// identity is whom the program runs as, and the environment that fits: messages in English, as they are read here.
func (m *Maker) identity(d *backup.Database) (*process.User, []string, error) {
	env := without(m.Environ, "LC_ALL", "LANGUAGE", "LC_MESSAGES")
	env = append(env, "LC_ALL=C.UTF-8")
	if d.RunAs == "" || d.Container != "" { // in a container it is a user there
		return nil, env, nil
	}
	found, err := user.Lookup(d.RunAs)
	if err != nil {
		return nil, nil, &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent, Err: err,
			Message: fmt.Sprintf("`run_as`: %v", err), Hint: "name a user of this machine"}
	}
	uid, _ := strconv.ParseUint(found.Uid, 10, 32) // numbers on all systems that we know
	gid, _ := strconv.ParseUint(found.Gid, 10, 32)
	env = append(without(env, "HOME", "USER", "LOGNAME"), "HOME="+found.HomeDir, "USER="+found.Username, "LOGNAME="+found.Username)
	if int(uid) == os.Getuid() {
		return nil, env, nil
	}
	if os.Getuid() != 0 {
		return nil, nil, &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent,
			Message: fmt.Sprintf("only root can run a program as %s", d.RunAs), Hint: "drop `run_as`, or let root run the job"}
	}
	return &process.User{UID: uint32(uid), GID: uint32(gid)}, env, nil
}

func without(environ []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(assignment string) bool {
		name, _, _ := strings.Cut(assignment, "=")
		return slices.Contains(names, name)
	})
}

func lookup(environ []string, name string) string {
	for _, assignment := range slices.Backward(environ) {
		if key, value, _ := strings.Cut(assignment, "="); key == name {
			return value
		}
	}
	return ""
}

// sibling is the path of another program that lies beside the given one.
func sibling(program, name string) string {
	if strings.Contains(program, "/") {
		return filepath.Join(filepath.Dir(program), name)
	}
	return name
}
