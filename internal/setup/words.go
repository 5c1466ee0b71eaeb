package setup

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// ParseRetention reads "7d 4w 6m": how many hourly (h), daily (d), weekly (w), monthly (m) and yearly (y) archives are kept;
// "all" keeps every one.
func ParseRetention(text string) (backup.Retention, error) {
	var r backup.Retention
	parts := strings.Fields(strings.ReplaceAll(text, ",", " "))
	if len(parts) == 1 && strings.EqualFold(parts[0], "all") {
		return backup.Retention{KeepAll: true}, nil
	}
	counts := map[byte]*int{'h': &r.Hourly, 'd': &r.Daily, 'w': &r.Weekly, 'm': &r.Monthly, 'y': &r.Yearly}
	for _, word := range parts {
		count := counts[word[len(word)-1]|0x20]
		n, err := strconv.Atoi(word[:len(word)-1])
		if count == nil || err != nil || n < 1 || n > 100000 {
			return backup.Retention{}, fmt.Errorf("%q is no number with h, d, w, m or y; write for example 7d 4w 6m, or all", word)
		}
		if *count != 0 {
			return backup.Retention{}, fmt.Errorf("%q: this stands there twice", word)
		}
		*count = n
	}
	if r.IsZero() {
		return r, errors.New("write for example 7d 4w 6m, or all")
	}
	return r, nil
}

// Rules are the retention as the configuration has it.
func Rules(r backup.Retention) string {
	if r.KeepAll {
		return "keep_all"
	}
	var parts []string
	for _, rule := range []struct {
		name  string
		count int
	}{{"hourly", r.Hourly}, {"daily", r.Daily}, {"weekly", r.Weekly}, {"monthly", r.Monthly}, {"yearly", r.Yearly}} {
		if rule.count != 0 {
			parts = append(parts, rule.name+": "+strconv.Itoa(rule.count))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// ParseWhen reads a time such as 02:30, a calendar text of systemd's, an interval such as 24h, or no. An interval is told by the
// function that reads those of the configuration.
func ParseWhen(text string, interval func(string) (time.Duration, error)) (When, error) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "no", "n", "none", "not now":
		return When{Every: "24h"}, nil
	case "":
		return When{}, errors.New("write a time such as 02:30, an interval such as 24h, or no")
	}
	every, err := interval(text)
	switch {
	case err == nil && every < time.Minute:
		return When{}, errors.New("that is too often: write a time such as 02:30, an interval such as 24h, or no")
	case err == nil:
		return When{Every: text, Install: true}, nil
	}
	if _, err := backup.ParseCalendar(text); err != nil {
		return When{}, fmt.Errorf("%q is neither a time such as 02:30, nor an interval such as 24h, nor no", text)
	}
	return When{At: text, Install: true}, nil
}

// ParsePassphrase reads new, ask, none, file:FILE or command:COMMAND.
func ParsePassphrase(text string) (Passphrase, error) {
	kind, rest, _ := strings.Cut(text, ":")
	rest = strings.TrimSpace(rest)
	switch kept := Kept(strings.ToLower(strings.TrimSpace(kind))); {
	case rest == "" && (kept == Made || kept == Typed || kept == Nowhere):
		return Passphrase{Kept: kept}, nil
	case kept == InFile && rest != "":
		return Passphrase{Kept: InFile, File: rest}, nil
	case kept == ByCommand && rest != "":
		return Passphrase{Kept: ByCommand, Command: rest}, nil
	}
	return Passphrase{}, errors.New("write new, ask, none, file:FILE or command:COMMAND")
}

// SplitFolders reads folders that commas separate; a comma in a name is written \,.
func SplitFolders(text string) []string {
	const stand = "\x00"
	var folders []string
	for part := range strings.SplitSeq(strings.ReplaceAll(text, `\,`, stand), ",") {
		if part = strings.TrimSpace(strings.ReplaceAll(part, stand, ",")); part != "" {
			folders = append(folders, part)
		}
	}
	return folders
}
