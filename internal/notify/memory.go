package notify

import (
	"context"
	"slices"
	"sync"
	"time"

	"borgcron/internal/backup"
)

// Memory is an outbox for when the history cannot be used: what cannot be delivered is lost with the process, and
// what former processes told is not known. Better told twice than not at all.
type Memory struct {
	mu      sync.Mutex
	told    map[string]*backup.Told // by the job's name and the repository's key
	letters []backup.Letter
	next    int64
}

// Tell keeps the letters.
func (m *Memory) Tell(_ context.Context, t backup.Target, decide func(*backup.Told) []backup.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := backup.Topic(t, false)
	if m.told == nil {
		m.told = map[string]*backup.Told{}
	}
	if m.told[key] == nil {
		m.told[key] = &backup.Told{}
	}
	for _, letter := range decide(m.told[key]) {
		m.next++
		letter.ID = m.next
		m.letters = append(m.letters, letter)
	}
	return nil
}

// Claim returns the letters of a channel.
func (m *Memory) Claim(_ context.Context, channel string, _ time.Time) (letters []backup.Letter, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, letter := range m.letters {
		if letter.Channel == channel {
			letters = append(letters, letter)
		}
	}
	return letters, nil
}

// Settle drops a letter that was delivered, and lets others wait.
func (m *Memory) Settle(_ context.Context, letter backup.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.letters, func(l backup.Letter) bool { return l.ID == letter.ID })
	switch {
	case i < 0: // somebody else has settled it
	case letter.Problem == "":
		m.letters = slices.Delete(m.letters, i, i+1)
	default:
		m.letters[i] = letter
	}
	return nil
}

// waits tells whether a channel has letters here.
func (m *Memory) waits(channel string) bool {
	letters, _ := m.Claim(context.Background(), channel, time.Time{})
	return len(letters) > 0
}
