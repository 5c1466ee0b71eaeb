package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"borgcron/internal/doctor"
)

var severityColours = map[doctor.Severity]text.Colors{
	doctor.Failure: {text.FgRed, text.Bold}, doctor.Warning: {text.FgYellow}, doctor.OK: {text.FgGreen}, doctor.Note: {text.Faint},
}

// printFindings prints them by job, the gravest first; what is well in one line, unless all is asked for. Quiet is nothing but what
// is wrong.
func (env *environment) printFindings(findings []doctor.Finding) error {
	if env.Quiet {
		findings = slices.DeleteFunc(slices.Clone(findings), func(f doctor.Finding) bool { return f.Severity < doctor.Warning })
		if len(findings) == 0 {
			return nil
		}
	}
	var groups []string
	of := map[string][]doctor.Finding{}
	for _, f := range findings {
		name := groupOf(f)
		if of[name] == nil {
			groups = append(groups, name)
		}
		of[name] = append(of[name], cleanFinding(f))
	}
	slices.SortStableFunc(groups, func(a, b string) int { return int(doctor.Worst(of[b]) - doctor.Worst(of[a])) })
	var out strings.Builder
	for i, name := range groups {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintln(&out, name)
		env.printGroup(&out, of[name])
	}
	if !env.Quiet {
		fmt.Fprintf(&out, "\n%s\n", conclusion(findings))
	}
	_, err := io.WriteString(env.Stdout, out.String())
	return err
}

func groupOf(f doctor.Finding) string {
	switch {
	case f.Job == "":
		return "this machine"
	case f.Repository != "" && f.Repository != f.Job:
		return f.Job + " on " + f.Repository
	}
	return f.Job
}

func (env *environment) printGroup(out *strings.Builder, findings []doctor.Finding) {
	doctor.Sort(findings)
	fine := 0
	for _, f := range findings {
		if f.Severity == doctor.OK && !env.Verbose {
			fine++
			continue
		}
		word := f.Severity.String()
		if env.Colour {
			word = severityColours[f.Severity].Sprint(word)
		}
		fmt.Fprintf(out, "  %s: %s: %s\n", word, f.Check, f.What)
		if f.Severity >= doctor.Warning {
			fmt.Fprintf(out, "      why: %s\n", f.Why)
		}
		if f.Remedy != "" {
			fmt.Fprintf(out, "      try: %s\n", f.Remedy)
		}
	}
	if fine > 0 {
		fmt.Fprintf(out, "  %s well\n", count(fine, "check"))
	}
}

// conclusion is the last line.
func conclusion(findings []doctor.Finding) string {
	numbers := map[doctor.Severity]int{}
	for _, f := range findings {
		numbers[f.Severity]++
	}
	text := "the next run can begin"
	switch doctor.Worst(findings) {
	case doctor.Failure:
		text = "the next run would fail"
	case doctor.Warning:
		text = "the next run can begin, and not all is well"
	}
	return fmt.Sprintf("%s: %s, %s, %s, %s well", text, count(numbers[doctor.Failure], "failure"),
		count(numbers[doctor.Warning], "warning"), count(numbers[doctor.Note], "note"), count(numbers[doctor.OK], "check"))
}
