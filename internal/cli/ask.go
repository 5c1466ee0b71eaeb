package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ask puts a question to the person at the terminal and returns the line that comes, without the blanks around it. A signal ends
// the question; so does the end of input, which is io.EOF.
func (env *environment) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprintf(env.Stderr, "%s", question)
	type read struct {
		line string
		err  error
	}
	answers := make(chan read, 1)
	go func() { // until the program ends, if no answer comes
		line, err := bufio.NewReader(env.Stdin).ReadString('\n') // a terminal gives a line at a time
		if line != "" {
			err = nil
		}
		answers <- read{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(env.Stderr)
		return "", exitError{exitFailed, context.Cause(ctx)}
	case answer := <-answers:
		if answer.err != nil {
			fmt.Fprintln(env.Stderr)
		}
		return strings.TrimSpace(answer.line), answer.err
	}
}

// askSecret asks for something that is not to be seen. A signal ends the question and lets the terminal show again what is typed.
func (env *environment) askSecret(ctx context.Context, question string) (string, error) {
	stdin, isFile := env.Stdin.(*os.File)
	if !isFile {
		return "", errors.New("there is no terminal to ask at")
	}
	before, err := term.GetState(int(stdin.Fd()))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(env.Stderr, "%s", question)
	type read struct {
		text []byte
		err  error
	}
	answers := make(chan read, 1)
	go func() {
		text, err := term.ReadPassword(int(stdin.Fd()))
		answers <- read{text, err}
	}()
	select {
	case <-ctx.Done():
		err := term.Restore(int(stdin.Fd()), before)
		fmt.Fprintln(env.Stderr)
		return "", exitError{exitFailed, errors.Join(context.Cause(ctx), err)}
	case answer := <-answers:
		fmt.Fprintln(env.Stderr)
		if errors.Is(answer.err, io.EOF) {
			return "", io.EOF
		}
		return strings.TrimRight(string(answer.text), "\r\n"), answer.err
	}
}
