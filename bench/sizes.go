package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	sizesFiles   = 300_000
	sizesProgram = "borgcron sizes"
)

// measureSizes is parts s and t: the sizes of ten entries with 300,000 files in 3,000 folders, as `du -shc DIR/*` has them, with
// the kernel's caches warm or empty.
func (b *bench) measureSizes(name string, cold bool) {
	if cold && os.Getuid() != 0 {
		say("only root can empty the caches: part %s is left out", name)
		return
	}
	say("writing %s files", thousands(sizesFiles))
	top := filepath.Join(b.temp, "tree")
	defer func() { check(os.RemoveAll(top)) }()
	for i := range sizesFiles {
		folder := fmt.Sprintf("%s/entry-%d/%d/%d", top, i%10, i/10%20, i/200%15)
		if i < sizesFiles/100 {
			check(os.MkdirAll(folder, 0o755))
		}
		check(os.WriteFile(fmt.Sprintf("%s/file-%06d", folder, i), make([]byte, i%6000), 0o644))
	}
	entries := must(filepath.Glob(top + "/*"))
	programs := [][]string{append([]string{"du", "-shc"}, entries...), {b.program, "sizes", top}}
	s := &series{name: name, unit: "seconds", note: machine(), columns: []string{"du -shc", sizesProgram}}
	for workers := 1; workers <= 4; workers++ {
		programs = append(programs, []string{b.program, "sizes", "--workers", strconv.Itoa(workers), top})
		s.columns = append(s.columns, fmt.Sprintf("%s --workers %d", sizesProgram, workers))
	}
	answer := must(exec.CommandContext(b, programs[0][0], programs[0][1:]...).Output())
	s.measure(b.docs, b.rounds, func(round int, row []float64) {
		for _, i := range pairFirst(round, len(programs)) {
			if cold {
				emptyCaches(b.program)
			}
			command := exec.CommandContext(b, programs[i][0], programs[i][1:]...)
			command.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + b.temp, "BORGCRON_CONFIG=" + b.temp + "/none"}
			began := time.Now()
			output := must(command.Output())
			row[i] = time.Since(began).Seconds()
			if !bytes.Equal(output, answer) {
				check(fmt.Errorf("%q says\n%swhere du says\n%s", programs[i], output, answer))
			}
		}
	})
}

// pairFirst is the order in a turn: the first two follow each other, now the one first, now the other, before or after
// the rest, which takes turns.
func pairFirst(turn, n int) []int {
	pair, rest := order(turn%2, 2), make([]int, 0, n-2)
	for i := range n - 2 {
		rest = append(rest, 2+(i+turn)%(n-2))
	}
	if turn/2%2 == 1 {
		return slices.Concat(rest, pair)
	}
	return slices.Concat(pair, rest)
}

// emptyCaches has the kernel forget all files; the programs are then read again, so that they do not count.
func emptyCaches(program string) {
	syscall.Sync()
	check(os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0))
	check(exec.Command("du", "--version").Run())
	check(exec.Command(program, "version").Run())
}
