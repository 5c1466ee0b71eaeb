package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// compare is parts a and b. All contenders, borgcron first and borgmatic last, back up the same changes one after the other, so
// many backups a round. In the last one of a round prune and compact are due. A figure is the sum of a round.
func (b *bench) compare(name string, files, keep, backups int, names ...string) {
	if _, err := exec.LookPath(borgmatic); err != nil {
		say("borgmatic is not installed: left out")
		names = names[:len(names)-1]
	}
	w := b.newWorld(name, files, keep)
	contenders := []*contender{w.newContender(borgcron)}
	processes := w.count(contenders[0], backups)
	for _, name := range names[1:] {
		contenders = append(contenders, w.newContender(name))
	}
	note := fmt.Sprintf("borgcron started borg %d times in a round; %s", processes, machine())
	s := &series{name: name, unit: "seconds", note: note, columns: names}
	s.measure(b.docs, b.rounds, func(round int, row []float64) {
		for i := range backups {
			w.change()
			for _, j := range order(round+i, len(names)) {
				row[j] += contenders[j].backup(i == backups-1)
			}
		}
	})
	check(os.RemoveAll(w.dir))
}

// order is that of the contenders in a turn. The first two are a pair and follow each other, now the one first,
// now the other; the rest comes after them in two turns and before them in the next two.
func order(turn, n int) []int {
	all := []int{0, 1, 2, 3}[:n]
	if turn%2 == 1 {
		slices.Reverse(all[:2])
		slices.Reverse(all[2:])
	}
	if turn/2%2 == 1 {
		all = slices.Concat(all[2:], all[:2])
	}
	return all
}

// memory is part c: the peak of borgcron's own memory in a run. In the last column borg warns of 100,000 files.
func (b *bench) memory() {
	s := &series{name: "c", unit: "MiB", note: machine()}
	var contenders []*contender
	for _, files := range b.sizes {
		contenders = append(contenders, b.newWorld(fmt.Sprintf("c-%d", files), files, 3).newContender(borgcron))
		s.columns = append(s.columns, thousands(files)+" files")
	}
	contenders = append(contenders, contenders[0].behind(`case "$*" in *create*)
	awk 'BEGIN { for (i = 0; i < 100000; i++)
		printf "{\"type\": \"file_status\", \"status\": \"C\", \"path\": \"folder/file-%d\"}\n", i }' >&2 ;;
esac`))
	s.columns = append(s.columns, s.columns[0]+" and 100,000 warnings")
	s.measure(b.docs, b.rounds, func(_ int, row []float64) {
		for i, c := range contenders {
			row[i] = c.peak()
		}
	})
}

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peak makes a backup and returns the peak of the program's resident memory in MiB. What the kernel tells at
// its end (wait4) is the largest of the program and all its children, so it is asked every 10 ms on the way.
func (c *contender) peak() (peak float64) {
	c.settle()
	cmd := c.command(c.commands(true)[0])
	check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			c.expect(cmd, err)
			c.last = time.Now().Unix()
			return peak
		case <-time.After(10 * time.Millisecond):
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)) // gone at the end
			if m := highWater.FindSubmatch(status); m != nil {
				kib := must(strconv.Atoi(string(m[1])))
				peak = float64(kib) / 1024
			}
		}
	}
}

// startUp is part d: `version` against a Go program that does nothing, built in the same way. Such a short time
// is measured ten times as often.
func (b *bench) startUp() {
	programs := [][]string{{b.emptyProgram()}, {b.program, "version"}}
	s := &series{name: "d", unit: "ms", note: machine(), columns: []string{"empty Go program", "borgcron version"}}
	s.measure(b.docs, 10*b.rounds, func(round int, row []float64) {
		for _, i := range order(round%2, 2) {
			began := time.Now()
			check(exec.CommandContext(b, programs[i][0], programs[i][1:]...).Run())
			row[i] = time.Since(began).Seconds() * 1000
		}
	})
}

// emptyProgram builds a Go program that does nothing, in the same way as borgcron.
func (b *bench) emptyProgram() string {
	source, empty := filepath.Join(b.temp, "empty.go"), filepath.Join(b.temp, "empty")
	check(os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600))
	build := exec.CommandContext(b, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", empty, source)
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	check(build.Run())
	return empty
}
