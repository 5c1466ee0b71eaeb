package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// seedData writes the first data of a job: small files, and some of a size that lasts.
func (w *world) seedData(job string) {
	r := random(w.seed, "data "+job, w.number)
	for i := range 120 {
		w.writeFile(r, job, i)
	}
	for i := range 5 {
		w.writeFile(r, job, 1000+i)
	}
}

// writeFile writes one file anew with bytes that cannot be compressed.
func (w *world) writeFile(r *rand.Rand, job string, number int) {
	size := 500 + r.IntN(6000)
	if number >= 1000 {
		size = 300<<10 + r.IntN(500<<10)
	}
	path := w.path("data", job, fmt.Sprint(number%7), fmt.Sprint(number))
	content := noise(r, size)
	_ = os.MkdirAll(filepath.Dir(path), 0o755)
	_ = os.WriteFile(path, content, 0o644)
}

// noise cannot be compressed.
func noise(r *rand.Rand, size int) []byte {
	content := make([]byte, 0, size+8)
	for len(content) < size {
		content = binary.LittleEndian.AppendUint64(content, r.Uint64())
	}
	return content[:size]
}

// changeData makes a round's data differ from the last one's.
func (w *world) changeData(p plan) {
	for _, job := range jobs {
		r := random(p.seed, "change "+job, p.round)
		for range 15 {
			w.writeFile(r, job, r.IntN(150))
		}
		for range 2 {
			w.writeFile(r, job, 1000+r.IntN(5))
		}
		_ = os.Remove(w.path("data", job, "3", fmt.Sprint(3+7*r.IntN(15))))
	}
}

// tree is what a folder holds: the hash of each file by its path in it.
type tree map[string][sha256.Size]byte

// snapshot reads a folder.
func snapshot(folder string) (tree, error) {
	t := tree{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if content, unreadable := os.ReadFile(path); unreadable == nil { //nolint:gosec // a folder of ours
			t[name] = sha256.Sum256(content)
		} else {
			t[name] = [sha256.Size]byte{}
		}
		return err
	})
	return t, err
}

// differences names up to five files that are not equal, but for the exceptions.
func (t tree) differences(other tree, except map[string]bool) string {
	var names []string
	for name, sum := range t {
		if found, ok := other[name]; !except[name] && (!ok || found != sum) {
			names = append(names, name)
		}
	}
	for name := range other {
		if _, ok := t[name]; !ok && !except[name] {
			names = append(names, name)
		}
	}
	if len(names) > 5 {
		return fmt.Sprintf("%d files, e.g. %s", len(names), strings.Join(names[:5], ", "))
	}
	return strings.Join(names, ", ")
}
