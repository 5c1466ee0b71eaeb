package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"borgcron/internal/process"
)

// HelperVerb is the hidden verb by which borgcron starts itself as the user of a session.
const HelperVerb = "notify-helper"

// ErrNobody says that there is no screen on which a message could be shown now.
var ErrNobody = errors.New("nobody is logged in at a screen")

// Desktop shows messages on screens: its own user's, or, as root, those of all who are logged in at one. A session's
// bus lets nobody in but its own user, not even root, so root starts a helper as that user.
type Desktop struct {
	UID        int      // of this process
	Environ    []string // of this process: where its own session's bus is
	Program    string   // borgcron itself, for the helper
	SystemBus  string   // the bus of logind; "": the machine's own
	RuntimeDir string   // of the folders of the sessions' users, by number; "": /run/user
}

// Deliver shows the message. It is delivered once one screen has shown it.
func (d *Desktop) Deliver(ctx context.Context, m Message) error {
	if d.UID != 0 {
		return Show(ctx, ownBus(d.Environ, d.runtimeDir(d.UID)), m)
	}
	users, err := graphicalUsers(ctx, d.SystemBus)
	if err != nil {
		return err
	}
	answers := make([]error, len(users))
	var all sync.WaitGroup
	for i, user := range users { // at the same time: one whose screen hangs keeps nothing from the others
		all.Go(func() { answers[i] = d.showAs(ctx, user, m) })
	}
	all.Wait()
	switch {
	case len(users) == 0:
		return ErrNobody
	case slices.Contains(answers, nil):
		return nil
	}
	return answers[0]
}

func (d *Desktop) runtimeDir(uid int) string {
	folder := d.RuntimeDir
	if folder == "" {
		folder = "/run/user"
	}
	return filepath.Join(folder, strconv.Itoa(uid))
}

// showAs starts the helper as a user. It gets nothing of ours but the message: no group, variable or folder.
func (d *Desktop) showAs(ctx context.Context, user account, m Message) error {
	m.Run, m.Tail = json.RawMessage("null"), nil // nobody looks at these on a screen
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	input, stop, err := feed(data)
	if err != nil {
		return err
	}
	defer stop()
	folder := d.runtimeDir(int(user.uid))
	var said bytes.Buffer
	err = process.Run(ctx, process.Command{
		Path: d.Program, Args: []string{HelperVerb}, Dir: "/", Stdin: input,
		Env:  []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "XDG_RUNTIME_DIR=" + folder, "DBUS_SESSION_BUS_ADDRESS=" + busIn(folder)},
		Line: func(line []byte) { said.Reset(); said.Write(line) },
		User: &process.User{UID: user.uid, GID: user.gid},
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *process.ExitError
	if errors.As(err, &exit) && said.Len() > 0 {
		return fmt.Errorf("the screen of user %d: %s", user.uid, strings.TrimPrefix(said.String(), "borgcron: "))
	}
	return fmt.Errorf("the screen of user %d: %w", user.uid, err)
}
