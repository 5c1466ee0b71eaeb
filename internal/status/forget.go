package status

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Jobs are the names of all jobs that have a file, also of those that cannot be read.
func Jobs(state string) (names []string, err error) {
	entries, err := os.ReadDir(folder(state))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, entry := range entries {
		if job, isStatus := strings.CutSuffix(entry.Name(), ".json"); isStatus && jobName.MatchString(job) {
			names = append(names, job)
		}
	}
	return names, err
}

// Records are those of a job; without a file, or with one that is damaged, there are none.
func Records(state, job string) []Record {
	file, _ := read(state, job) // whatever is wrong with it, it can be dropped
	return file.Repositories
}

// Forget drops those of a job's records that drop chooses, and the file with the last of them or if it is damaged.
func Forget(state, job string, drop func(Record) bool) error {
	unlock, err := lockFolder(state)
	if err != nil {
		return about(job, err)
	}
	defer unlock()
	file, err := read(state, job)
	var damage errDamaged
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil && !errors.As(err, &damage):
		return about(job, err)
	}
	if file.Repositories = slices.DeleteFunc(file.Repositories, drop); len(file.Repositories) > 0 {
		return about(job, write(state, file))
	}
	return about(job, os.Remove(path(state, job)))
}
