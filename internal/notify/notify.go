// Package notify tells people and programs how the backups are, over the channels that the owner has configured.
//
// A channel is a file here: it knows how to deliver one message, and nothing of when and to whom.
package notify

import (
	"context"
	"encoding/json"
	"time"

	"borgcron/internal/backup"
)

// Message is what is told. Every text in it is free of control characters (Text of all but line breaks), of
// secrets and of locations of repositories.
type Message struct {
	Event      backup.News     `json:"event"`
	Time       time.Time       `json:"time"` // when it happened
	Host       string          `json:"host"`
	Job        string          `json:"job"`        // "" in a test
	Repository string          `json:"repository"` // the name it is called by
	State      string          `json:"state"`      // as in `status --json`
	Run        json.RawMessage `json:"run"`        // the row of `history --json`; null if no run is the cause
	RunID      string          `json:"run_id"`
	Outcome    string          `json:"outcome"`
	Archive    string          `json:"archive"`
	Problem    string          `json:"problem"`
	Exit       int             `json:"exit"`  // the exit code that a run of this job alone would have
	Title      string          `json:"title"` // one line, such as "laptop: backup of home failed"
	Text       string          `json:"text"`  // some lines for people: what happened, figures, what to do
	Tail       []string        `json:"tail"`  // the end of the run's log
}

// Channel delivers messages. Deliver returns nil once the other side has taken the message. It obeys the
// context, which bounds it. Errors name neither addresses nor anything secret: they are logged and kept.
type Channel interface {
	Deliver(ctx context.Context, m Message) error
}

// Starter is a channel that also hears of a run's start.
type Starter interface {
	Start(ctx context.Context, m Message) error
}

// Secrets reads a secret, when it is needed and not before.
type Secrets func(ctx context.Context, secret backup.Secret) ([]byte, error)
