package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The contenders of part f.
const (
	findFirst = "borgcron find, the first time"
	findAgain = "borgcron find, again"
)

// listAll lists every archive, and shows in which the name is. Quoted by the shell, as one would type it.
const listAll = `for archive in $(borg list --short); do borg list "::$archive" | grep -H --label "$archive" '/%d$' || true; done`

// finding is part f: to find one file in twenty archives, against listing each of them. The first search asks borg what the archives
// hold, the second one knows.
func (b *bench) finding() {
	const files, archives = 10000, 20
	w := b.newWorld("f", files, archives)
	c := w.newContender(borgcron)
	file := files - 1
	ways := map[string][]string{
		byHand:    {"sh", "-c", fmt.Sprintf(listAll, file)},
		findFirst: {b.program, "--config", c.home + "/always.yaml", "find", "files", fmt.Sprint(file)},
	}
	ways[findAgain] = ways[findFirst]
	s := &series{
		name: "f", unit: "seconds", columns: []string{byHand, findFirst, findAgain},
		note: fmt.Sprintf("%s files, %d archives; %s", thousands(files), archives, machine()),
	}
	once := func(way string) float64 {
		if way == findFirst {
			check(os.RemoveAll(filepath.Join(c.home, "state", "listings")))
		}
		c.settle()
		command := c.command(ways[way])
		began := time.Now()
		c.expect(command, command.Run())
		return time.Since(began).Seconds()
	}
	s.measure(b.docs, b.rounds, func(round int, row []float64) {
		for _, i := range order(round%2, 2) {
			row[i] = once(s.columns[i])
		}
		row[2] = once(findAgain)
	})
	said := string(must(os.ReadFile(c.log.Name())))
	if !strings.Contains(said, fmt.Sprintf("%4d  bench-files-", archives)) {
		check(fmt.Errorf("the file was not found in all %d archives", archives))
	}
	check(os.RemoveAll(w.dir))
}
