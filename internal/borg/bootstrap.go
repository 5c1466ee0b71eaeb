package borg

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"borgcron/internal/backup"
)

// Bootstraps finds the archives that hold a configuration of borgcron's, the newest first. Only the newest archives are
// looked at, as many as last says; 0: all. No file of any archive is read for that.
func (c *Client) Bootstraps(ctx context.Context, call backup.Call, last int) ([]backup.Bootstrap, error) {
	o := options{"--json", "--format={comment}{command_line}"}
	o.number("last", last)
	var text bytes.Buffer
	if _, err := c.run(ctx, call, task{command: "list", options: o, output: &text, stall: call.Job.Timeout.Stall}); err != nil {
		return nil, err
	}
	return parseBootstraps(text.Bytes())
}

func parseBootstraps(text []byte) ([]backup.Bootstrap, error) {
	var parsed struct {
		Archives []struct {
			archiveJSON
			Comment string   `json:"comment"`
			Command []string `json:"command_line"`
		} `json:"archives"`
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, &backup.Failure{Op: "list", Code: -1, Err: err, Message: "borg's list of archives cannot be understood"}
	}
	var found []backup.Bootstrap
	for _, a := range parsed.Archives {
		start, err := parseTime(a.Start)
		if bootstrap, ok := backup.ParseBootstrap(a.Comment, a.Command); ok && err == nil && !strings.Contains(a.Name, ".checkpoint") {
			bootstrap.Archive = backup.Archive{Name: a.Name, ID: a.ID, Time: start}
			found = append([]backup.Bootstrap{bootstrap}, found...)
		}
	}
	return found, nil
}

// ExtractFiles brings files and folders of an archive back below dir, each with its whole path. What is not in the archive is
// named by a warning in the report.
func (c *Client) ExtractFiles(ctx context.Context, call backup.Call, archive, dir string, paths []string) (backup.Report, error) {
	patterns := make([]string, len(paths))
	for i, path := range paths {
		patterns[i] = "pp:" + strings.TrimPrefix(path, "/") // as a prefix, see Extract
	}
	return c.run(ctx, call, task{command: "extract", archive: archive, paths: patterns, dir: dir, stall: call.Job.Timeout.Stall})
}
