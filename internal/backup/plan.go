package backup

import (
	"fmt"
	"slices"
	"time"
)

// Due says whether something is done now, and why or why not.
type Due struct {
	Step   Step
	Now    bool
	Reason string
	Check  CheckRule // for Check: the parts that are due
}

// Choice is what the owner asked of one run beyond the configuration.
type Choice struct {
	Only []Step // these alone, due or not; empty: all
	Skip []Step
	Yes  bool // settles what would ask or wait for an acknowledgement
}

// OnlyReads tells whether only the repository is looked at, for which the sources need not be there.
func (c Choice) OnlyReads() bool {
	return len(c.Only) > 0 && !slices.ContainsFunc(c.Only, func(step Step) bool { return step != Check && step != Verify })
}

// Plan says which steps of a job are due on a repository, and why. Whether prune and compact really come
// depends on what the steps before them do, so a run asks PlanStep again with what it has learned.
func Plan(job *Job, last *Last, choice Choice, now time.Time) []Due {
	plan := make([]Due, 0, len(Steps)+2)
	for _, step := range job.steps() {
		plan = append(plan, PlanStep(step, job, last, choice, now))
	}
	return plan
}

// steps are the steps that the job can have, in their order.
func (j *Job) steps() []Step {
	steps := slices.Clone(Steps)
	if len(j.Databases) > 0 {
		steps = slices.Insert(steps, 0, Dump)
	}
	if j.Streamed() {
		steps = slices.Insert(steps, slices.Index(steps, Prune)+1, PruneDumps)
	}
	return steps
}

// PlanStep says whether one step is due, and why.
func PlanStep(step Step, job *Job, last *Last, choice Choice, now time.Time) Due {
	asked := named(step)
	if slices.Contains(choice.Skip, asked) {
		return Due{Step: step, Reason: "left out by --skip"}
	}
	named := slices.Contains(choice.Only, asked)
	if len(choice.Only) > 0 && !named {
		return Due{Step: step, Reason: "not named by --only"}
	}
	due := planStep(step, job, last, choice, now)
	if named && !due.Now && !due.held {
		due.Now, due.Reason = true, "named by --only"
	}
	return due.Due
}

// named is the step by which --only and --skip name this one.
func named(step Step) Step {
	switch step {
	case Dump:
		return Create
	case PruneDumps:
		return Prune
	}
	return step
}

// waits says why prune and compact wait for a check of the repository, "" if they do not.
func (s *Shared) waits() string {
	switch {
	case s.Alarm != nil && !broken:
		return "waits for the end of an " + s.Alarm.Sentence()
	case s.Suspect != "":
		return "waits for a clean check of the repository: " + s.Suspect
	}
	return ""
}

// verdict is a Due that --only may overrule unless it is held.
type verdict struct {
	Due
	held bool
}

func planStep(step Step, job *Job, last *Last, choice Choice, now time.Time) verdict {
	switch step {
	case Dump:
		if len(job.Databases) == 0 {
			return verdict{Due: Due{Step: step, Reason: "no databases are configured"}, held: true}
		}
		return verdict{Due: Due{Step: step, Now: true, Reason: "every run dumps the databases"}}
	case Create:
		if job.OnlyDumps() {
			return verdict{Due: Due{Step: step, Reason: "the job has databases alone"}, held: true}
		}
		return verdict{Due: Due{Step: step, Now: true, Reason: "every run makes an archive"}}
	case Check:
		return planCheck(job, last, slices.Contains(choice.Only, Check), now)
	case Verify:
		return planVerify(job, last, now)
	case Prune:
		if job.OnlyDumps() {
			return verdict{Due: Due{Step: step, Reason: "the job has databases alone"}, held: true}
		}
		return planPrune(step, job, last, last.Listing, choice, now)
	case PruneDumps:
		return planPrune(step, job, last, last.Dumps.Listing, choice, now)
	default:
		return planCompact(job, last, now)
	}
}

func planPrune(step Step, job *Job, last *Last, listing *Listing, choice Choice, now time.Time) verdict {
	no := func(held bool, reason string) verdict {
		return verdict{Due: Due{Step: step, Reason: reason}, held: held}
	}
	settled := choice.Yes && slices.Contains(choice.Only, Prune)
	switch {
	case job.Retention.IsZero():
		return no(true, "no retention is configured: nothing is ever deleted")
	case last.Shared.waits() != "":
		return no(true, last.Shared.waits())
	case last.Holding() != "" && !settled:
		return no(true, "waits until a guard passes: "+last.Holding())
	}
	if due, reason := job.Prune.Every.due(last.Done[step], now); !due {
		return no(false, "prune.every: "+reason)
	}
	if last.Open == "" && listing.fresh(now) {
		if _, remove := job.Retention.Apply(listing.Archives, now, now.Location()); len(remove) == 0 {
			return no(false, "nothing falls out of the retention")
		}
		return verdict{Due: Due{Step: step, Now: true, Reason: "archives fall out of the retention"}}
	}
	return verdict{Due: Due{Step: step, Now: true, Reason: "the list of archives is not known"}}
}

func planCompact(job *Job, last *Last, now time.Time) verdict {
	no := func(held bool, reason string) verdict {
		return verdict{Due: Due{Step: Compact, Reason: reason}, held: held}
	}
	if waits := last.Shared.waits(); waits != "" {
		return no(true, waits)
	}
	if last.Holding() != "" {
		return no(true, "waits until a guard passes: "+last.Holding())
	}
	if !last.Shared.Deleted {
		return no(false, "nothing was deleted since the last one")
	}
	if due, reason := job.Compact.Every.due(last.Done[Compact], now); !due {
		return no(false, "compact.every: "+reason)
	}
	return verdict{Due: Due{Step: Compact, Now: true, Reason: "archives were deleted"}}
}

// planVerify counts from the first backup.
func planVerify(job *Job, last *Last, now time.Time) verdict {
	if last.FirstSuccess.IsZero() && !job.Verify.Every.Always {
		return verdict{Due: Due{Step: Verify, Reason: "counts from the first backup"}}
	}
	first := last.FirstSuccess
	if first.After(now) { // the clock was wrong then, or is now
		first = now
	}
	due, reason := job.Verify.Every.due(later(last.Done[Verify], first), now)
	return verdict{Due: Due{Step: Verify, Now: due, Reason: "verify.every: " + reason}}
}

// planCheck counts from the first backup. The repository part counts for the repository, whichever job
// had it checked; the archives are those of the job's series.
func planCheck(job *Job, last *Last, named bool, now time.Time) verdict {
	rule := job.Check
	alarm := last.Shared.Alarm
	if alarm != nil && named {
		rule = CheckRule{Every: rule.Every, Repository: true, Archives: true, Data: true} // only that ends an alarm
		return verdict{Due: Due{Step: Check, Now: true, Check: rule, Reason: "named by --only; whole, because of an " + alarm.Sentence()}}
	}
	reason := last.Shared.Suspect
	if alarm != nil {
		reason = alarm.Sentence()
	}
	if reason != "" {
		archives, _ := rule.Every.due(later(last.Done[Check], last.FirstSuccess), now)
		archives = archives && !last.FirstSuccess.IsZero()
		rule.Repository, rule.MaxDuration = true, 0 // a part of it would clear nothing
		rule.Archives, rule.Data = rule.Archives && archives, rule.Data && archives
		return verdict{Due: Due{Step: Check, Now: true, Check: rule, Reason: "prune waits for it: " + reason}}
	}
	if named {
		return verdict{Due: Due{Step: Check, Now: true, Check: rule, Reason: "named by --only"}}
	}
	first := last.FirstSuccess
	if first.After(now) { // the clock was wrong then, or is now
		first = now
	}
	if first.IsZero() && !rule.Every.Always {
		return verdict{Due: Due{Step: Check, Reason: "counts from the first backup"}}
	}
	whole := last.Shared.Checked
	if rule.MaxDuration > 0 { // each check is a part: borg goes on where it left off
		whole = later(whole, last.Done[Check])
	}
	repository, why := rule.Every.due(later(whole, first), now)
	archives, whyArchives := rule.Every.due(later(last.Done[Check], first), now)
	rule.Repository = rule.Repository && repository
	rule.Archives = rule.Archives && archives
	rule.Data = rule.Data && archives
	if !rule.Repository && !rule.Archives && !rule.Data {
		if !job.Check.Repository {
			why = whyArchives
		}
		return verdict{Due: Due{Step: Check, Reason: "check.every: " + why}}
	}
	if archives {
		why = whyArchives
	}
	return verdict{Due: Due{Step: Check, Now: true, Check: rule, Reason: "check.every: " + why}}
}

// due tells whether a step that last began at `last` is due, and the figures of it.
func (e Every) due(last, now time.Time) (bool, string) {
	switch {
	case e.Never:
		return false, "never"
	case e.Always:
		return true, "always"
	case last.IsZero():
		return true, "it was never done"
	case last.After(now):
		return true, "the last one lies in the future"
	}
	age := now.Sub(last)
	return age >= e.Interval-Slack(e.Interval), fmt.Sprintf("last %s ago, every %s", short(age), short(e.Interval))
}

// Slack is how much too early something due at an interval may begin, so that a timer that ticks a little
// sooner than the run before ended up starting does not skip a whole turn: a tenth, at most two hours.
func Slack(interval time.Duration) time.Duration {
	return min(interval/10, 2*time.Hour)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// short prints a duration as people say it, with at most two units.
func short(d time.Duration) string {
	days := d / (24 * time.Hour)
	rest := d % (24 * time.Hour)
	switch {
	case days > 0 && rest >= time.Hour:
		return fmt.Sprintf("%dd%dh", days, rest/time.Hour)
	case days > 0:
		return fmt.Sprintf("%dd", days)
	case d >= time.Hour && d%time.Hour >= time.Minute:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute >= time.Second:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.Round(time.Second).String()
	}
}
