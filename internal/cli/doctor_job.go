package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/doctor"
	"borgcron/internal/notify"
	"borgcron/internal/process"
	"borgcron/internal/status"
)

// sources looks at what the job backs up, and at the lists of what it leaves out.
func (x *examination) sources(ctx context.Context, job *backup.Job) []doctor.Finding {
	refused := ""
	reason, err := x.conditions.Ready(ctx, job)
	switch {
	case err != nil:
		refused = err.Error()
	case reason != "":
		refused = reason
	}
	table := systemMounts("/etc/fstab")
	var sources []doctor.Source
	for _, path := range job.Sources {
		sources = append(sources, lookAtSource(path, false, table))
	}
	for _, path := range job.OptionalSources {
		sources = append(sources, lookAtSource(path, true, table))
	}
	findings := doctor.JudgeSources(sources, refused, username())
	lists := slices.Concat(job.ExcludeFrom, job.PatternsFrom)
	var failed []error
	for _, list := range lists {
		if err := unix.Access(list, unix.R_OK); err != nil {
			failed = append(failed, fmt.Errorf("%s cannot be read: %w", list, err))
		}
	}
	return append(findings, doctor.JudgeLists(len(lists), failed)...)
}

// mostEntries is how many entries of a source are tried.
const mostEntries = 1000

func lookAtSource(path string, optional bool, table []string) doctor.Source {
	s := doctor.Source{Path: path, Optional: optional}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.Missing = true
		return s
	case err != nil:
		s.Failed = bareError(err)
		return s
	}
	s.Unmounted = notMounted(path, table)
	if s.Folder = info.IsDir(); !s.Folder {
		if info.Mode().IsRegular() {
			s.Failed = unix.Access(path, unix.R_OK)
		}
		return s
	}
	folder, err := os.Open(path)
	if err != nil {
		s.Failed = bareError(err)
		return s
	}
	defer folder.Close()
	entries, err := folder.ReadDir(mostEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		s.Failed = bareError(err)
		return s
	}
	s.Empty = len(entries) == 0
	for _, entry := range entries {
		wanted := uint32(unix.R_OK)
		switch {
		case entry.IsDir():
			wanted |= unix.X_OK
		case !entry.Type().IsRegular():
			continue
		}
		name := filepath.Join(path, entry.Name())
		if err := unix.Access(name, wanted); errors.Is(err, unix.EACCES) {
			if s.Unreadable++; s.Unreadable == 1 {
				s.Example = name
			}
		}
	}
	return s
}

// bareError is an error of the system without the path.
func bareError(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// systemMounts are the places where the system's table says that something is to be mounted. Without the table there are none.
func systemMounts(table string) []string {
	data, err := os.ReadFile(table)
	if err != nil {
		return nil
	}
	var places []string
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") || !strings.HasPrefix(fields[1], "/") || fields[1] == "/" {
			continue
		}
		places = append(places, filepath.Clean(strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[1])))
	}
	return places
}

// notMounted tells whether the path lies in, or is, a place of the table where nothing is mounted.
func notMounted(path string, table []string) bool {
	path = filepath.Clean(path)
	return slices.ContainsFunc(table, func(place string) bool {
		if path != place && !strings.HasPrefix(path, place+"/") {
			return false
		}
		mounted, err := mountinfo.Mounted(place)
		return err == nil && !mounted
	})
}

// programs looks for what hooks and dumps of the job begin with.
func (x *examination) programs(ctx context.Context, job *backup.Job) []doctor.Finding {
	var missing []string
	wanted := 0
	miss := func(name string) {
		if !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	for _, hook := range job.Hooks {
		wanted++
		command := notify.Command{Run: hook.Run, Environ: x.conditions.Environ}
		if command.Probe(ctx) != nil {
			miss(strings.Fields(hook.Run)[0])
		}
	}
	for i := range job.Databases {
		names := dumpPrograms(&job.Databases[i])
		if len(names) == 0 {
			continue
		}
		wanted++
		if !slices.ContainsFunc(names, func(name string) bool {
			_, err := process.LookPath(name, x.env.Getenv("PATH"))
			return err == nil
		}) {
			miss(names[0])
		}
	}
	return doctor.JudgePrograms(wanted, missing)
}

// dumpPrograms are those of which a dump needs one.
func dumpPrograms(database *backup.Database) []string {
	switch {
	case database.Container != "":
		return nil // it lies in the container
	case database.Program != "":
		return []string{database.Program}
	}
	return map[string][]string{
		"postgresql": {"pg_dump"}, "mysql": {"mysqldump", "mariadb-dump"}, "mariadb": {"mariadb-dump", "mysqldump"},
	}[database.Type]
}

// conditionsOf asks what would keep a run from beginning now. The user's command is not run: it may do what it wants.
func (x *examination) conditionsOf(ctx context.Context, job *backup.Job) []doctor.Finding {
	asked := *job
	asked.Conditions.Command = ""
	return doctor.JudgeConditions(x.conditions.Holds(ctx, &asked))
}

// standing is how the job stands on a repository, and when that was last checked and tried.
func (x *examination) standing(ctx context.Context, target backup.Target) []doctor.Finding {
	if x.blind() {
		return []doctor.Finding{doctor.Unseen(doctor.LastSuccess, noRecordsRead), doctor.Unseen(doctor.Checked, noRecordsRead), doctor.Unseen(doctor.Verified, noRecordsRead)}
	}
	job := target.Job
	name := job.RepositoryName(target.Repository)
	last := x.recall(ctx, target)
	standing := doctor.Standing{State: string(status.Never), Job: job.Name, LastSuccess: last.SuccessEnded}
	if i := slices.IndexFunc(x.rows, func(row status.Row) bool { return row.Job == job.Name && row.Repository == name }); i >= 0 {
		standing.State, standing.Problem = string(x.rows[i].State), x.rows[i].Problem
		if success := x.rows[i].LastSuccess; success != nil {
			standing.LastSuccess = *success
		}
	}
	standing.Future = standing.LastSuccess.After(x.env.Now().Add(clockSlack))
	findings := doctor.JudgeStanding(standing)
	return append(findings, doctor.JudgeTended(job, last, nameOf(target), x.env.Now())...)
}
