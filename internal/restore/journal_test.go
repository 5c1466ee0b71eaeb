package restore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"borgcron/internal/backup"
	"borgcron/internal/restore"
)

func TestJournal(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	journals := &restore.Journals{Dir: filepath.Join(t.TempDir(), "restores"), Now: func() time.Time { return now }}
	request := restore.Request{Job: "home", Dir: "/x", Archive: "latest", Paths: []string{"a", "b"}}
	if journal, err := journals.Open(request); journal != nil || err != nil {
		t.Fatal(journal, err)
	}
	began := &restore.Journal{
		Repository: "key", Archive: backup.Archive{Name: "n", ID: "i", Time: now}, Existing: restore.Skip, Stamp: "S", Began: now,
		Boot: "b", Before: []string{"a\nb", "latin \xe9", ""},
	}
	must(t, journals.Begin(request, began))
	began.Failed = []string{"f"}
	must(t, journals.Save(request, began))
	got, err := journals.Open(request)
	must(t, err)
	if diff := cmp.Diff(began, got, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
	for _, other := range []restore.Request{
		{Job: "home", Dir: "/x", Archive: "latest", Paths: []string{"a"}}, {Job: "home", Dir: "/x", Archive: "latest", Paths: []string{"ab"}},
		{Job: "home", Dir: "/y", Archive: "latest", Paths: []string{"a", "b"}}, {Job: "home", Dir: "/x", Archive: "a", Paths: []string{"a", "b"}},
	} {
		if journal, err := journals.Open(other); journal != nil || err != nil {
			t.Errorf("%+v continues another one", other)
		}
	}
	must(t, journals.End(request))
	if entries, err := os.ReadDir(journals.Dir); err != nil || len(entries) > 0 {
		t.Error(entries, err)
	}
}

func TestStaleJournalsAreDropped(t *testing.T) {
	now := time.Now()
	journals := &restore.Journals{Dir: t.TempDir(), Now: func() time.Time { return now }}
	request := restore.Request{Job: "home", Dir: "/x"}
	must(t, journals.Begin(request, &restore.Journal{}))
	now = now.Add(restore.Stale - time.Hour)
	if journal, err := journals.Open(request); journal == nil || err != nil {
		t.Error(journal, err)
	}
	now = now.Add(2 * time.Hour)
	if journal, err := journals.Open(request); journal != nil || err != nil {
		t.Error(journal, err)
	}
	if entries, _ := os.ReadDir(journals.Dir); len(entries) > 0 {
		t.Error(entries)
	}
}

func TestTrust(t *testing.T) {
	synced := time.Now()
	for _, test := range []struct {
		then, now string
		changed   time.Duration
		want      bool
	}{
		{"a", "a", time.Hour, true}, {"a", "b", time.Hour, false}, {"a", "b", -time.Hour, true}, {"", "", time.Hour, false}, {"", "", -time.Hour, true},
	} {
		journal := restore.Journal{Boot: test.then, Synced: synced}
		if got := journal.Former(test.now).Trust(synced.Add(test.changed)); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"version":1,"job":"home","dir":"/x"}`), []byte("\x1f\x8b"))
	f.Add([]byte(`{`), []byte(""))
	f.Fuzz(func(t *testing.T, text, names []byte) {
		journals := &restore.Journals{Dir: t.TempDir(), Now: time.Now}
		request := restore.Request{Job: "home", Dir: "/x"}
		must(t, journals.Begin(request, &restore.Journal{}))
		entries, err := os.ReadDir(journals.Dir)
		must(t, err)
		for _, entry := range entries {
			content := text
			if filepath.Ext(entry.Name()) == ".before" {
				content = names
			}
			must(t, os.WriteFile(filepath.Join(journals.Dir, entry.Name()), content, 0o600))
		}
		if journal, err := journals.Open(request); err == nil && (journal == nil || journal.Dir != "/x") {
			t.Errorf("%+v", journal)
		}
	})
}
