package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// historyRun is a row of `history --json`.
type historyRun struct {
	ID      string    `json:"id"`
	Job     string    `json:"job"`
	Outcome string    `json:"outcome"`
	Started time.Time `json:"started"`
	Archive string    `json:"archive"`
	Problem string    `json:"problem"`
	Steps   []event   `json:"steps"`
}

// made tells whether the run says that it made its archive, whatever became of the later steps.
func (h historyRun) made() bool {
	return h.Archive != "" && slices.ContainsFunc(h.Steps, func(s event) bool { return s.Step == "create" && isSuccess(s.Outcome) })
}

func isSuccess(outcome string) bool { return outcome == "succeeded" || outcome == "warning" }

// answer runs a command of borgcron that only tells something, and decodes its JSON. Exit codes other than 0 are for
// the caller.
func (w *world) answer(ctx context.Context, into any, args ...string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, w.program, args...)
	command.Env, command.Dir = w.environ(), w.dir
	var complaint strings.Builder
	command.Stderr = &complaint
	output, _ := command.Output()
	if err := json.Unmarshal(output, into); err != nil {
		return command.ProcessState.ExitCode(), fmt.Errorf("borgcron %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return command.ProcessState.ExitCode(), nil
}

func (w *world) history(ctx context.Context) ([]historyRun, error) {
	var answer struct {
		Runs []historyRun `json:"runs"`
	}
	_, err := w.answer(ctx, &answer, "history", "--json", "--limit", "0")
	return answer.Runs, err
}

// statusRow is a row of `status --json`.
type statusRow struct {
	Job     string          `json:"job"`
	State   string          `json:"state"`
	Problem string          `json:"problem"`
	Archive string          `json:"archive"`
	Running bool            `json:"running"`
	Alarm   json.RawMessage `json:"alarm"`
}

func (w *world) status(ctx context.Context, job string) (statusRow, int, error) {
	var answer struct {
		Jobs []statusRow `json:"jobs"`
	}
	code, err := w.answer(ctx, &answer, "status", job, "--json")
	if err == nil && len(answer.Jobs) != 1 {
		err = fmt.Errorf("status of %s has %d rows", job, len(answer.Jobs))
	}
	if err != nil {
		return statusRow{}, code, err
	}
	return answer.Jobs[0], code, nil
}

// calls are the commands of borg since the mark, which is the number of those before. One that only looks is not
// called what it is.
func (w *world) calls(mark int) []string {
	text, _ := os.ReadFile(w.path("log/calls"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var commands []string
	for _, line := range lines[min(mark, len(lines)):] {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 2:
		case slices.Contains(fields, "--dry-run"):
			commands = append(commands, fields[1]+" --dry-run")
		default:
			commands = append(commands, fields[1])
		}
	}
	return commands
}
