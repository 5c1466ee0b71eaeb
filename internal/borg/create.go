package borg

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Create makes the archive of the job's sources. The report names it; warnings are in the report, too.
func (c *Client) Create(ctx context.Context, call backup.Call, archive string) (backup.Report, error) {
	return c.run(ctx, call, task{
		command: "create", archive: archive, options: createOptions(call), own: call.Job.BorgOptions.Create,
		paths: sources(call.Job), answer: &answer{want: archive}, stall: call.Job.Timeout.Stall,
	})
}

// sources are the paths that borg shall back up. One that begins with a hyphen would be an option for
// some versions even behind `--`.
func sources(job *backup.Job) []string {
	var paths []string
	for _, path := range append(job.Roots(), job.Bootstrap...) {
		if strings.HasPrefix(path, "-") {
			path = "./" + path
		}
		paths = append(paths, path)
	}
	return paths
}

// comment is the job's own, and where in the archive its configuration is: `recover` finds that by it.
func comment(job *backup.Job) string {
	if job.Comment != "" && job.BootstrapNote != "" {
		return job.Comment + "; " + job.BootstrapNote
	}
	return job.Comment + job.BootstrapNote
}

// options collects borg's options, each in one word so that no value can be taken for an option.
type options []string

func (o *options) flag(name string, on bool) {
	if on {
		*o = append(*o, "--"+name)
	}
}

func (o *options) text(name string, values ...string) {
	for _, value := range values {
		if value != "" {
			*o = append(*o, "--"+name+"="+value)
		}
	}
}

func (o *options) number(name string, value int) {
	if value != 0 {
		o.text(name, strconv.Itoa(value))
	}
}

// seconds rounds up: borg takes whole ones, and 0 would often mean never.
func (o *options) seconds(name string, d time.Duration) {
	o.number(name, int(math.Ceil(d.Seconds())))
}

// commonOptions are those that every command takes.
func commonOptions(call backup.Call) []string {
	var o options
	r := call.Repository
	o.flag("progress", call.Progress != nil)
	o.seconds("lock-wait", r.LockWait)
	o.text("remote-path", escapeBraces(r.RemotePath))
	o.number("upload-ratelimit", int((r.UploadLimit+1023)/1024)) // KiB a second
	return o
}

// createOptions are those of create. Patterns come before excludes: the first that matches decides, and a
// pattern may take in what a later exclude leaves out.
func createOptions(call backup.Call) []string {
	job := call.Job
	o := options{"--json", "--list", "--filter=CE"} // the list of files with problems, see record.status
	o.text("comment", escapeBraces(comment(job)))
	o.text("compression", job.Compression)
	o.text("files-cache", job.FilesCache)
	o.text("chunker-params", job.Chunker)
	o.seconds("checkpoint-interval", job.CheckpointInterval)
	o.flag("one-file-system", job.OneFileSystem)
	o.flag("read-special", job.ReadSpecial)
	o.flag("exclude-caches", job.ExcludeCaches)
	o.flag("exclude-nodump", job.ExcludeNodump)
	o.flag("keep-exclude-tags", job.KeepExcludeTags)
	o.text("exclude-if-present", job.ExcludeIfPresent...)
	if job.Spooled() { // the dumps of this run, whatever is left out elsewhere
		o.text("pattern", "+ pp:"+job.Spool)
	}
	o.text("pattern", job.Patterns...)
	o.text("patterns-from", job.PatternsFrom...)
	o.text("exclude", job.Exclude...)
	o.text("exclude-from", job.ExcludeFrom...)
	return o
}
