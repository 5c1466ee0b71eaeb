package borg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"borgcron/internal/backup"
)

// Prune deletes the archives of the job's series that its retention does not keep, or with dryRun only
// says which these are. The report lists kept and deleted archives, newest first.
func (c *Client) Prune(ctx context.Context, call backup.Call, dryRun bool) (backup.Report, error) {
	keep, err := keepOptions(call.Job)
	if err != nil {
		return backup.Report{}, refused("prune", err.Error(), "")
	}
	if err := c.knowsRules(ctx, call); err != nil {
		return backup.Report{}, during("prune", err)
	}
	list := &listing{zone: c.zone(call.Repository)}
	o := append(options{"--list"}, keep...)
	o.flag("dry-run", dryRun)
	report, err := c.run(ctx, call, task{
		command: "prune", options: o, own: call.Job.BorgOptions.Prune, stall: call.Job.Timeout.Stall,
		zone: true, // days and weeks are those of the owner
		list: list.line,
	})
	if err != nil {
		return report, err
	}
	if list.strange != "" {
		return report, refused("prune", "borg's list cannot be understood: "+list.strange, "")
	}
	report.Kept, report.Deleted = list.kept, list.deleted
	return report, nil
}

// listing takes the lines of `prune --list`, which come newest first.
type listing struct {
	zone          *time.Location
	kept, deleted []backup.Archive
	strange       string // a line that is none of those we know
}

func (l *listing) line(text string) {
	archive, gone, ok := parseListed(text, l.zone)
	switch {
	case !ok:
		l.strange = backup.CleanLine(text, maxText)
	case gone:
		l.deleted = append(l.deleted, archive)
	default:
		l.kept = append(l.kept, archive)
	}
}

// keepOptions are the rules of the job's retention for its series of archives, and for that alone.
func keepOptions(job *backup.Job) (options, error) {
	r := job.Retention
	if job.Prune.Match == "" {
		return nil, errors.New("there is no pattern of the archives that may be deleted")
	}
	if r.IsZero() {
		return nil, errors.New("there is no retention: nothing may be deleted")
	}
	o := options{"--glob-archives=" + escapeBraces(job.Prune.Match)}
	o.text("keep-within", r.Within)
	if r == (backup.Retention{Within: r.Within, KeepAll: r.KeepAll}) {
		r.Last = 1 // alone it would delete even the newest archive once that is old enough
	}
	o.number("keep-last", r.Last)
	o.number("keep-minutely", r.Minutely)
	o.number("keep-hourly", r.Hourly)
	o.number("keep-daily", r.Daily)
	o.number("keep-weekly", r.Weekly)
	o.number("keep-monthly", r.Monthly)
	o.number("keep-13weekly", r.ThirteenWeekly)
	o.number("keep-3monthly", r.ThreeMonthly)
	o.number("keep-yearly", r.Yearly)
	return o, nil
}

// knowsRules refuses rules that the installed borg does not have: quarters came with 1.4.1.
func (c *Client) knowsRules(ctx context.Context, call backup.Call) error {
	if r := call.Job.Retention; r.ThirteenWeekly == 0 && r.ThreeMonthly == 0 {
		return nil
	}
	_, version, err := c.program(ctx, call.Repository)
	if err != nil {
		return err
	}
	if !version.AtLeast(1, 4, 1) {
		return refused("prune", fmt.Sprintf("borg %s has no rules 13weekly and 3monthly", version),
			"use borg 1.4.1 or later, or monthly instead")
	}
	return nil
}

// Compact frees the space of what was deleted.
func (c *Client) Compact(ctx context.Context, call backup.Call) (backup.Report, error) {
	return c.run(ctx, call, task{
		command: "compact", options: options{"--threshold=" + strconv.Itoa(call.Job.Compact.Threshold)},
		own: call.Job.BorgOptions.Compact, stall: call.Job.Timeout.StallServer,
	})
}

// Check checks the parts of the repository that the job names. Damage is a failure of class Alarm.
func (c *Client) Check(ctx context.Context, call backup.Call) (backup.Report, error) {
	calls := checkOptions(call.Job)
	if len(calls) == 0 {
		return backup.Report{}, refused("check", "no part of the repository is named to be checked", "name one in check.parts")
	}
	var report backup.Report
	for _, o := range calls {
		var err error
		report, err = c.run(ctx, call, task{
			command: "check", options: o, own: call.Job.BorgOptions.Check, stall: call.Job.Timeout.StallServer,
		})
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// checkOptions are the options of the one or two calls that check takes: a limit of time borg only knows
// for the repository part on its own. Both "only" options together would make it check nothing at all.
func checkOptions(job *backup.Job) []options {
	rule := job.Check
	archives := rule.Archives || rule.Data // the data is read along with the archives
	if rule.Repository && archives && rule.MaxDuration > 0 {
		first, second := *job, *job
		first.Check.Archives, first.Check.Data = false, false
		second.Check.Repository = false
		return append(checkOptions(&first), checkOptions(&second)...)
	}
	if !rule.Repository && !archives {
		return nil
	}
	var o options
	o.flag("repository-only", !archives)
	o.flag("archives-only", !rule.Repository)
	o.flag("verify-data", rule.Data)
	if rule.Repository {
		o.seconds("max-duration", rule.MaxDuration)
	}
	if archives && rule.Last > 0 {
		o.text("glob-archives", escapeBraces(job.Prune.Match))
		o.number("last", rule.Last)
	}
	return []options{o}
}

// Init makes a new repository. The passphrase is read before borg starts: without one, borg would leave
// a repository that is only half made.
func (c *Client) Init(ctx context.Context, call backup.Call) error {
	r := call.Repository
	if r.Encryption != "none" && r.Passphrase.IsZero() {
		return refused("init", "encryption "+r.Encryption+" needs a passphrase, and none is configured",
			"set `passphrase` of this repository, or `encryption: none`")
	}
	_, err := c.run(ctx, call, task{
		command: "init", options: options{"--encryption=" + r.Encryption}, stall: call.Job.Timeout.Stall,
	})
	return err
}

func refused(op, message, hint string) *backup.Failure {
	return &backup.Failure{Op: op, Code: -1, Class: backup.Permanent, Message: message, Hint: hint}
}
