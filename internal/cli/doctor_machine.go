package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/condition"
	"borgcron/internal/config"
	"borgcron/internal/doctor"
	"borgcron/internal/machine"
	"borgcron/internal/notify"
	"borgcron/internal/status"
)

// program asks as root who else could replace what runs here.
func (x *examination) program(context.Context) []doctor.Finding {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return []doctor.Finding{doctor.Unseen(doctor.Program, err.Error())}
	}
	file := doctor.File{Path: path}
	if where := x.env.where(); where.UID == 0 {
		file.Risk = where.Unsafe(path)
	} else if info, err := os.Stat(path); err == nil {
		file.Mode = uint32(info.Mode().Perm() & 0o002)
	}
	return doctor.JudgeSafe(doctor.Program, []doctor.File{file})
}

// files asks who else can write to the configuration. As root that is part of reading it.
func (x *examination) files(context.Context) []doctor.Finding {
	var files []doctor.File
	if os.Getuid() != 0 {
		for _, path := range x.loaded.Files {
			if info, err := os.Stat(path); err == nil {
				files = append(files, doctor.File{Path: path, Mode: uint32(info.Mode().Perm())})
			}
		}
	}
	return doctor.JudgeSafe(doctor.ConfigurationSafe, files)
}

func (x *examination) stateFolder(ctx context.Context) []doctor.Finding {
	folder := x.loaded.State
	owner := username()
	if x.state != nil {
		if name, other := ownerOf(folder); other {
			return doctor.JudgeOtherState(folder, name)
		}
		return doctor.JudgeState(folder, owner, x.state, 0, "", -1)
	}
	var foreign foreignFiles
	if os.Geteuid() != 0 {
		foreign = lookForeign(ctx, folder, unix.W_OK)
	}
	free, err := condition.Free(folder)
	if err != nil {
		free = -1
	}
	return doctor.JudgeState(folder, owner, nil, foreign.count, foreign.first, free)
}

// ownerOf names the owner of a folder, and tells whether that is another user than ours.
func ownerOf(path string) (name string, other bool) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return "", false
	}
	return machine.UserName(int(stat.Uid)), true
}

// mostFiles is how many files are looked at in one folder: enough to meet what one run as root leaves behind.
const mostFiles = 20000

// foreignFiles are those of other users below a folder.
type foreignFiles struct {
	looked, count int
	first, owner  string
}

// deepEnough is how far down the files of borg and of ours lie.
const deepEnough = 3

// lookForeign walks down a folder for files of other users to which we do not have the wanted access (as to those of a group
// we may have); as root, for all that are of others. What cannot be entered is passed over: it is one of them itself.
func lookForeign(ctx context.Context, folder string, wanted uint32) foreignFiles {
	var f foreignFiles
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil || f.looked >= mostFiles {
			return filepath.SkipAll
		}
		if err != nil {
			return filepath.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // it is gone meanwhile
		}
		f.looked++
		if uid, foreign := machine.Foreign(path, info, wanted); foreign {
			if f.count++; f.count == 1 {
				f.first, f.owner = path, machine.UserName(uid)
			}
		}
		if relative, _ := filepath.Rel(folder, path); entry.IsDir() && relative != "." && strings.Count(relative, "/")+1 >= deepEnough {
			return filepath.SkipDir
		}
		return nil
	})
	return f
}

func (x *examination) records(context.Context) []doctor.Finding {
	return doctor.JudgeHistory(x.unread, x.absent())
}

func (x *examination) clock(context.Context) []doctor.Finding {
	return doctor.JudgeClock(machine.Synchronised())
}

// places compares borg's ids of all repositories, as they are on record.
func (x *examination) places(ctx context.Context) []doctor.Finding {
	if x.blind() {
		return []doctor.Finding{doctor.Unseen(doctor.SameRepository, noRecordsRead)}
	}
	var places []doctor.Place
	for i := range x.loaded.Jobs {
		job := &x.loaded.Jobs[i]
		for _, repository := range job.Repositories {
			last := x.recall(ctx, backup.Target{Job: job, Repository: repository})
			places = append(places, doctor.Place{Key: repository.Key(), Name: job.RepositoryName(repository), ID: last.Shared.ID})
		}
	}
	return doctor.JudgePlaces(places)
}

// metrics asks whether the file of the metrics can be put in its place.
func (x *examination) metrics(context.Context) []doctor.Finding {
	file := string(x.loaded.Metrics.Textfile)
	if file == "" {
		return nil
	}
	err := unix.Access(filepath.Dir(file), unix.W_OK|unix.X_OK)
	if err != nil {
		err = fmt.Errorf("%s cannot be written: %w", file, err)
	}
	return doctor.JudgeMetrics(file, err)
}

// channels reaches for those of the jobs, all at the same time.
func (x *examination) channels(ctx context.Context) []doctor.Finding {
	channels := slices.DeleteFunc(slices.Clone(x.loaded.Notify), func(c config.NamedChannel) bool {
		return !slices.ContainsFunc(x.jobs, func(job backup.Job) bool { return slices.Contains(job.Notify, c.Name) })
	})
	tried := make([]doctor.Tried, len(channels))
	answers := make(chan struct{}, len(channels))
	for i, channel := range channels {
		tried[i].Name = channel.Name
		go func() {
			x.tryChannel(ctx, channel, &tried[i])
			answers <- struct{}{}
		}()
	}
	for range channels {
		<-answers
	}
	return doctor.JudgeChannels(tried, len(x.jobs))
}

// channelTime is how long a channel may take.
const channelTime = 15 * time.Second

func (x *examination) tryChannel(ctx context.Context, channel config.NamedChannel, tried *doctor.Tried) {
	ctx, cancel := context.WithTimeoutCause(ctx, channelTime, fmt.Errorf("no answer within %v", channelTime))
	defer cancel()
	near := channel.Type == "desktop" || channel.Type == "command" || channel.Sendmail != ""
	prober, can := x.env.channel(x.loaded, channel.Channel).(notify.Prober)
	switch {
	case !can:
	case x.options.offline && !near:
		tried.Skipped = true
	default:
		tried.Failed = prober.Probe(ctx)
		tried.Nobody = errors.Is(tried.Failed, notify.ErrNobody)
	}
}

// recent tells whether some job has a success that is not stale: something starts runs.
func (x *examination) recent() bool {
	return slices.ContainsFunc(x.rows, func(row status.Row) bool { return row.LastSuccess != nil && !row.Stale })
}
