package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// world is a folder with all that borgcron works with and on: a repository, a configuration with the jobs alpha and
// beta, their data, state, and an sshd of its own if the repository lies on a server.
type world struct {
	*series
	options
	number     int
	dir        string
	borg       borgProgram
	server     *server // nil if the repository is local
	mounts     []string
	archives   map[string]*archive // all that were reported as made, by name
	known      map[string]bool     // runs of the history that former rounds have looked at
	usual      time.Duration       // how long a run without faults takes
	starts     int
	undo       []func()
	violations []string
}

// jobs are the names of the jobs; both back up to the one repository.
var jobs = []string{"alpha", "beta"}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// newWorld makes a world with a first archive of each job in it.
func (s *series) newWorld(ctx context.Context, number, round int) (*world, error) {
	o := newOptions(s.seed, number, len(s.borgs), os.Getuid() == 0, s.place, s.only)
	w := &world{
		series: s, options: o, number: number, borg: s.borgs[o.Borg], dir: filepath.Join(s.temp, fmt.Sprintf("world-%d-round-%d", number, round)),
		archives: map[string]*archive{}, known: map[string]bool{},
	}
	if err := w.build(ctx); err != nil {
		w.close(true)
		return nil, fmt.Errorf("%w; see %s", err, w.dir)
	}
	return w, nil
}

func (w *world) build(ctx context.Context) error {
	for _, folder := range []string{"home", "bin", "tmp", "state", "repository-disk", "cache", "own", "log"} {
		if err := os.MkdirAll(w.path(folder), 0o755); err != nil {
			return err
		}
	}
	if w.Small {
		for folder, size := range map[string]string{"repository-disk": "160m", "state": "8m", "cache": "24m"} {
			if err := w.mount(folder, size); err != nil {
				return err
			}
		}
	}
	for _, job := range jobs {
		w.seedData(job)
	}
	if w.Remote {
		var err error
		if w.server, err = startServer(ctx, w.path("sshd")); err != nil {
			return err
		}
	}
	if err := w.writePrograms(); err != nil {
		return err
	}
	if err := os.WriteFile(w.path("secret"), []byte("chaos\n"), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(w.path("borgcron.yaml"), []byte(w.configuration()), 0o600); err != nil {
		return err
	}
	if err := w.must(ctx, "init", "alpha"); err != nil {
		return err
	}
	// Small segments: more of them are touched, and compact needs less room.
	if output, err := w.ownBorg(ctx, "config", w.repository(), "max_segment_size", "4194304"); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return w.settle(ctx)
}

// settle makes the first archives and learns how long a run takes.
func (w *world) settle(ctx context.Context) error {
	for _, job := range []string{"alpha", "beta", "alpha"} {
		first := w.start(ctx, "run", job, "--json")
		if first.wait(); first.exit != 0 {
			return fmt.Errorf("the first run of %s ended with %d: %s", job, first.exit, first.complaint())
		}
		w.usual = first.ended.Sub(first.began)
		w.learn(first)
	}
	runs, err := w.history(ctx)
	for _, run := range runs {
		w.known[run.ID] = true
	}
	return err
}

// configuration is short of patience: what takes minutes in life is to take seconds here.
func (w *world) configuration() string {
	location, transport, passphrase := w.repository(), "", ""
	if w.server != nil {
		location = w.server.location(location)
		transport = fmt.Sprintf("\n    remote_path: %s\n    ssh: {identity: %s, known_hosts: %s, options: [ServerAliveInterval=1, ServerAliveCountMax=3, ConnectTimeout=4]}",
			w.path("bin/serve"), w.server.identity, w.server.knownHosts)
	}
	if w.Encryption != "none" {
		passphrase = fmt.Sprintf("\n    passphrase: {file: %s}", w.path("secret"))
	}
	chunker := ""
	if w.Chunks == "small" {
		chunker = "\n  chunker: buzhash,10,16,12,4095"
	}
	text := fmt.Sprintf(`paths: {state: %s, runtime: %s}
repositories:
  chaos:
    location: %s
    borg: %s
    cache: %s
    clients: %s
    encryption: %s
    lock_wait: 2s
    env: {BORG_SELFTEST: disabled, %s: "%s"}%s%s
defaults:
  repository: chaos
  compression: none
  checkpoint_interval: 1s
  retry: {retries: 3, wait: 1s}
  timeout: {run: 3m, stall: 8s, stall_server: 20s}
  retention: {last: %d}
  check: {every: %s}%s
jobs:
`, w.path("state"), w.path("runtime"), location, w.path("bin/borg"), w.path("cache"), w.Clients, w.Encryption,
		marker, w.dir, transport, passphrase, w.Keep, w.Check, chunker)
	for _, job := range jobs {
		text += fmt.Sprintf("  %s: {sources: [%s]}\n", job, w.path("data", job))
	}
	return text
}

// marker is the variable by which the processes of a world are known.
const marker = "CHAOS_WORLD"

// writePrograms writes what stands in front of borg: it takes notes of each call, and whether another borg of
// this world was at work. The lock it takes for that is inherited by borg, and so lasts as long as that.
func (w *world) writePrograms() error {
	borg := fmt.Sprintf(`#!/bin/sh
case $1 in --version) exec '%[1]s' "$@" ;; esac
exec 9>>'%[2]s/busy'
flock -n 9 || echo "$(date +%%s.%%N) $$ $*" >>'%[2]s/overlaps'
echo "$(date +%%s.%%N) $*" >>'%[2]s/calls'
exec '%[1]s' "$@"
`, w.borg.path, w.path("log"))
	serve := fmt.Sprintf("#!/bin/sh\n%s='%s' BORG_SELFTEST=disabled\nexport %[1]s BORG_SELFTEST\nexec '%[3]s' \"$@\"\n", marker, w.dir, w.borg.path)
	for name, text := range map[string]string{"borg": borg, "serve": serve} {
		if err := os.WriteFile(w.path("bin", name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// environ is what borgcron gets. TZ is fixed so that the times in names and lists compare.
func (w *world) environ() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.path("home"), "TMPDIR=" + w.path("tmp"), "TZ=UTC", "LANG=C.UTF-8",
		"BORGCRON_CONFIG=" + w.path("borgcron.yaml"), marker + "=" + w.dir,
	}
}

// must runs borgcron to its end, with success.
func (w *world) must(ctx context.Context, args ...string) error {
	s := w.start(ctx, args...)
	if s.wait(); s.exit != 0 {
		return fmt.Errorf("borgcron %s ended with %d: %s", strings.Join(args, " "), s.exit, s.complaint())
	}
	return nil
}

// ownBorg runs the real borg for ourselves, with a cache and a security folder that borgcron does not know, and
// returns what it printed.
func (w *world) ownBorg(ctx context.Context, args ...string) (string, error) {
	return w.ownBorgIn(ctx, w.path("own"), args...)
}

func (w *world) ownBorgIn(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, w.borg.path, args...)
	command.Dir = dir
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.path("own"), "BORG_BASE_DIR=" + w.path("own"), "TZ=UTC", "LANG=C.UTF-8",
		"BORG_PASSPHRASE=chaos", "BORG_SELFTEST=disabled", "BORG_RELOCATED_REPO_ACCESS_IS_OK=yes", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes",
	}
	output, err := command.Output()
	if err != nil {
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			output = append(output, exit.Stderr...)
		}
		err = fmt.Errorf("borg %s: %w", args[0], err)
	}
	return string(output), err
}

func (w *world) mount(folder, size string) error {
	if err := unix.Mount("chaos", w.path(folder), "tmpfs", 0, "mode=755,size="+size); err != nil {
		return fmt.Errorf("mount a small file system: %w", err)
	}
	w.mounts = append(w.mounts, w.path(folder))
	return nil
}

// undoFaults ends what still lasts of the faults.
func (w *world) undoFaults() {
	for _, undo := range slices.Backward(w.undo) {
		undo()
	}
	w.undo = nil
}

// close ends everything and removes the folder, unless there is something in it to look at.
func (w *world) close(keep bool) {
	if w == nil {
		return
	}
	w.undoFaults()
	for range 100 {
		left := w.processes()
		if len(left) == 0 {
			break
		}
		send(left, syscall.SIGKILL)
		time.Sleep(20 * time.Millisecond)
	}
	if w.server != nil {
		w.server.close()
		w.server = nil
	}
	keep = keep || len(w.violations) > 0
	for _, mount := range w.mounts {
		if keep { // what lies on it is to be looked at later
			_ = exec.Command("cp", "-a", mount, mount+".kept").Run()
		}
		_ = unix.Unmount(mount, unix.MNT_DETACH)
	}
	w.mounts = nil
	if !keep {
		_ = os.RemoveAll(w.dir)
	}
}
