package history

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// write puts letters with these bodies into the outbox.
func write(t *testing.T, store *Store, topic string, newest bool, bodies ...string) {
	t.Helper()
	err := store.Tell(t.Context(), target("home", "/mnt/nas"), func(*backup.Told) (letters []backup.Letter) {
		for _, body := range bodies {
			letters = append(letters, backup.Letter{Channel: "mail", Topic: topic, Newest: newest, Made: store.now(), Body: []byte(body)})
		}
		return letters
	})
	if err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, store *Store, until time.Time) []backup.Letter {
	t.Helper()
	letters, err := store.Claim(t.Context(), "mail", until)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func bodies(letters []backup.Letter) string {
	var all []string
	for _, letter := range letters {
		all = append(all, string(letter.Body))
	}
	return strings.Join(all, " ")
}

// TestToldIsKept: what was told is what the next one finds, of each job on each repository alone.
func TestToldIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{start}
	store := openStore(t, path, c.now)
	told := backup.Told{Troubles: map[string]time.Time{"failed create": start}, Stale: true}
	for _, job := range []string{"home", "work"} {
		err := store.Tell(t.Context(), target(job, "/mnt/nas"), func(known *backup.Told) []backup.Letter {
			if diff := cmp.Diff(backup.Told{}, *known); diff != "" {
				t.Errorf("%s is known before anything was told:\n%s", job, diff)
			}
			*known = told
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	store.Close()
	store = openStore(t, path, c.now)
	err := store.Tell(t.Context(), target("home", "/mnt/nas"), func(known *backup.Told) []backup.Letter {
		if diff := cmp.Diff(told, *known); diff != "" {
			t.Errorf("what was told (-want +got):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLetters follows letters from the writing to the delivery.
func TestLetters(t *testing.T) {
	c := &clock{start}
	path := filepath.Join(t.TempDir(), "history.db")
	store, other := openStore(t, path, c.now), openStore(t, path, c.now)
	write(t, store, "home", false, "one", "two")
	letters := claim(t, store, start.Add(time.Minute))
	if got := bodies(letters); got != "one two" {
		t.Fatalf("claimed %q", got)
	}
	if got := claim(t, other, start.Add(time.Minute)); len(got) > 0 {
		t.Errorf("two processes deliver %q", bodies(got))
	}
	letters[1].Problem, letters[1].Tries = "answered 500", 1
	for _, letter := range letters {
		if err := store.Settle(t.Context(), letter); err != nil {
			t.Fatal(err)
		}
	}
	waiting, err := other.WaitingLetters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Waiting{{Channel: "mail", Count: 1, Since: start, Problem: "answered 500"}}
	if diff := cmp.Diff(want, waiting); diff != "" {
		t.Errorf("what waits (-want +got):\n%s", diff)
	}
	letters = claim(t, other, start.Add(time.Minute))
	if bodies(letters) != "two" || letters[0].Tries != 1 || !letters[0].Made.Equal(start) {
		t.Errorf("it waits as %+v", letters)
	}
	c.t = c.t.Add(2 * time.Minute) // whoever claimed it is dead
	if got := bodies(claim(t, store, c.t.Add(time.Minute))); got != "two" {
		t.Errorf("claimed %q after the claim was over", got)
	}
	c.t = c.t.Add(-365 * 24 * time.Hour) // the clock was a year ahead
	if got := bodies(claim(t, store, c.t.Add(time.Minute))); got != "two" {
		t.Errorf("claimed %q after the clock was set back", got)
	}
}

// TestLettersFallAway: those that a newer one replaces, those that are old, and those that are too many.
func TestLettersFallAway(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	until := func() time.Time { return c.t } // no claim
	write(t, store, "home", true, "one", "two")
	write(t, store, "work", true, "three")
	if got := bodies(claim(t, store, until())); got != "two three" {
		t.Errorf("newest of each topic: %q", got)
	}
	c.t = c.t.Add(8 * 24 * time.Hour)
	write(t, store, "home", false, "four")
	if got := bodies(claim(t, store, until())); got != "four" {
		t.Errorf("after 8 days: %q", got)
	}
	for i := range 2 * mostLetters {
		write(t, store, "home", false, fmt.Sprint(i))
	}
	waiting, err := store.WaitingLetters(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].Count != mostLetters {
		t.Errorf("%+v wait, %v; want %d", waiting, err, mostLetters)
	}
	if got := claim(t, store, until()); string(got[0].Body) != fmt.Sprint(mostLetters) || len(got) != mostClaimed {
		t.Errorf("the oldest of %d is %s", len(got), got[0].Body)
	}
}
