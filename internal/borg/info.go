package borg

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Info gives the figures of one archive.
func (c *Client) Info(ctx context.Context, call backup.Call, archive string) (backup.Report, error) {
	return c.run(ctx, call, task{
		command: "info", archive: archive, options: options{"--json"}, answer: &answer{want: archive},
		stall: call.Job.Timeout.Stall,
	})
}

// Newest gives the figures of the newest complete archive that matches the pattern, other than the one
// named before. It is nil if there is none.
func (c *Client) Newest(ctx context.Context, call backup.Call, match, before string) (*backup.Report, error) {
	found := &answer{other: before}
	report, err := c.run(ctx, call, task{
		command: "info", options: options{"--json", "--glob-archives=" + escapeBraces(match), "--last=2"}, answer: found,
		stall: call.Job.Timeout.Stall,
	})
	if err != nil || report.Archive == nil {
		return nil, err
	}
	return &report, nil
}

// maxAnswer bounds what is taken of borg's stdout, which repeats the whole command line.
const maxAnswer = 16 << 20

// limited keeps the beginning of what is written to it.
type limited struct {
	text []byte
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := maxAnswer - len(l.text)
	l.over = l.over || len(p) > room
	l.text = append(l.text, p[:min(room, len(p))]...)
	return len(p), nil
}

// answer takes what borg says of archives in JSON.
type answer struct {
	want  string // the archive that must be in it; "": the newest, if there is any,
	other string // but not this one
}

// archiveJSON and answerJSON are what we use of the JSON of `create` and `info`, the same since borg 1.1.
type archiveJSON struct {
	Name  string `json:"name"`
	ID    string `json:"id"`
	Start string `json:"start"`
	Stats struct {
		Files        int64 `json:"nfiles"`
		Original     int64 `json:"original_size"`
		Deduplicated int64 `json:"deduplicated_size"`
	} `json:"stats"`
}

type answerJSON struct {
	Archive  *archiveJSON  `json:"archive"`
	Archives []archiveJSON `json:"archives"`
	Cache    struct {
		Stats struct {
			Unique int64 `json:"unique_csize"`
		} `json:"stats"`
	} `json:"cache"`
	Repository struct {
		ID string `json:"id"`
	} `json:"repository"`
	Encryption struct {
		Mode string `json:"mode"`
	} `json:"encryption"`
}

// accept reads borg's answer into the report. Without the archive that was asked for, and its id, nothing
// has been shown to be well.
func (r *record) accept(a *answer, stdout *limited) *backup.Failure {
	var parsed answerJSON
	if err := json.Unmarshal(stdout.text, &parsed); err != nil || stdout.over {
		return r.failure(backup.Unknown, "borg ended without an error, but its answer cannot be understood")
	}
	r.report.RepositoryID, r.report.Encryption = parsed.Repository.ID, parsed.Encryption.Mode
	r.report.RepositorySize = parsed.Cache.Stats.Unique
	archive := a.pick(&parsed)
	if archive == nil {
		if a.want == "" {
			return nil
		}
		return r.failure(backup.Unknown, "borg ended without an error, but its answer does not name the archive")
	}
	start, err := parseTime(archive.Start)
	if err != nil || archive.ID == "" {
		return r.failure(backup.Unknown, "borg ended without an error, but its answer has no id or time of the archive")
	}
	r.report.Archive = &backup.Archive{Name: archive.Name, ID: archive.ID, Time: start}
	r.report.Files, r.report.OriginalSize = archive.Stats.Files, archive.Stats.Original
	r.report.DeduplicatedSize = archive.Stats.Deduplicated
	return nil
}

func (a *answer) pick(parsed *answerJSON) *archiveJSON {
	archives := parsed.Archives
	if parsed.Archive != nil {
		archives = append(archives, *parsed.Archive)
	}
	for i := len(archives) - 1; i >= 0; i-- { // the newest comes last
		name := archives[i].Name
		if name == a.want || a.want == "" && name != a.other {
			return &archives[i]
		}
	}
	return nil
}

// parseTime reads a time of borg's that was run in UTC. Its fraction is always zero.
func parseTime(s string) (time.Time, error) {
	return time.Parse("2006-01-02T15:04:05", s) // a fraction is taken, too
}

// listed is a line of `prune --list`: what becomes of an archive, its name, its time with the weekday, its id.
var listed = regexp.MustCompile(`^(Keeping archive \(rule: [^)]*\):|Keeping checkpoint archive:|Would prune:|Pruning archive \(\d+/\d+\):) *(.*) \w{3}, (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \[([0-9a-f]{64})\]$`)

// parseListed reads a line of `prune --list`. The columns are padded with blanks, so names lose those at
// their ends. Times are of the zone in which borg ran.
func parseListed(line string, zone *time.Location) (archive backup.Archive, gone, ok bool) {
	m := listed.FindStringSubmatch(line)
	if m == nil {
		return backup.Archive{}, false, false
	}
	at, err := time.ParseInLocation(time.DateTime, m[3], zone)
	if err != nil {
		return backup.Archive{}, false, false
	}
	return backup.Archive{Name: strings.TrimSpace(m[2]), ID: m[4], Time: at}, !strings.HasPrefix(m[1], "Keeping"), true
}

// zone is the time zone of a borg that runs in the caller's.
func (c *Client) zone(r backup.Repository) *time.Location {
	name, set := c.variables(r)["TZ"]
	if !set {
		return time.Local
	}
	zone, err := time.LoadLocation(strings.TrimPrefix(name, ":"))
	if err != nil {
		return time.Local // a rule instead of a name: ours is read from the same variable
	}
	return zone
}
