package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/config"
	"borgcron/internal/notice"
	"borgcron/internal/status"
)

// loginWait is how long somebody who logs in may take to read what is wrong.
const loginWait = time.Minute

// showNotice is `status --login` where package notice has not answered it already. It never fails: a login goes on.
func showNotice(ctx context.Context, env *environment, noWait bool) {
	lines := env.noticeLines()
	_, _ = env.Stdout.Write(notice.Join(lines)) // whoever does not read it has been told
	if len(lines) == 0 || noWait || !isTerminal(env.Stdout) || !isForeground(env.Stdin) {
		return
	}
	fmt.Fprintf(env.Stdout, "Press Enter to go on: ")
	if !awaitLine(ctx, env.Stdin, loginWait) {
		fmt.Fprintln(env.Stdout)
	}
}

// noticeLines are what is to be shown. Where no notice lies in the usual places the configuration is asked for its
// state folder, and first of all if one is named.
func (env *environment) noticeLines() []string {
	named := env.ConfigFile != "" || env.Getenv("BORGCRON_CONFIG") != ""
	if !named {
		if lines, found := notice.Read(env.stateFolders(nil), env.Now()); found {
			return lines
		}
	}
	loaded, err := env.readConfig()
	if err == nil {
		if lines, found := notice.Read(env.stateFolders(loaded), env.Now()); found {
			return lines
		}
	}
	if err != nil && named || err == nil && loaded.Fatal() {
		return []string{"borgcron: configuration: it cannot be read; try: borgcron config check"}
	}
	return []string{"borgcron: no backup has been recorded on this machine"}
}

// isForeground tells whether a stream is a terminal that we may read: a shell's background job that does is stopped.
func isForeground(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok || !isTerminal(file) {
		return false
	}
	group, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// awaitLine waits for a line, and tells whether one came before the time was over or a signal.
func awaitLine(ctx context.Context, from io.Reader, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	line := make(chan struct{})
	go func() { // until the program ends
		_, _ = from.Read(make([]byte, 4096)) // a terminal gives a line at a time; the end of input is as good
		close(line)
	}()
	select {
	case <-line:
		return true
	case <-ctx.Done():
		return false
	}
}

// noteConfiguration tells login shells what is wrong with the configuration, or that nothing is. That jobs do not
// run must be seen also where nobody reads what they would have said. The state folder is not made for that.
func (env *environment) noteConfiguration(loaded *config.Config) {
	if _, err := os.Stat(loaded.State); err != nil {
		return
	}
	if err := loaded.MakeState(); err != nil { // it is not ours
		return
	}
	var jobs []string
	wrong := status.Configuration{Mistakes: len(loaded.Errors), All: loaded.Fatal()}
	for _, mistake := range loaded.Errors {
		part := mistake.Scope.Part
		wrong.Jobs = wrong.Jobs || part == config.InFile || part == config.InJob || part == config.InRepository
	}
	if wrong.Mistakes == 0 {
		jobs = jobNames(loaded)
	}
	if err := status.NoteConfiguration(loaded.State, jobs, wrong, env.Now()); err != nil {
		env.Log.Warn("what is shown at login may be old", "error", err)
	}
}
