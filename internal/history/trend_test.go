package history

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// daily tells of a run a day later, whose archive is what change makes of it.
func daily(t *testing.T, store *Store, c *clock, target backup.Target, id string, change func(*backup.StepResult)) {
	t.Helper()
	c.t = c.t.Add(24 * time.Hour)
	s := newScript(t, store, c, target, id)
	s.run.Repository = target.Repository.Name
	s.begin()
	create := s.beginStep(backup.Create)
	create.Report = backup.Report{
		Archive: archive("a-"+id, c.t), RepositoryID: "abc", Files: 10, OriginalSize: 2000, DeduplicatedSize: 300, RepositorySize: 40000,
	}
	change(create)
	s.endStep(create)
	s.end()
}

func TestRecentFigures(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	home, work := target("home", "/repo"), target("work", "/repo")
	files := func(n int64) func(*backup.StepResult) { return func(r *backup.StepResult) { r.Report.Files = n } }
	daily(t, store, c, home, "1", files(1))
	daily(t, store, c, work, "2", files(2))
	daily(t, store, c, home, "3", func(r *backup.StepResult) { r.Report, r.Outcome = backup.Report{}, backup.Failed })
	daily(t, store, c, home, "4", func(r *backup.StepResult) { r.Breached, r.Outcome = true, backup.Warned })
	daily(t, store, c, home, "5", func(r *backup.StepResult) { r.Outcome = backup.Failed }) // a source was gone afterwards
	daily(t, store, c, home, "6", func(r *backup.StepResult) { r.Attempts, r.Report.RepositoryID = 3, "other" })
	changed := target("home", "/repo")
	changed.Job.Exclude = []string{"*.iso"}
	daily(t, store, c, changed, "7", files(7))
	open := newScript(t, store, c, home, "8") // the run that asks
	open.begin()
	create := open.beginStep(backup.Create)
	create.Report.Archive = archive("a-8", c.t)
	open.endStep(create)

	at := func(days int, repository string, files int64, took time.Duration) backup.Figures {
		return backup.Figures{
			Began: start.Add(time.Duration(days)*24*time.Hour + time.Duration(days-1)*time.Minute).Local(), RepositoryID: repository,
			Files: files, OriginalSize: 2000, NewData: 300, RepositorySize: 40000, Duration: took,
		}
	}
	for _, test := range []struct {
		name   string
		target backup.Target
		n      int
		want   []backup.Figures
	}{
		{"of the job", home, 30, []backup.Figures{at(6, "other", 10, 0), at(1, "abc", 1, time.Minute)}},
		{"the last one", home, 1, []backup.Figures{at(6, "other", 10, 0)}},
		{"another selection", changed, 30, []backup.Figures{at(7, "abc", 7, time.Minute)}},
		{"another job", work, 30, []backup.Figures{at(2, "abc", 2, time.Minute)}},
		{"another repository", target("home", "/elsewhere"), 30, nil},
	} {
		got, err := store.Recent(t.Context(), test.target, test.n)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", test.name, err, diff)
		}
	}
}

func TestTrends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{start}
	store := openStore(t, path, c.now)
	usb := target("home", "/usb")
	usb.Repository.Name = "usb"
	grow := func(n int) func(*backup.StepResult) {
		return func(r *backup.StepResult) { r.Report.OriginalSize += int64(n) * 100 }
	}
	for i := range 6 {
		daily(t, store, c, target("home", "/repo"), fmt.Sprint("home-", i), grow(i))
		daily(t, store, c, usb, fmt.Sprint("usb-", i), grow(-i))
		if i > 1 {
			daily(t, store, c, target("work", "/repo"), fmt.Sprint("work-", i), grow(i)) // four: too few
		}
	}
	trend := func(repository string, minute, change int) Trend {
		return Trend{"home", repository, backup.Trend{
			Runs: 6, Since: start.Add(24*time.Hour*time.Duration(minute+1) + time.Minute*time.Duration(minute)).Local(),
			Duration: 60, NewData: 300, Files: 10, OriginalSizeChange: int64(change),
		}}
	}
	nas, disk := trend("nas", 0, 300), trend("usb", 1, -300)
	for name, test := range map[string]struct {
		query Query
		want  []Trend
	}{
		"all":            {Query{Limit: 1}, []Trend{nas, disk}},
		"a job":          {Query{Job: "home"}, []Trend{nas, disk}},
		"too few":        {Query{Job: "work"}, nil},
		"none":           {Query{Job: "none"}, nil},
		"a repository":   {Query{Repository: "usb"}, []Trend{disk}},
		"both":           {Query{Job: "home", Repository: "nas"}, []Trend{nas}},
		"no repository":  {Query{Repository: "none"}, nil},
		"of another job": {Query{Job: "work", Repository: "usb"}, nil},
	} {
		got, err := store.Trends(t.Context(), test.query)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}

	changed := target("home", "/repo")
	changed.Job.Sources = []string{"/srv"}
	daily(t, store, c, changed, "changed", grow(0))
	got, err := store.Trends(t.Context(), Query{})
	if diff := cmp.Diff([]Trend{disk}, got); diff != "" || err != nil {
		t.Errorf("after the selection has changed: %v %s", err, diff)
	}
}

// A history of an older form, which no run has touched yet, can be read.
func TestOlderFormIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	first, err := migrations.ReadFile("migrations/0001.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(string(first) + fmt.Sprintf(`; PRAGMA application_id=%d; PRAGMA user_version=1;
		INSERT INTO runs (id, job, repository, repository_key, outcome, started, ended, heard) VALUES ('r1', 'home', 'nas', '/repo', 'succeeded', 1, 2, 2);
		INSERT INTO targets VALUES ('home', '/repo', '{}')`, applicationID))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(store *Store, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		runs, err := store.Runs(t.Context(), Query{Job: "home"})
		if err != nil || len(runs) != 1 {
			t.Errorf("%v, %v", runs, err)
		}
		if trends, err := store.Trends(t.Context(), Query{}); err != nil || trends != nil {
			t.Errorf("%v, %v", trends, err)
		}
	}
	read(OpenReader(t.Context(), path, time.Now))
	read(Open(t.Context(), path, time.Now)) // brings it to the newest form
	read(OpenReader(t.Context(), path, time.Now))
}
