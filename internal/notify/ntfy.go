package notify

import (
	"cmp"
	"context"
	"fmt"
	"mime"
	"net/http"

	"borgcron/internal/backup"
)

// mostNtfy is the size in bytes of a message at ntfy. A longer one comes as a file to be opened, or is refused.
const mostNtfy = 4096

// Ntfy publishes messages to a topic of an ntfy server, see https://docs.ntfy.sh/publish/.
type Ntfy struct {
	URL      backup.Secret     // of the topic
	Token    backup.Secret     // an access token; zero: none
	Priority map[string]string // of an event's messages, or of "all"
	Read     Secrets
}

// Deliver publishes the message.
func (n *Ntfy) Deliver(ctx context.Context, m Message) error {
	address, err := readAddress(ctx, n.Read, n.URL)
	if err != nil {
		return err
	}
	// The server would fill in a word of its own for an empty text.
	request, err := newHTTPRequest(ctx, http.MethodPost, address, shorten(cmp.Or(m.Text, m.Title), mostNtfy))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	request.Header.Set("Title", mime.BEncoding.Encode("utf-8", m.Title))
	request.Header.Set("X-Priority", n.priority(m.Event)) // Priority alone is also a header of HTTP's own, which proxies change
	request.Header.Set("Tags", ntfyTags[m.Event])
	if !n.Token.IsZero() {
		token, err := n.Read(ctx, n.Token)
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		if err := setHeader(request, "Authorization", "Bearer "+string(token)); err != nil {
			return err
		}
	}
	_, err = sendHTTP(newHTTPClient(), request)
	return err
}

// priority is what is configured for the event, else for all, else ours. An alarm is a failure too.
func (n *Ntfy) priority(event backup.News) string {
	failure := ""
	if event == backup.NewsAlarm {
		failure = n.Priority[string(backup.NewsFailed)]
	}
	return cmp.Or(n.Priority[string(event)], failure, n.Priority["all"], ntfyPriorities[event], "low")
}

// ntfyPriorities are those that are not low: what has to be looked at may make a noise.
var ntfyPriorities = map[backup.News]string{
	backup.NewsFailed:  "high",
	backup.NewsAlarm:   "high",
	backup.NewsStale:   "high",
	backup.NewsWarning: "default",
	backup.NewsTest:    "default",
}

// ntfyTags are names of emojis that stand before the title.
var ntfyTags = map[backup.News]string{
	backup.NewsFailed:    "x",
	backup.NewsWarning:   "warning",
	backup.NewsSucceeded: "white_check_mark",
	backup.NewsSkipped:   "fast_forward",
	backup.NewsRecovered: "white_check_mark",
	backup.NewsStale:     "hourglass",
	backup.NewsAlarm:     "rotating_light",
	backup.NewsTest:      "wave",
}
