package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	loginJobs    = 100
	loginProgram = "borgcron status --login"
	nobody       = 65534
)

// oldCheck does what login scripts did before: for each job it reads a file with the time of the last success and
// compares it with the clock. It is written for speed: it starts no program but date, and that once.
const oldCheck = `now=$(date +%s)
for file in "$1"/*; do
	read -r last <"$file"
	if [ $((now - last)) -gt 108000 ]; then
		echo "${file##*/} is outdated"
	fi
done
`

// login is part l: what somebody who logs in waits for, with a hundred jobs that are well. It runs as any user:
// root's notice would be the machine's own.
func (b *bench) login() {
	empty, program := b.emptyProgram(), filepath.Join(b.temp, "borgcron")
	copyFile(b.program, program)
	check(os.Chmod(b.temp, 0o755)) //nolint:gosec // another user runs what is in it
	times, state := filepath.Join(b.temp, "times"), filepath.Join(b.temp, "state")
	check(os.MkdirAll(times, 0o755))
	check(os.MkdirAll(filepath.Join(state, "borgcron"), 0o755))
	now, notice := time.Now(), "borgcron-notice 1\n"
	for i := range loginJobs {
		job := fmt.Sprintf("job-%d", i)
		check(os.WriteFile(filepath.Join(times, job), []byte(strconv.FormatInt(now.Unix(), 10)+"\n"), 0o644))
		stale := now.Add(30 * time.Hour)
		notice += fmt.Sprintf("%d\tborgcron: %s on nas: stale since %s: the last success is more than 1d6h old; try: borgcron run %s\n",
			stale.Unix(), job, stale.Format("2006-01-02 15:04"), job)
	}
	check(os.WriteFile(filepath.Join(state, "borgcron", "notice"), []byte(notice), 0o644))
	script := filepath.Join(b.temp, "check.sh")
	check(os.WriteFile(script, []byte(oldCheck), 0o644))
	programs := [][]string{{empty}, {program, "status", "--login"}, {"/bin/sh", script, times}}
	printed := must(os.Create(filepath.Join(b.temp, "printed")))
	defer printed.Close()
	s := &series{name: "l", unit: "ms", note: machine(), columns: []string{"empty Go program", loginProgram, "a shell script"}}
	s.measure(b.docs, 10*b.rounds, func(round int, row []float64) {
		for _, i := range order(round, 3) {
			cmd := exec.CommandContext(b, programs[i][0], programs[i][1:]...)
			cmd.Env = []string{"PATH=/usr/bin:/bin", "XDG_STATE_HOME=" + state}
			if os.Getuid() == 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			cmd.Stdout, cmd.Stderr = printed, printed
			began := time.Now()
			check(cmd.Run())
			row[i] = time.Since(began).Seconds() * 1000
			if must(printed.Stat()).Size() > 0 {
				check(fmt.Errorf("%v: all is well, but it says something", programs[i]))
			}
		}
	})
}

func copyFile(from, to string) {
	source := must(os.Open(from))
	defer source.Close()
	target := must(os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755))
	must(io.Copy(target, source))
	check(target.Close())
}
