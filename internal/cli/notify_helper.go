package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"borgcron/internal/notify"
)

// mostMessage bounds, in bytes, a message to be shown on a screen.
const mostMessage = 64 << 10

// newNotifyHelperCommand is what root's borgcron starts as the user of a session, to show a message on that screen.
func newNotifyHelperCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use: notify.HelperVerb, Hidden: true, Args: cobra.NoArgs,
		Short: "Show a message, given as JSON on stdin, in this user's own session",
		RunE: func(command *cobra.Command, _ []string) error {
			data, err := io.ReadAll(io.LimitReader(env.Stdin, mostMessage+1))
			if err == nil && len(data) > mostMessage {
				err = fmt.Errorf("it is larger than %d bytes", mostMessage)
			}
			var message notify.Message
			if err == nil {
				err = json.Unmarshal(data, &message)
			}
			if err != nil {
				return exitError{exitFailed, fmt.Errorf("read the message: %w", err)}
			}
			address := env.Getenv("DBUS_SESSION_BUS_ADDRESS")
			if address == "" {
				return exitError{exitFailed, errors.New("it is not known where this session's D-Bus is")}
			}
			if err := notify.Show(command.Context(), address, message); err != nil {
				return exitError{exitFailed, err}
			}
			return nil
		},
	}
}
