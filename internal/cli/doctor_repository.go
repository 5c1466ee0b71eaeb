package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/condition"
	"borgcron/internal/doctor"
	"borgcron/internal/lock"
)

const (
	// clockSlack is by how much a recorded time may lie in the future.
	clockSlack = 2 * time.Minute
	// growthRuns is how many runs back the growth of a repository is looked at.
	growthRuns = 60
)

// repository looks at one repository and the way to it: first what needs no borg there, then under its lock what does.
func (x *examination) repository(ctx context.Context, target backup.Target) []doctor.Finding {
	r := target.Repository
	last := x.recall(ctx, target)
	version, versionError := x.client.Version(ctx, r)
	findings := doctor.JudgeBorg(doctor.Version(version), versionError)
	secret := x.secret(ctx, r, last.Shared.Encryption)
	findings = append(findings, secret...)
	usable := versionError == nil && doctor.Worst(secret) < doctor.Failure
	if !r.IsLocal() {
		server := x.server(ctx, target, doctor.Version(version))
		findings = append(findings, server...)
		usable = usable && doctor.Worst(server) < doctor.Failure
	}
	findings = append(findings, x.alarm(target, last)...)
	findings = append(findings, doctor.JudgeRoom(x.room(ctx, r))...)
	if x.blind() {
		findings = append(findings, doctor.Unseen(doctor.Key, noRecordsRead))
	} else {
		findings = append(findings, doctor.JudgeKey(last.Shared, nameOf(target))...)
	}
	switch {
	case x.state != nil:
		return append(findings, doctor.Unseen(doctor.Repository, "without the state folder there is no lock"))
	case x.options.offline && !r.IsLocal():
		return append(findings, x.localLock(target)...)
	}
	return append(findings, x.locked(ctx, target, last, usable)...)
}

// secret tries to read the passphrase. It is known then whether it can be; whether it is the right one the repository tells.
func (x *examination) secret(ctx context.Context, r backup.Repository, encryption string) []doctor.Finding {
	var err error
	if !r.Passphrase.IsZero() {
		bounded, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		_, err = x.client.Secret(bounded, r.Passphrase)
	}
	return doctor.JudgeSecret(r.Passphrase, err, encryption)
}

// server judges how ssh is called, and logs in.
func (x *examination) server(ctx context.Context, target backup.Target, version doctor.Version) []doctor.Finding {
	r := target.Repository
	ssh := doctor.SSH{Options: r.SSH.Options, Retries: target.Job.Retry.Retries, Wait: target.Job.Retry.Wait, Identity: r.SSH.Identity}
	if ssh.Identity != "" {
		info, err := os.Stat(ssh.Identity)
		if ssh.Missing = err; err == nil {
			ssh.Missing = unix.Access(ssh.Identity, unix.R_OK)
			ssh.Mode = uint32(info.Mode().Perm())
			_, ssh.Foreign = ownerOf(ssh.Identity)
		}
	}
	findings := doctor.JudgeSSH(ssh)
	if x.options.offline {
		return append(findings, doctor.Unseen(doctor.HostKey, "--offline"), doctor.Unseen(doctor.Login, "--offline"), doctor.Unseen(doctor.Repository, "--offline"))
	}
	server := doctor.Server{
		KnownHosts: r.SSH.KnownHosts, Port: r.SSH.Port, Local: version,
		Name: target.Job.RepositoryName(r), RemotePath: r.RemotePath,
	}
	if server.Port == 0 {
		server.Port = borg.Port(r.Location)
	}
	return append(findings, doctor.JudgeServer(x.logIn(ctx, target, server))...)
}

// logIn tries without the session's key agent first: no timer has one.
func (x *examination) logIn(ctx context.Context, target backup.Target, server doctor.Server) doctor.Server {
	ctx, cancel := context.WithTimeout(ctx, probeTime+10*time.Second) // ssh itself waits for 30 s
	defer cancel()
	call := backup.Call{Job: target.Job, Repository: target.Repository}
	version, said, err := x.client.ServerVersion(ctx, call, false)
	if errors.Is(err, borg.ErrDenied) && x.env.Getenv("SSH_AUTH_SOCK") != "" {
		if with, _, again := x.client.ServerVersion(ctx, call, true); again == nil {
			server.Agent, version, err = true, with, nil
		}
	}
	server.Said = said
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		server.Trouble, server.Said = doctor.TimedOut, "it does not answer"
	case errors.Is(err, borg.ErrNoSSH):
		server.Trouble, server.Said = doctor.NoSSH, err.Error()
	case errors.Is(err, borg.ErrUnknownHost):
		server.Trouble = doctor.UnknownHostKey
	case errors.Is(err, borg.ErrChangedHost):
		server.Trouble = doctor.ChangedHostKey
	case errors.Is(err, borg.ErrDenied):
		server.Trouble = doctor.Denied
	case errors.Is(err, borg.ErrNoBorg):
		server.Trouble = doctor.NoBorg
	case err != nil:
		server.Trouble = doctor.Unreachable
	case version != nil:
		there := doctor.Version(*version)
		server.Version = &there
	}
	return server
}

func (x *examination) alarm(target backup.Target, last backup.Last) []doctor.Finding {
	if x.state != nil {
		return nil
	}
	standing, err := x.alarms.Standing(target.Repository.Key())
	if standing == nil {
		standing = last.Shared.Alarm
	}
	return doctor.JudgeAlarm(standing, err, last.Shared.Suspect, target.Job.Name, nameOf(target))
}

// room is the free space, and the sizes on record of all runs on the repository.
func (x *examination) room(ctx context.Context, r backup.Repository) doctor.Room {
	room := doctor.Room{Local: r.IsLocal(), MinFree: r.MinFree}
	if room.Local {
		room.Free, room.Failed = condition.Free(r.Key())
	}
	if x.history == nil {
		return room
	}
	for _, target := range x.onRepository(r.Key()) {
		recent, err := x.history.Recent(ctx, target, growthRuns)
		if err != nil {
			continue
		}
		for _, figures := range recent {
			room.Points = append(room.Points, doctor.Point{At: figures.Began, Size: figures.RepositorySize})
		}
	}
	return room
}

// onRepository are all configured jobs that use it.
func (x *examination) onRepository(key string) (targets []backup.Target) {
	for i := range x.loaded.Jobs {
		for _, repository := range x.loaded.Jobs[i].Repositories {
			if repository.Key() == key {
				targets = append(targets, backup.Target{Job: &x.loaded.Jobs[i], Repository: repository})
			}
		}
	}
	return targets
}

// holder is who holds the local lock.
func (x *examination) holder(target backup.Target) doctor.Holder {
	holder, held, err := x.locks.Holder(target.Repository.Key())
	return doctor.Holder{
		Held: held, Job: holder.Job, PID: holder.PID, Since: holder.Since, Mounted: holder.Mounted,
		Gone: held && holder.PID != 0 && holder.Mounted == "" && holder.Gone(), Failed: err,
	}
}

func (x *examination) localLock(target backup.Target) []doctor.Finding {
	return doctor.JudgeHolder(x.holder(target), nameOf(target), x.env.Now())
}

// locked takes the local lock and looks at what only then can be looked at. A run that is going is left alone.
func (x *examination) locked(ctx context.Context, target backup.Target, last backup.Last, usable bool) []doctor.Finding {
	held, err := x.locks.Acquire(ctx, target.Repository.Key(), target.Job.Name, x.options.from.wait)
	var other *lock.HeldError
	switch {
	case errors.As(err, &other):
		holder := x.holder(target)
		if !holder.Held { // let go of right now
			holder = doctor.Holder{Held: true, Job: other.Job, PID: other.PID, Since: other.Since, Mounted: other.Mounted}
		}
		return append(doctor.JudgeHolder(holder, nameOf(target), x.env.Now()), doctor.Unseen(doctor.Repository, holder.Busy()))
	case ctx.Err() != nil:
		return []doctor.Finding{doctor.Unseen(doctor.Repository, "there was no time left for it")}
	case err != nil:
		return doctor.JudgeHolder(doctor.Holder{Failed: err}, nameOf(target), x.env.Now())
	}
	defer held.Close()
	evidence := x.client.Evidence(target.Repository, last.Shared.ID)
	evidence.Cut, evidence.Wait = last.Shared.Cut, target.Job.Retry.Wait
	findings := append(doctor.JudgeHolder(doctor.Holder{}, "", x.env.Now()), doctor.JudgeLock(evidence, nameOf(target), x.env.Now())...)
	switch {
	case !usable:
		return append(findings, doctor.Unseen(doctor.Repository, "what it takes is not there, see above"))
	case len(evidence.Holders) > 0:
		return append(findings, doctor.Unseen(doctor.Repository, "it is locked"))
	}
	return append(findings, x.open(ctx, target, held)...)
}

// open lists the archives, as every run can be made to: with the passphrase, and without being asked anything.
func (x *examination) open(ctx context.Context, target backup.Target, held *lock.Held) []doctor.Finding {
	call := backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}
	archives, err := x.client.Archives(ctx, call, "*")
	opened := doctor.Opened{Name: nameOf(target), Archives: archives}
	if err != nil {
		opened.Failure, opened.Late = backup.AsFailure("list", err), ctx.Err() != nil
		opened.Failure.Hint = strings.TrimSpace(opened.Failure.Hint)
		return doctor.JudgeOpened(opened)
	}
	chains := doctor.Chains{Single: target.Repository.Single}
	for _, archive := range archives {
		chains.Archives = append(chains.Archives, archive.Name)
	}
	for _, other := range x.onRepository(target.Repository.Key()) {
		if other.Job.Prune.Match == "" { // what is wrong with it is told
			return append(doctor.JudgeOpened(opened), doctor.Unseen(doctor.Series, fmt.Sprintf("job %s is not known", other.Job.Name)))
		}
		chains.Patterns = append(chains.Patterns, other.Job.Prune.Match, other.Job.DumpsMatch())
	}
	return append(doctor.JudgeOpened(opened), doctor.JudgeSeries(chains, nameOf(target))...)
}

// owners looks for files of other users where borg writes as this one.
func (x *examination) owners(ctx context.Context, target backup.Target) []doctor.Finding {
	var found []doctor.Foreign
	looked := 0
	look := func(what, folder, shown string, wanted uint32) {
		files := lookForeign(ctx, folder, wanted)
		if looked += files.looked; files.count > 0 {
			found = append(found, doctor.Foreign{What: what, Folder: shown, Count: files.count, Of: files.owner, User: username(), Root: os.Geteuid() == 0})
		}
	}
	refusal := x.client.CheckOwner(ctx, target.Repository) // what is deeper down, and keys, stops borg later if at all
	var findings []doctor.Finding
	for _, folder := range x.client.Folders(target.Repository) {
		wanted := uint32(unix.W_OK)
		if folder.Path == target.Repository.Keys {
			wanted = unix.R_OK // nothing but `init` writes there
		}
		look(folder.What, folder.Path, folder.Path, wanted)
		if free, err := condition.Free(folder.Path); err == nil {
			findings = append(findings, doctor.JudgeSmallRoom(folder.What+" ("+folder.Path+")", free)...)
		}
	}
	if refusal != nil {
		findings = append(findings, doctor.JudgeRefused(backup.AsFailure("", refusal)))
	} else {
		findings = append(findings, doctor.JudgeForeign(doctor.CacheOwner, looked, found)...)
	}
	if r := target.Repository; r.IsLocal() {
		found, looked = nil, 0
		look("the repository", r.Key(), "", unix.W_OK)
		findings = append(findings, doctor.JudgeForeign(doctor.RepositoryOwner, looked, found)...)
	}
	return findings
}
