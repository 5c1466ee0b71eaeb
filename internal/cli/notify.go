package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/history"
	"borgcron/internal/notify"
)

// testTimeout bounds a test of a channel: somebody waits for it.
const testTimeout = 30 * time.Second

func newNotifyCommand(env *environment) *cobra.Command {
	var test bool
	command := &cobra.Command{
		Use:   "notify [CHANNEL...]",
		Short: "Show the channels that tell of runs, and test them",
		Long: `notify shows the channels of the configuration, what each is told, and which messages wait for it because it
could not be reached. With --test it sends a test message to each of them, or to those named, now.

Exit codes: 0 all well, 1 a channel is left out because of a mistake, 2 a channel could not be reached, 64 no such
channel, 78 the configuration is wrong.`,
		Example: `  borgcron notify
  borgcron notify --test
  borgcron notify --test mail`,
		ValidArgsFunction: env.completeChannels,
		RunE: func(command *cobra.Command, names []string) error {
			loaded, err := env.loadConfig()
			if err != nil {
				return err
			}
			channels, err := chooseChannels(loaded, names)
			if err != nil {
				return err
			}
			if test {
				return env.testChannels(command.Context(), loaded, channels)
			}
			return env.showChannels(command.Context(), loaded, channels)
		},
	}
	command.Flags().BoolVar(&test, "test", false, "send a test message to each channel")
	return command
}

// chooseChannels returns the channels that are named, all if none is.
func chooseChannels(loaded *config.Config, names []string) ([]config.NamedChannel, error) {
	if len(names) == 0 {
		return loaded.Notify, nil
	}
	known := channelNames(loaded)
	var chosen []config.NamedChannel
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 && isLeftOut(loaded, name) {
			return nil, exitError{exitConfig, fmt.Errorf("channel %s has a mistake and is left out; see: borgcron config check", name)}
		}
		if i < 0 {
			return nil, usage("there is no channel %q%s", name, didYouMean(name, known))
		}
		chosen = append(chosen, loaded.Notify[i])
	}
	return chosen, nil
}

// isLeftOut tells whether a channel stands in the configuration, with a mistake.
func isLeftOut(loaded *config.Config, name string) bool {
	return slices.ContainsFunc(loaded.Errors, func(m config.Mistake) bool {
		return m.Scope.Part == config.InChannel && slices.Contains(m.Scope.Names, name)
	})
}

func channelNames(loaded *config.Config) []string {
	names := make([]string, len(loaded.Notify))
	for i, channel := range loaded.Notify {
		names[i] = channel.Name
	}
	return names
}

func (env *environment) completeChannels(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	loaded, err := env.readConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return channelNames(loaded), cobra.ShellCompDirectiveNoFileComp
}

// testChannels sends a test message to all at the same time, and says in the order of the configuration how it went.
func (env *environment) testChannels(ctx context.Context, loaded *config.Config, channels []config.NamedChannel) error {
	if len(channels) == 0 {
		return exitError{exitConfig, errors.New("the configuration has no channel in `notify` that can be used")}
	}
	posts := env.posts(loaded, channels)
	answers := make([]error, len(posts))
	message := notify.TestMessage(loaded.Host, env.Now())
	ctx, cancel := context.WithTimeoutCause(ctx, testTimeout, fmt.Errorf("no answer within %v", testTimeout))
	defer cancel()
	var all sync.WaitGroup
	for i, post := range posts {
		all.Go(func() { answers[i] = post.Channel.Deliver(ctx, message) })
	}
	all.Wait()
	for i, post := range posts {
		answer := "delivered"
		if answers[i] != nil {
			answer = backup.Clean(answers[i].Error())
		}
		fmt.Fprintf(env.Stdout, "%s: %s\n", post.Name, answer)
	}
	if errors.Join(answers...) != nil {
		return exitError{code: exitFailed}
	}
	if len(channels) == len(loaded.Notify) { // all: then those that are left out are missed
		return codeError(configurationCode(loaded))
	}
	return nil
}

// showChannels prints a table of the channels.
func (env *environment) showChannels(ctx context.Context, loaded *config.Config, channels []config.NamedChannel) error {
	if len(channels) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "The configuration has no channels; see `notify` in the manual")
		return err
	}
	waiting, err := env.waitingLetters(ctx, loaded)
	if err != nil {
		env.Log.Warn("reading which messages wait", "error", err)
	}
	lines := newTable(env.Stdout)
	lines.AppendHeader(table.Row{"CHANNEL", "TYPE", "ON", "WAITING"})
	for _, channel := range channels {
		on := strings.Join(channel.On, " ")
		if channel.Type == "healthchecks" {
			on = "each run"
		}
		cell := "-"
		if i := slices.IndexFunc(waiting, func(w history.Waiting) bool { return w.Channel == channel.Name }); i >= 0 {
			w := waiting[i]
			cell = fmt.Sprintf("%s since %s", humanize.Comma(int64(w.Count)), w.Since.Local().Format("2006-01-02 15:04"))
			if w.Problem != "" {
				cell += ": " + backup.CleanLine(w.Problem, 80)
			}
		}
		lines.AppendRow(table.Row{backup.Clean(channel.Name), channel.Type, on, cell})
	}
	lines.Render()
	return nil
}

func (env *environment) waitingLetters(ctx context.Context, loaded *config.Config) ([]history.Waiting, error) {
	store, err := history.OpenReader(ctx, filepath.Join(loaded.State, "history.db"), env.Now)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return store.WaitingLetters(ctx)
}
