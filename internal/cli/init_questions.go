package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/setup"
)

// question is one of the dialogue, and a flag.
type question struct {
	flag   string
	given  string // what the flag says
	text   string // what is asked
	preset string // "" if there is none
	help   string
	try    func(context.Context, string) error // takes an answer if it holds
}

// settle has a question answered: by its flag, by what would be proposed, or by the person at the terminal, again until it holds.
func (s *setUp) settle(ctx context.Context, q question) error {
	var err error
	switch {
	case s.options.given(q.flag) && !s.spent[q.flag]:
		s.spent[q.flag] = true // if it does not hold, or what follows from it, a person is asked
		if err = q.try(ctx, q.given); err != nil {
			err = within(err, "--"+q.flag)
		}
	case s.options.yes && q.preset != "":
		err = q.try(ctx, q.preset)
	case !s.terminal:
		return usage("--%s is missing, and there is no terminal to ask at (%s)%s", q.flag, strings.ToLower(q.text[:1])+q.text[1:], orYes(q.preset))
	default:
		return s.askUntil(ctx, q)
	}
	if err == nil || ctx.Err() != nil || !s.terminal {
		return err
	}
	s.reject(err)
	return s.askUntil(ctx, q)
}

func orYes(preset string) string {
	if preset == "" {
		return ""
	}
	return "; --yes takes " + preset
}

// within says to which flag an error belongs, and keeps its exit code.
func within(err error, flag string) error {
	code := exitFailed
	var exit exitError
	if errors.As(err, &exit) {
		code = exit.code
	}
	return exitError{code, fmt.Errorf("%s: %w", flag, err)}
}

func (s *setUp) askUntil(ctx context.Context, q question) error {
	text := q.text
	if q.preset != "" {
		text += " [" + q.preset + "]"
	}
	for {
		answer, err := s.line(ctx, text+": ")
		if err != nil {
			return err
		}
		if answer == "?" {
			s.say("%s", indented(q.help))
			continue
		}
		if answer == "" {
			answer = q.preset
		}
		if answer == "" {
			s.say("  an answer is needed here; ? explains")
			continue
		}
		if err = q.try(ctx, answer); err == nil || ctx.Err() != nil {
			return err
		}
		s.reject(err)
	}
}

// line reads an answer. The end of input is an end of the dialogue.
func (s *setUp) line(ctx context.Context, text string) (string, error) {
	answer, err := s.env.ask(ctx, text)
	if errors.Is(err, io.EOF) {
		return "", exitError{exitFailed, errors.New("no answer: nothing was made")}
	}
	return answer, err
}

func (s *setUp) say(format string, arguments ...any) {
	fmt.Fprintf(s.env.Stderr, format+"\n", arguments...)
}

// reject says why an answer does not hold.
func (s *setUp) reject(err error) {
	message, hint, hinted := strings.Cut(err.Error(), "\n  hint: ")
	s.say("  %s", backup.Clean(message))
	if hinted {
		s.say("  hint: %s", backup.Clean(hint))
	}
}

func indented(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func (s *setUp) askWhat(ctx context.Context) error {
	preset := s.home
	if s.env.where().UID == 0 {
		preset = "/etc, /home, /root"
	}
	if !s.terminal || s.options.yes {
		preset = "" // what is to be backed up has to be said
	}
	return s.settle(ctx, question{
		flag: "source", given: strings.Join(escaped(s.options.sources), ","), preset: preset,
		text: "What to back up, folders separated by commas",
		help: "Each folder is backed up with all that is in it. What is not to be in the backup is told the configuration later (`exclude`);\nfolders that are marked as caches are left out.",
		try: func(_ context.Context, answer string) error {
			var sources []string
			for _, folder := range setup.SplitFolders(answer) {
				folder = s.absolute(folder)
				if err := setup.CheckSource(folder); err != nil {
					return err
				}
				sources = append(sources, folder)
			}
			if len(sources) == 0 {
				return errors.New("name at least one folder")
			}
			s.answers.Sources = sources
			return nil
		},
	})
}

func escaped(folders []string) []string {
	list := make([]string, len(folders))
	for i, folder := range folders {
		list[i] = strings.ReplaceAll(folder, ",", `\,`)
	}
	return list
}

// absolute is a path of this machine as the configuration wants it.
func (s *setUp) absolute(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && s.home != "" {
		path = filepath.Join(s.home, rest)
	}
	if path == "~" && s.home != "" {
		path = s.home
	}
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

func (s *setUp) askPassphrase(ctx context.Context) error {
	a := &s.answers
	if a.Configured {
		return nil
	}
	if a.Adopted && !a.Encrypted {
		a.Passphrase = setup.Passphrase{Kept: setup.Nowhere}
		if s.options.given("passphrase") && s.options.passphrase != string(setup.Nowhere) {
			s.warn("the repository that is there is not encrypted: it needs no passphrase")
		}
		return nil
	}
	q := question{
		flag: "passphrase", given: s.options.passphrase, preset: string(setup.Made),
		text: "Passphrase: new (random), ask (typed), file:FILE, command:COMMAND, none",
		help: "new: a random one, in a file that only you can read\nask: you type one, which is kept in such a file\nfile:FILE: it is in a file of yours already\n" +
			"command:COMMAND: a command prints it, such as: pass show borg\nnone: nothing is encrypted; whoever has the repository can read it\n" +
			"Whichever it is: keep a copy where this machine's end is not its end.",
		try: s.tryPassphrase,
	}
	if a.Adopted {
		q.text, q.preset = "Passphrase of the repository that is there: ask (typed), file:FILE, command:COMMAND", string(setup.Typed)
		q.help = "ask: you type it, and it is kept in a file that only you can read\nfile:FILE: it is in a file of yours already\ncommand:COMMAND: a command prints it, such as: pass show borg"
		if !s.terminal {
			q.preset = ""
		}
	}
	return s.settle(ctx, q)
}

func (s *setUp) askKeep(ctx context.Context) error {
	return s.settle(ctx, question{
		flag: "keep", given: s.options.keep, preset: "7d 4w 6m",
		text: "How many archives to keep",
		help: "7d 4w 6m: the last one of each of 7 days, of 4 weeks, of 6 months; also h (hours) and y (years).\nall: nothing is ever deleted.",
		try: func(_ context.Context, answer string) (err error) {
			if s.answers.Retention, err = setup.ParseRetention(answer); err != nil {
				return exitError{exitUsage, err}
			}
			return nil
		},
	})
}

// askWhen is about two things that people think of as one: how often, and whether from now on.
func (s *setUp) askWhen(ctx context.Context) error {
	flag, given := "every", s.options.every
	if s.options.given("at") {
		flag, given = "at", s.options.at
	}
	decided := s.options.given("schedule") || s.options.given("no-schedule")
	q := question{
		flag: flag, given: given, preset: "24h",
		text: "When: a time such as 02:30, an interval such as 24h, or no (not by itself)",
		help: "24h: when a day has passed since the last backup, whenever the machine is on; for laptops\n02:30: every day at that time; one that was missed is made up for\n" +
			"no: nothing is installed; `borgcron schedule install` does it later",
		try: func(_ context.Context, answer string) error {
			when, err := setup.ParseWhen(answer, config.ParseDuration)
			if err != nil {
				return exitError{exitUsage, err}
			}
			if decided {
				when.Install = !s.options.noSchedule
			}
			s.answers.When = when
			return nil
		},
	}
	if !s.options.given(flag) && s.options.noSchedule {
		return q.try(ctx, "no")
	}
	if !s.terminal && s.options.given(flag) && !decided && !s.options.yes {
		return usage("--schedule or --no-schedule is missing, and there is no terminal to ask at (install the schedule); --yes takes --schedule")
	}
	return s.settle(ctx, q)
}

// confirmAll shows what will be made. Nothing has been until then.
func (s *setUp) confirmAll(ctx context.Context) error {
	s.answers.Job = s.name()
	if !s.terminal || s.options.yes {
		return nil
	}
	s.say("\n%s", s.summary())
	for {
		answer, err := s.line(ctx, "Make it so? [Y/n]: ")
		if err != nil {
			return err
		}
		switch strings.ToLower(answer) {
		case "", "y", "yes":
			return nil
		case "n", "no":
			return exitError{exitFailed, errors.New("nothing was made")}
		}
		s.say("  yes makes all of this; no leaves everything as it is")
	}
}
