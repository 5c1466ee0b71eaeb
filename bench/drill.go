package main

import (
	"os"
	"time"
)

// drillByHand is a restore drill as one would write it: 50 files of the newest archive by chance, extracted and compared.
const drillByHand = `archive=$(borg list --short --last=1) && rm -rf drill && mkdir drill && cd drill &&
borg list --format='{type} {path}{NL}' "::$archive" | sed -n 's/^- //p' | shuf -n 50 >../picked &&
xargs -d '\n' borg extract "::$archive" <../picked &&
while IFS= read -r path; do cmp -s "$path" "/$path" || { echo "$path differs"; exit 1; }; done <../picked`

// drill is part v: a restore drill of 50 files out of 10,000, against the same by hand. Each is of an archive that was not read before.
func (b *bench) drill() {
	w := b.newWorld("v", 10_000, 3)
	mine := w.newContender(borgcron)
	w.count(mine, 1)
	hand := w.newContender(byHand)
	s := &series{name: "v", unit: "seconds", note: machine(), columns: []string{borgcron, byHand}}
	s.measure(b.docs, b.rounds, func(round int, row []float64) {
		w.change()
		for _, i := range order(round%2, 2) {
			c, words := mine, []string{b.program, "--config", mine.home + "/1d.yaml", "verify", "files"}
			if i == 1 {
				c, words = hand, []string{"sh", "-c", drillByHand}
			}
			c.backup(true)
			c.settle()
			began := time.Now()
			command := c.command(words)
			c.expect(command, command.Run())
			row[i] = time.Since(began).Seconds()
		}
	})
	check(os.RemoveAll(w.dir))
}
