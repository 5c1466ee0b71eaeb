package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The contenders, as the tables call them.
const (
	byHand    = "by hand"
	fewest    = "by hand, fewest options"
	borgcron  = "borgcron"
	borgmatic = "borgmatic"
)

// contender is one way to make backups, with a home and a repository of its own so that each has its own caches.
type contender struct {
	*world
	home     string
	env      []string                    // PATH first
	commands func(prune bool) [][]string // make a backup; prune: that is due
	log      *os.File
	last     int64 // the second in which the last backup ended: archives are named by seconds
}

// newContender makes a contender with a repository full of archives and warm caches.
func (w *world) newContender(name string) *contender {
	say("%d files: warming up %s", w.files, name)
	home := filepath.Join(w.dir, strings.ReplaceAll(name, " ", "-"))
	check(os.MkdirAll(home, 0o700))
	c := &contender{world: w, home: home, log: must(os.Create(filepath.Join(home, "log")))}
	c.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8",
		"BORG_REPO=" + home + "/repository", "BORG_PASSPHRASE=1234"}
	c.configure(name)
	init := c.command([]string{"borg", "init", "--encryption=repokey-blake2"})
	c.expect(init, init.Run())
	for range w.keep {
		w.change()
		c.backup(true)
	}
	return c
}

func (c *contender) configure(name string) {
	switch name {
	case byHand:
		c.commands = func(bool) [][]string { return now(c.calls) }
	case fewest:
		c.commands = func(bool) [][]string {
			return now([][]string{
				{"create", "--compression=lz4", "::bench-files-", c.source},
				{"prune", "--glob-archives=bench-files-*", fmt.Sprintf("--keep-last=%d", c.keep)},
				{"compact"},
			})
		}
	case borgmatic:
		check(os.WriteFile(c.home+"/config.yaml", fmt.Appendf(nil, borgmaticConfig, c.source, c.home, c.keep), 0o600))
		c.commands = func(bool) [][]string {
			return [][]string{{"borgmatic", "--config", c.home + "/config.yaml", "create", "prune", "compact"}}
		}
	case borgcron:
		for _, every := range []string{"always", "1d"} {
			text := fmt.Appendf(nil, borgcronConfig, c.home, c.source, c.keep, every)
			check(os.WriteFile(c.home+"/"+every+".yaml", text, 0o600))
		}
		c.commands = func(prune bool) [][]string {
			every := map[bool]string{true: "always", false: "1d"}[prune]
			return [][]string{{c.program, "--config", c.home + "/" + every + ".yaml", "run", "files"}}
		}
	}
}

// borgcronConfig is for two files that differ in one thing: with "always" prune and compact are due in any run.
// That stands for the run in which a day has passed since the last prune.
const borgcronConfig = `host: bench
paths: {state: %[1]s/state, runtime: %[1]s/run}
repositories:
  local: {location: %[1]s/repository, passphrase: "1234", clients: single}
jobs:
  files:
    repository: local
    sources: [%[2]s]
    bootstrap: false
    retention: {last: %[3]d}
    prune: {every: %[4]s}
    compact: {every: %[4]s}
`

// borgmaticConfig says the same; its keep_secondly is borg's --keep-last under another name.
const borgmaticConfig = `location:
    source_directories: [%[1]s]
    repositories: [%[2]s/repository]
storage:
    encryption_passphrase: "1234"
    compression: lz4
    lock_wait: 20
    archive_name_format: "bench-files-{now:%%Y-%%m-%%dT%%H:%%M:%%S}"
retention:
    keep_secondly: %[3]d
    prefix: bench-files-
`

// now makes calls of borg into commands, for an archive of this second.
func now(calls [][]string) [][]string {
	var commands [][]string
	for _, call := range calls {
		words := append([]string{"borg"}, call...)
		for i, word := range words {
			if strings.HasPrefix(word, "::bench-files-") {
				words[i] = "::bench-files-" + time.Now().Format("2006-01-02T15:04:05")
			}
		}
		commands = append(commands, words)
	}
	return commands
}

// behind is the contender with a script in borg's place that does something first.
func (c *contender) behind(deed string) *contender {
	folder := must(os.MkdirTemp(c.home, "script-"))
	script := fmt.Appendf(nil, "#!/bin/sh\n%s\nexec '%s' \"$@\"\n", deed, must(exec.LookPath("borg")))
	check(os.WriteFile(folder+"/borg", script, 0o755))
	changed := *c
	changed.env = append([]string{"PATH=" + folder + ":" + os.Getenv("PATH")}, c.env[1:]...)
	return &changed
}

// backup makes one backup and returns how many seconds it took.
func (c *contender) backup(prune bool) float64 {
	c.settle()
	began := time.Now()
	for _, words := range c.commands(prune) {
		command := c.command(words)
		c.expect(command, command.Run())
	}
	ended := time.Now()
	c.last = ended.Unix() // the archive's name is of this second or an earlier one
	return ended.Sub(began).Seconds()
}

// settle waits until all that was written is on the disk, and for a second that cannot have an archive yet.
func (c *contender) settle() {
	syscall.Sync()
	for time.Now().Unix() <= c.last {
		time.Sleep(10 * time.Millisecond)
	}
}

// command is one program of the contender. Its output goes into a file.
func (c *contender) command(words []string) *exec.Cmd {
	cmd := exec.CommandContext(c, words[0], words[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.home, c.log, c.log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// expect gives up at an error, with the end of what was said.
func (c *contender) expect(cmd *exec.Cmd, err error) {
	if err != nil {
		said := must(os.ReadFile(c.log.Name()))
		check(fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, said[max(0, len(said)-2000):]))
	}
}
