package importer

import (
	"context"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// call sees every command before it runs. Those of the shell that reach out of it do nothing.
func (e *evaluator) call(ctx context.Context, args []string) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.steps++
	size := 0
	handler := interp.HandlerCtx(ctx)
	handler.Env.Each(func(_ string, v expand.Variable) bool {
		size += len(v.Str)
		for _, item := range v.List {
			size += len(item)
		}
		return true
	})
	if e.steps > mostCalls || size > mostVariables && args[0] != "unset" || ctx.Err() != nil {
		return nil, errTooLong
	}
	nothing := []string{"true"}
	switch args[0] {
	case ".", "source":
		e.deed.reads = append(e.deed.reads, strings.Join(args[1:], " "))
		return nothing, nil
	case "trap":
		e.deed.traps = append(e.deed.traps, args[1:])
		return nothing, nil
	case "set":
		// What it sets for the shell is for a shell that runs programs; its parameters are wanted.
		if len(args) > 1 && args[1] != "--" && strings.HasPrefix(args[1], "-") {
			return nothing, nil
		}
	case "printf":
		if len(args) > 1 && wideFormat(args[1]) {
			return nothing, nil
		}
	case "cd", "pushd", "popd", "exec", "kill", "umask", "ulimit": // the last three the interpreter does not know
		return append([]string{"command", "/" + args[0]}, args[1:]...), nil
	}
	return args, nil
}

// wideFormat tells whether a format of printf asks for a width that nobody needs.
func wideFormat(format string) bool {
	digits := 0
	for _, r := range format {
		if r >= '0' && r <= '9' {
			digits++
		} else {
			digits = 0
		}
		if digits > 3 || r == '*' {
			return true
		}
	}
	return false
}

// exec keeps a program from being run, and puts a mark in the place of what it would print. What only says who and when this is, is
// known without it.
func (e *evaluator) exec(ctx context.Context, args []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	handler := interp.HandlerCtx(ctx)
	if strings.HasPrefix(args[0], "/") && !strings.Contains(args[0][1:], "/") { // of the shell, see call
		args = append([]string{args[0][1:]}, args[1:]...)
	}
	if known, ok := e.o.knownOutput(args); ok {
		_, _ = io.WriteString(handler.Stdout, known+"\n")
		return nil
	}
	e.calls = append(e.calls, shellCall{slices.Clone(args), handler.Pos})
	_, _ = io.WriteString(handler.Stdout, markOpen+strconv.Itoa(len(e.calls)-1)+markClose+"\n")
	if !e.onlyRead(handler.Pos) {
		e.deed.calls = append(e.deed.calls, e.calls[len(e.calls)-1])
		return interp.ExitStatus(1)
	}
	return nil
}

// knownOutput answers the programs that only tell of this machine and of the time. A time is written as borg writes one itself.
func (o Options) knownOutput(args []string) (string, bool) {
	switch strings.Join(args, " ") {
	case "hostname -s":
		return o.Hostname, o.Hostname != ""
	case "hostname", "hostname -f", "hostname --fqdn", "uname -n":
		return o.FQDN, o.FQDN != ""
	case "whoami", "id -un", "id -u -n", "logname":
		return o.User, o.User != ""
	case "true":
		return "", true
	}
	if args[0] != "date" || len(args) < 2 {
		return "", false
	}
	kind, rest := "now", args[1:]
	if len(rest) == 2 && slices.Contains([]string{"-u", "--utc", "--universal"}, rest[0]) {
		kind, rest = "utcnow", rest[1:]
	}
	format, ok := strings.CutPrefix(rest[0], "+")
	if len(rest) != 1 || !ok || format == "" || strings.ContainsAny(format, "{}") {
		return "", false
	}
	return "{" + kind + ":" + format + "}", true
}

// onlyRead tells whether what stands at a place is run for its output alone.
func (s *shellScript) onlyRead(pos syntax.Pos) bool { return s.substitution(pos) != nil }

// substitution is the outermost command substitution around a place; nil if there is none.
func (s *shellScript) substitution(pos syntax.Pos) (found *syntax.CmdSubst) {
	syntax.Walk(s.file, func(node syntax.Node) bool {
		if node == nil || found != nil {
			return false
		}
		if subst, is := node.(*syntax.CmdSubst); is && !subst.Pos().After(pos) && subst.End().After(pos) {
			found = subst
		}
		return found == nil
	})
	return found
}

// nowhere is a file that swallows what is written, and holds a mark.
type nowhere struct{ io.Reader }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

func (e *evaluator) open(ctx context.Context, path string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if path == "/dev/null" {
		return nowhere{strings.NewReader("")}, nil
	}
	if flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		e.deed.writes = append(e.deed.writes, path)
		return nowhere{strings.NewReader("")}, nil
	}
	e.calls = append(e.calls, shellCall{[]string{"cat", path}, interp.HandlerCtx(ctx).Pos})
	return nowhere{strings.NewReader(markOpen + strconv.Itoa(len(e.calls)-1) + markClose + "\n")}, nil
}

// look notes that the script wanted to know of a file. An error that is no *fs.PathError would end the script.
func (e *evaluator) look(op, path string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.deed.looks, path) {
		e.deed.looks = append(e.deed.looks, path)
	}
	return &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
}

func (e *evaluator) readDir(_ context.Context, path string) ([]fs.DirEntry, error) {
	return nil, e.look("open", path)
}

func (e *evaluator) stat(_ context.Context, path string, _ bool) (fs.FileInfo, error) {
	return nil, e.look("stat", path)
}

func (e *evaluator) access(_ context.Context, path string, _ interp.AccessMode) error {
	return e.look("access", path)
}
