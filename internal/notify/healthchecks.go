package notify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"borgcron/internal/backup"
)

// mostPing is the size in bytes of the body that healthchecks.io keeps of a ping: the first ones, so that a
// longer one would lose its end, which matters most.
const mostPing = 100_000

// Healthchecks pings a check of healthchecks.io or of a server of that kind, see
// https://healthchecks.io/docs/http_api/.
type Healthchecks struct {
	URL  backup.Secret // of the check, by its UUID or by its name
	Read Secrets
}

// Start tells that a run has begun.
func (h *Healthchecks) Start(ctx context.Context, m Message) error {
	return h.ping(ctx, "start", pingBody(m))
}

// Deliver tells how a run ended. That a job is stale the service sees by itself: it is not told.
func (h *Healthchecks) Deliver(ctx context.Context, m Message) error {
	switch m.Event {
	case backup.NewsStale:
		return nil
	case backup.NewsSucceeded, backup.NewsRecovered, backup.NewsWarning:
		return h.ping(ctx, "", pingBody(m))
	case backup.NewsFailed, backup.NewsAlarm:
		return h.ping(ctx, "fail", pingBody(m))
	}
	return h.ping(ctx, "log", pingBody(m)) // it is kept there and changes nothing: a skip is no success
}

func (h *Healthchecks) ping(ctx context.Context, signal, body string) error {
	address, err := readAddress(ctx, h.Read, h.URL)
	if err != nil {
		return err
	}
	request, err := newHTTPRequest(ctx, http.MethodPost, pingAddress(address, signal), body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := sendHTTP(newHTTPClient(), request)
	if err != nil {
		return err
	}
	// These two come with 200, and the ping was not taken.
	switch strings.TrimSpace(string(answer)) {
	case "OK (not found)":
		return errors.New("answered that there is no such check: see `url`")
	case "OK (rate limited)":
		return errors.New("answered that it was called too often")
	}
	return nil
}

// pingAddress is the address of a signal of the check, with the query of the check's own, such as create=1.
func pingAddress(check *url.URL, signal string) *url.URL {
	address := *check
	address.Path = strings.TrimRight(check.Path, "/")
	address.RawPath = strings.TrimRight(check.RawPath, "/")
	if signal == "" {
		return &address
	}
	return address.JoinPath(signal)
}

// pingBody is the text and as much of the end of the log as there is room for.
func pingBody(m Message) string {
	body := shorten(m.Text, mostPing)
	room := mostPing - len(body) - len("\n")
	first := len(m.Tail)
	for first > 0 && len(m.Tail[first-1])+len("\n") <= room {
		first--
		room -= len(m.Tail[first]) + len("\n")
	}
	if first == len(m.Tail) {
		return body
	}
	return body + "\n" + strings.Join(m.Tail[first:], "\n") + "\n"
}
