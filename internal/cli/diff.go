package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
)

type diffOptions struct {
	from      readFrom
	json, all bool
	sort      string
}

func newDiffCommand(env *environment) *cobra.Command {
	var options diffOptions
	command := &cobra.Command{
		Use:   "diff JOB [A] [B]",
		Short: "Show what differs between two archives of a job",
		Long: `diff shows what differs between two archives of a job: between the last two, between A and the newest, or from A to B.
Each path is added, removed, replaced (by something of another type), modified, or differs in its metadata (mode,
owner). What differs in its times alone is counted; --all shows it too. Sizes are bytes of content, as borg's chunks
have it: a small change within a big file counts as the chunks around it.

An archive is named by latest, latest~2 (the second before it), its name or the beginning of it, or a time such as
yesterday, 2026-11-20 or '3 days ago'.`,
		Example: `  borgcron diff home
  borgcron diff home '7 days ago' --sort size
  borgcron diff home latest~1 latest --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 3 {
				return usage("diff takes a job and at most two archives")
			}
			return nil
		},
		ValidArgsFunction: func(command *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 || len(args) == 2 {
				return env.completeArchives(command, args, start)
			}
			return env.completeOneJob(command, args, start)
		},
		RunE: func(command *cobra.Command, args []string) error {
			if options.sort != "path" && options.sort != "size" {
				return usage("--sort %s: sort by path or size", options.sort)
			}
			return diffArchives(command.Context(), env, args[0], args[1:], options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.json, "json", false, "print JSON")
	flags.BoolVarP(&options.all, "all", "a", false, "also what differs in its times alone")
	flags.StringVar(&options.sort, "sort", "path", "sort by `path or size`")
	_ = command.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions([]string{"path", "size"}, cobra.ShellCompDirectiveNoFileComp))
	env.addReadingFlags(command, &options.from)
	return command
}

// comparison is what differs between two archives.
type comparison struct {
	from, to    backup.Archive
	differences []borg.Difference
	counts      map[borg.DifferenceKind]int
	added       int64 // bytes
	removed     int64
}

func diffArchives(ctx context.Context, env *environment, name string, archives []string, options diffOptions) error {
	job, parts, err := env.openJob(ctx, name)
	if err != nil {
		return err
	}
	defer parts.close()
	var c comparison
	held, err := env.read(ctx, parts, job, options.from, func(ctx context.Context, call backup.Call) error {
		all, err := env.archives(ctx, parts, call, series(job, false))
		if err != nil {
			return err
		}
		c = comparison{counts: map[borg.DifferenceKind]int{}}
		if c.from, c.to, err = env.twoArchives(all, archives); err != nil {
			return exitError{exitFailed, fmt.Errorf("archives of job %s: %w", name, err)}
		}
		call.Warn = func(w backup.Warning) { env.Log.Warn("diff warns", "message", w.Message) }
		return failed(parts.client.Diff(ctx, call, c.from.Name, c.to.Name, c.take))
	})
	if err != nil {
		return err
	}
	if err := held.Close(); err != nil {
		return err
	}
	c.sort(options.sort == "size")
	if options.json {
		return env.printDiffJSON(&c)
	}
	return env.printDiff(&c, options.all)
}

// twoArchives are those that are named; without a name the last two.
func (env *environment) twoArchives(all []backup.Archive, named []string) (from, to backup.Archive, err error) {
	texts := []string{"latest~1", "latest"}
	copy(texts, named)
	if from, err = backup.WhichArchive(all, texts[0], env.Now()); err == nil {
		to, err = backup.WhichArchive(all, texts[1], env.Now())
	}
	if err == nil && from.ID == to.ID {
		err = fmt.Errorf("%s and %s are the same archive, %s", texts[0], texts[1], backup.Clean(from.Name))
	}
	return from, to, err
}

func (c *comparison) take(d borg.Difference) error {
	c.counts[d.Kind]++
	c.added += orZero(d.Added)
	c.removed += orZero(d.Removed)
	c.differences = append(c.differences, d)
	return nil
}

func orZero(number *int64) int64 {
	if number == nil {
		return 0
	}
	return *number
}

func (c *comparison) sort(bySize bool) {
	slices.SortFunc(c.differences, func(a, b borg.Difference) int {
		if bySize {
			if order := cmp.Compare(orZero(b.Added)+orZero(b.Removed), orZero(a.Added)+orZero(a.Removed)); order != 0 {
				return order
			}
		}
		return cmp.Compare(a.Path, b.Path)
	})
}

func (env *environment) printDiff(c *comparison, all bool) error {
	for i := range c.differences {
		d := &c.differences[i]
		if d.Kind == borg.Times && !all {
			continue
		}
		_, err := fmt.Fprintf(env.Stdout, "%-9s %10s %10s  %s%s\n", d.Kind, signed("+", d.Added), signed("-", d.Removed), shown(d.Path), remark(d))
		if err != nil {
			return err
		}
	}
	var words []string
	for _, kind := range []borg.DifferenceKind{borg.Added, borg.Removed, borg.Replaced, borg.Modified, borg.Metadata} {
		if n := c.counts[kind]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, kind))
		}
	}
	figures := fmt.Sprintf(" (+%s -%s)", size(c.added), size(c.removed))
	if len(words) == 0 {
		words, figures = []string{"nothing differs"}, ""
	}
	line := fmt.Sprintf("%s -> %s: %s%s", backup.Clean(c.from.Name), backup.Clean(c.to.Name), strings.Join(words, ", "), figures)
	if n := c.counts[borg.Times]; n > 0 && !all {
		line += fmt.Sprintf("; %d in times alone", n)
	}
	_, err := fmt.Fprintln(env.Stdout, line)
	return err
}

func signed(sign string, bytes *int64) string {
	if bytes == nil {
		return ""
	}
	return sign + size(*bytes)
}

// remark says what a line of figures does not.
func remark(d *borg.Difference) string {
	var words []string
	if d.Type != "" && d.Type != "file" {
		words = append(words, d.Type)
	}
	if d.OldMode != "" {
		words = append(words, backup.Clean(d.OldMode+" -> "+d.NewMode))
	}
	if d.OldOwner != "" {
		words = append(words, backup.Clean(d.OldOwner+" -> "+d.NewOwner))
	}
	if len(words) == 0 {
		return ""
	}
	return "  (" + strings.Join(words, ", ") + ")"
}

type differenceJSON struct {
	Path    string              `json:"path"`
	Kind    borg.DifferenceKind `json:"kind"`
	Type    string              `json:"type,omitempty"`
	Added   *int64              `json:"added"`
	Removed *int64              `json:"removed"`
	Mode    *oldAndNew          `json:"mode,omitempty"`
	Owner   *oldAndNew          `json:"owner,omitempty"`
}

type oldAndNew struct {
	Old string `json:"old"`
	New string `json:"new"`
}

func (env *environment) printDiffJSON(c *comparison) error {
	rows := make([]differenceJSON, 0, len(c.differences))
	for _, d := range c.differences {
		row := differenceJSON{Path: d.Path, Kind: d.Kind, Type: d.Type, Added: d.Added, Removed: d.Removed}
		if d.OldMode != "" {
			row.Mode = &oldAndNew{d.OldMode, d.NewMode}
		}
		if d.OldOwner != "" {
			row.Owner = &oldAndNew{d.OldOwner, d.NewOwner}
		}
		rows = append(rows, row)
	}
	return printJSON(env.Stdout, map[string]any{
		"from": local(c.from), "to": local(c.to), "differences": rows, "counts": c.counts, "added": c.added, "removed": c.removed,
	})
}
