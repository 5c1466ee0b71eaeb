package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"borgcron/internal/backup"
)

const (
	// deliverTimeout bounds the delivery of one message.
	deliverTimeout = 30 * time.Second
	// hurriedTimeout bounds all deliveries once we are being ended.
	hurriedTimeout = 8 * time.Second
	// startTimeout bounds the telling of a run's start, which nobody waits for longer.
	startTimeout = 5 * time.Second
	// worthKnowing is how long a monitor may be told late that all is well: it takes that for now.
	worthKnowing = 6 * time.Hour
)

// Post is a channel as it is configured.
type Post struct {
	Name    string
	On      []string // the news that it takes, or "all"
	Monitor bool     // it watches runs: it hears how each one ended, told before or not
	Newest  bool     // only the newest message about a job is worth anything there
	Channel Channel
}

// Outbox keeps the messages until they are delivered, and what was told of whom.
type Outbox interface {
	// Tell lets decide look at what was told of a job on a repository and change it, and keeps the letters that it
	// returns, all in one go.
	Tell(ctx context.Context, t backup.Target, decide func(told *backup.Told) []backup.Letter) error
	// Claim returns the letters to a channel that wait, the oldest first, and keeps others from delivering them until then.
	Claim(ctx context.Context, channel string, until time.Time) ([]backup.Letter, error)
	// Settle drops a letter that was delivered, or lets one wait that could not be (with Problem set).
	Settle(ctx context.Context, letter backup.Letter) error
}

// Dispatcher decides who is told what, and sees that it arrives. Nothing that it does changes a run.
type Dispatcher struct {
	Posts    []Post
	Outbox   Outbox
	Host     string
	Standing func(t backup.Target) backup.Standing // how the job stands now
	Row      func(run backup.Run) any              // the stable form of a run
	Exit     func(outcome backup.Outcome) int      // the exit code that an outcome asks for
	Now      func() time.Time
	Log      *slog.Logger

	spare  Memory                     // for what the outbox would not take: better told and perhaps lost than not told at all
	starts sync.WaitGroup             // messages of starts that are on their way
	before map[string]backup.Standing // how those at work stood before, by topic

	mu   sync.Mutex
	down map[string]bool // channels that could not be reached: this process does not try them again
}

// Observe takes note of what a run's event makes worth telling. Only the start of a run is told at once;
// all else is kept and waits for Deliver, so that nothing is sent while a lock is held.
func (d *Dispatcher) Observe(ctx context.Context, e backup.Event) error {
	switch e.Kind {
	case backup.RunStarted:
		if d.before == nil {
			d.before = map[string]backup.Standing{}
		}
		d.before[backup.Topic(e.Target, false)] = d.Standing(e.Target)
		d.start(ctx, e)
	case backup.RunEnded:
		return d.runEnded(ctx, e)
	}
	return nil
}

// start tells the channels that watch runs. Nobody waits for them.
func (d *Dispatcher) start(ctx context.Context, e backup.Event) {
	for _, post := range d.posts(e.Target) {
		starter, ok := post.Channel.(Starter)
		if !ok || d.isDown(post) {
			continue
		}
		message := Message{Time: e.Time, Host: d.Host, Job: e.Run.Job, Repository: e.Run.Repository, RunID: e.Run.ID}
		d.starts.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, startTimeout)
			defer cancel()
			if err := starter.Start(ctx, message); err != nil {
				d.Log.Info("the start could not be told", "channel", post.Name, "error", err)
			}
			if ctx.Err() != nil {
				d.setDown(post)
			}
		})
	}
}

func (d *Dispatcher) runEnded(ctx context.Context, e backup.Event) error {
	if len(d.posts(e.Target)) == 0 {
		return nil
	}
	standing := d.Standing(e.Target)
	return d.tell(ctx, e.Target, func(told *backup.Told) tidings {
		news := told.Run(e.Run, standing, d.Now())
		if before := d.before[backup.Topic(e.Target, false)]; standing.Well && (before.Failed || before.Stale) && !slices.Contains(news, backup.NewsRecovered) {
			i := len(news) // what was told of it then is not known any more
			if e.Run.Outcome == backup.Succeeded {
				i = slices.Index(news, backup.NewsSucceeded)
			}
			news = slices.Insert(news, i, backup.NewsRecovered)
		}
		again := slices.Contains(news, backup.NewsRecovered)
		return tidings{news, outcomeNews(e.Run.Outcome, standing), func(event backup.News) Message {
			return d.ofRun(e, event, again, standing)
		}}
	})
}

// Look tells what is to be told although no run ended: that a job has become stale, or that all is well again.
func (d *Dispatcher) Look(ctx context.Context, t backup.Target) error {
	standing := d.Standing(t)
	return d.tell(ctx, t, func(told *backup.Told) tidings {
		return tidings{told.Look(standing, d.Now()), "", func(event backup.News) Message { return d.ofLook(t, event, standing) }}
	})
}

// tidings are what there is to tell, and how it is said.
type tidings struct {
	news    []backup.News // the gravest first
	outcome backup.News   // how the run ended, told before or not; "" if none did
	compose func(backup.News) Message
}

// outcomeNews is what an outcome is as news.
func outcomeNews(outcome backup.Outcome, standing backup.Standing) backup.News {
	well := outcome == backup.Succeeded || outcome == backup.Warned
	switch {
	case !outcome.Ran(), well && (standing.Failed || standing.Stale): // a step went well, and there still is no backup
		return backup.NewsSkipped
	case outcome == backup.Succeeded:
		return backup.NewsSucceeded
	case outcome == backup.Warned:
		return backup.NewsWarning
	case standing.Alarm:
		return backup.NewsAlarm
	}
	return backup.NewsFailed
}

// tell writes a letter to each of the job's channels that takes one of the news. What was told is noted even
// if no channel takes it: one that comes later wants to hear of what happens then.
func (d *Dispatcher) tell(ctx context.Context, t backup.Target, decide func(*backup.Told) tidings) error {
	var failures []error
	write := func(told *backup.Told) (letters []backup.Letter) {
		tidings := decide(told)
		for _, post := range d.posts(t) {
			event := post.takes(tidings)
			if event == "" {
				continue
			}
			body, err := json.Marshal(tidings.compose(event))
			failures = append(failures, err)
			body = withoutLocation(body, t)
			topic := backup.Topic(t, event == backup.NewsSkipped)
			letters = append(letters, backup.Letter{Channel: post.Name, Topic: topic, Newest: post.Newest, Made: d.Now(), Body: body})
		}
		return letters
	}
	err := d.Outbox.Tell(ctx, t, write)
	if err != nil {
		failures = append(failures, d.spare.Tell(ctx, t, write))
	}
	return errors.Join(append(failures, err)...)
}

// shortLocation is too short to be looked for: it would be found in other words.
const shortLocation = 4

// withoutLocation says the name of the repository wherever a hook has printed where it is: that does not leave the
// machine. Borg's own words come without it.
func withoutLocation(body []byte, t backup.Target) []byte {
	location, err := json.Marshal(t.Repository.Location)
	if err != nil || len(t.Repository.Location) < shortLocation {
		return body
	}
	name, err := json.Marshal(t.Job.RepositoryName(t.Repository))
	if err != nil {
		return body
	}
	return bytes.ReplaceAll(body, location[1:len(location)-1], name[1:len(name)-1])
}

// takes returns the gravest of the news that the channel takes, "" if it takes none.
func (p Post) takes(t tidings) backup.News {
	if p.Monitor {
		return t.outcome
	}
	for _, event := range t.news {
		if slices.Contains(p.On, "all") || slices.Contains(p.On, string(event)) ||
			event == backup.NewsAlarm && slices.Contains(p.On, string(backup.NewsFailed)) { // it is a failure too
			return event
		}
	}
	return ""
}

// posts are the channels of a job.
func (d *Dispatcher) posts(t backup.Target) []Post {
	var posts []Post
	for _, post := range d.Posts {
		if slices.Contains(t.Job.Notify, post.Name) {
			posts = append(posts, post)
		}
	}
	return posts
}
