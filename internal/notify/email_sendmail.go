package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"borgcron/internal/process"
)

// sendmailGrace is what a sendmail program gets to end by itself.
const sendmailGrace = 2 * time.Second

// Sendmail is a channel that hands a mail to a program of this machine, which is called as all of them understand
// (sendmail, postfix, exim, msmtp, busybox and others): PROGRAM -i -f FROM -- TO..., with the mail on its input.
//
// A message is delivered once the program has ended with 0. Whether the mail then waits in a queue is the program's
// business.
type Sendmail struct {
	Program string // a path, or a name that is looked for in PATH
	From    string
	To      []string
	Environ []string // the program's environment
}

// Deliver runs the program.
func (s *Sendmail) Deliver(ctx context.Context, m Message) error {
	envelope, err := newEnvelope(s.From, s.To)
	if err != nil {
		return err
	}
	mail, err := compose(m, envelope, nil)
	if err != nil {
		return err
	}
	path, err := process.LookPath(s.Program, variable(s.Environ, "PATH"))
	if err != nil {
		return fmt.Errorf("look for the sendmail program: %w", err)
	}
	// Lines end as files of this machine do: not every program takes CRLF from its input.
	input, stop, err := feed(bytes.ReplaceAll(mail, []byte("\r\n"), []byte("\n")))
	if err != nil {
		return fmt.Errorf("hand the mail to the sendmail program: %w", err)
	}
	defer stop()
	args := []string{"-i", "-f", envelope.from.Address, "--"}
	for _, to := range envelope.to {
		args = append(args, to.Address)
	}
	err = process.Run(ctx, process.Command{Path: path, Args: args, Env: s.Environ, Stdin: input, Terminate: sendmailGrace})
	return sendmailProblem(ctx, err, hidden{names: envelope.names()})
}

// sendmailProblem says how the program failed, with the last thing it said.
func sendmailProblem(ctx context.Context, err error, hide hidden) error {
	var exit *process.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("run the sendmail program: %w", context.Cause(ctx))
	case !errors.As(err, &exit):
		return fmt.Errorf("run the sendmail program: %w", err)
	}
	problem := "the sendmail program did not take the mail: " + exit.Error()
	for i := len(exit.Tail) - 1; i >= 0; i-- {
		if said := hide.clean(exit.Tail[i]); said != "" {
			return errors.New(problem + ": " + said)
		}
	}
	return errors.New(problem)
}

// variable is the value of a variable in an environment.
func variable(environ []string, name string) string {
	for _, assignment := range environ {
		if value, ok := strings.CutPrefix(assignment, name+"="); ok {
			return value
		}
	}
	return ""
}
