package borg

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"syscall"

	"borgcron/internal/backup"
)

// Archives lists the complete archives that match the pattern, as borg lists them.
func (c *Client) Archives(ctx context.Context, call backup.Call, match string) ([]backup.Archive, error) {
	var text bytes.Buffer
	_, err := c.run(ctx, call, task{
		command: "list", options: options{"--json", "--glob-archives=" + escapeBraces(match)}, output: &text, stall: call.Job.Timeout.Stall,
		mortal: syscall.SIGTERM, // it only reads
	})
	if err != nil {
		return nil, err
	}
	var parsed answerJSON
	if err := json.Unmarshal(text.Bytes(), &parsed); err != nil {
		return nil, &backup.Failure{Op: "list", Code: -1, Err: err, Message: "borg's list of archives cannot be understood"}
	}
	archives := make([]backup.Archive, 0, len(parsed.Archives))
	for _, a := range parsed.Archives {
		start, err := parseTime(a.Start)
		if err != nil || a.ID == "" {
			return nil, &backup.Failure{Op: "list", Code: -1, Err: err, Message: "borg's list of archives has one without id or time"}
		}
		if !strings.Contains(a.Name, ".checkpoint") { // incomplete
			archives = append(archives, backup.Archive{Name: a.Name, ID: a.ID, Time: start})
		}
	}
	return archives, nil
}

// Extract writes the content of one file of an archive to w. What was written is whole only if there is no error. If w can take
// no more, borg is ended. Whoever takes it may be slow, so no sign of life is asked of borg meanwhile. (The path is given as a prefix: one given as a whole is found, but borg says that it was not.)
func (c *Client) Extract(ctx context.Context, call backup.Call, archive, path string, w io.Writer) error {
	report, err := c.run(ctx, call, task{
		command: "extract", archive: archive, options: options{"--stdout"}, paths: []string{"pp:" + path}, output: w,
		mortal: syscall.SIGTERM,
	})
	if err == nil && len(report.Warnings) > 0 {
		return &backup.Failure{Op: "extract", Code: -1, Class: backup.Permanent, Message: report.Warnings[0].Message, Tail: report.Tail}
	}
	return err
}
