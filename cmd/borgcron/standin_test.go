package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const standInVersion = "1.4.99"

// standInBorg answers for borg. Each call is noted as a line in $HOME/borg.calls. What it answers stands in
// $HOME/borg.answers, a line an answer, "COMMAND word ...": the first call of a command gets its first line,
// the second its second, further calls the last one. Without a line the command succeeds.
//
//	exit=N           the exit code
//	msgid=ID         an error line with this message id; its text is message=TEXT (underscores are spaces)
//	warn=TEXT        a warning line
//	status=C:PATH    a file_status line
//	files=N size=N   the figures of the archive that create made
//	signal=N         it dies by this signal
//	hang             it waits until somebody ends it; $HOME/borg.hangs then holds its pid
//	silent           no JSON on stdout
//	keep=NAME@TIME   prune: an archive that is kept (TIME as 2006-01-02T15:04:05)
//	drop=NAME@TIME   prune: an archive that is deleted
//	raw=TEXT         a line of stderr that is not JSON
//	archive=NAME@TIME  list: an archive of the repository, oldest first
//	item=MODE,SIZE,TIME,PATH  items, the list of an archive: one of its items
//	differs=JSON     diff: a line of its answer
//	gives=PATH,TEXT  extract: a file that it writes, or of which it prints the content
func standInBorg(args []string) int {
	home := os.Getenv("HOME")
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("borg " + standInVersion)
		return 0
	}
	command := commandOf(args)
	appendLine(filepath.Join(home, "borg.calls"), strings.Join(args, " "))
	answer := nextAnswer(home, command)
	return answer.give(home, command, args)
}

func commandOf(args []string) string {
	commands := []string{"create", "prune", "compact", "check", "info", "list", "diff", "extract", "init", "key"}
	for _, arg := range args {
		for _, command := range commands {
			if name := archiveOf(args); arg == "list" && name != "" && name != "unnamed" {
				return "items"
			}
			if arg == command {
				return command
			}
		}
	}
	return "unknown"
}

func appendLine(path, line string) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fprintln(file, line)
}

type answer []string

// nextAnswer finds the command's answer for this call; the count of calls is the lines of a file.
func nextAnswer(home, command string) answer {
	counter := filepath.Join(home, "borg.count."+command)
	data, _ := os.ReadFile(counter)
	appendLine(counter, command)
	call := strings.Count(string(data), "\n")
	table, _ := os.ReadFile(filepath.Join(home, "borg.answers"))
	var lines []answer
	for line := range strings.Lines(string(table)) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == command {
			lines = append(lines, words[1:])
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return lines[min(call, len(lines)-1)]
}

func (a answer) word(key string) string {
	for _, word := range a {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return strings.ReplaceAll(value, "_", " ")
		}
	}
	return ""
}

func (a answer) all(key string) []string {
	var values []string
	for _, word := range a {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

func (a answer) has(word string) bool {
	for _, w := range a {
		if w == word {
			return true
		}
	}
	return false
}

func (a answer) number(key string, otherwise int) int {
	n, err := strconv.Atoi(a.word(key))
	if err != nil {
		return otherwise
	}
	return n
}

func (a answer) give(home, command string, args []string) int {
	for _, raw := range a.all("raw") {
		fmt.Fprintln(os.Stderr, strings.ReplaceAll(raw, "_", " "))
	}
	for _, status := range a.all("status") {
		letter, path, _ := strings.Cut(status, ":")
		say(map[string]any{"type": "file_status", "status": letter, "path": path})
	}
	for _, text := range a.all("warn") {
		sayLog("WARNING", strings.ReplaceAll(text, "_", " "), "")
	}
	if id := a.all("msgid"); len(id) > 0 {
		sayLog("ERROR", a.word("message"), id[0])
	}
	if a.has("hang") {
		hang(home)
	}
	if n := a.number("signal", 0); n != 0 {
		_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
		select {}
	}
	code := a.number("exit", 0)
	if (code == 0 || code == 1 || code >= 100) && !a.has("silent") {
		a.succeed(command, args)
	}
	return code
}

// hang waits for SIGINT as borg does: it ends with an error then.
func hang(home string) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT)
	appendLine(filepath.Join(home, "borg.hangs"), strconv.Itoa(os.Getpid()))
	<-interrupted
	sayLog("ERROR", "Got Ctrl-C / SIGINT.", "Error")
	os.Exit(2)
}

func (a answer) succeed(command string, args []string) {
	now := time.Now().Truncate(time.Second)
	switch command {
	case "create", "info":
		files, size := a.number("files", 12), a.number("size", 3456)
		archive := map[string]any{
			"name": archiveOf(args), "id": fmt.Sprintf("%064x", time.Now().UnixNano()), "start": now.Format("2006-01-02T15:04:05.000000"),
			"end": now.Format("2006-01-02T15:04:05.000000"), "duration": 0.5,
			"stats": map[string]any{"nfiles": files, "original_size": size, "compressed_size": size / 2, "deduplicated_size": size / 3},
		}
		result := map[string]any{
			"repository": map[string]any{"id": strings.Repeat("cd", 32), "location": "/hidden"},
			"cache":      map[string]any{"stats": map[string]any{"unique_csize": 98765}},
		}
		if command == "create" {
			result["archive"] = archive
		} else {
			result["archives"] = []any{archive}
		}
		_ = json.NewEncoder(os.Stdout).Encode(result)
	case "list":
		a.listArchives()
	case "items":
		a.listItems()
	case "extract":
		a.extract(args)
	case "diff":
		for _, line := range a.all("differs") {
			fmt.Println(line)
		}
	case "prune":
		for _, kept := range a.all("keep") {
			listed("Keeping archive (rule: daily #1):", kept)
		}
		for i, dropped := range a.all("drop") {
			listed(fmt.Sprintf("Pruning archive (%d/%d):", i+1, len(a.all("drop"))), dropped)
		}
	}
}

func archiveOf(args []string) string {
	for _, arg := range args {
		if _, name, found := strings.Cut(arg, "::"); found {
			return name
		}
	}
	return "unnamed"
}

func listed(what, archive string) {
	name, at, _ := strings.Cut(archive, "@")
	when, err := time.ParseInLocation("2006-01-02T15:04:05", at, time.Local)
	if err != nil {
		panic(err)
	}
	id := archiveID(name)
	say(map[string]any{
		"type": "log_message", "time": 1.5, "levelname": "INFO", "name": "borg.output.list",
		"message": fmt.Sprintf("%-44s %-36s %s [%s]", what, name, when.Format("Mon, 2006-01-02 15:04:05"), id),
	})
}

func say(message map[string]any) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stderr, string(line))
}

func sayLog(level, message, id string) {
	line := map[string]any{"type": "log_message", "time": 1.5, "levelname": level, "name": "borg.archiver", "message": message}
	if id != "" {
		line["msgid"] = id
	}
	say(line)
}
