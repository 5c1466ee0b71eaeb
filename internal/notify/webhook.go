package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// Webhook sends messages as JSON to a server of the owner's choice.
type Webhook struct {
	URL     backup.Secret
	Method  string                   // POST, PUT, or GET, which has no body; "": POST
	Headers map[string]backup.Secret // more header lines
	Read    Secrets
}

// hookBody is the stable form of a message.
type hookBody struct {
	Event      backup.News     `json:"event"`
	Host       string          `json:"host"`
	Job        string          `json:"job"`
	Repository string          `json:"repository"`
	State      string          `json:"state"`
	Run        json.RawMessage `json:"run"`
	Message    string          `json:"message"`
}

// Deliver sends the message.
func (w *Webhook) Deliver(ctx context.Context, m Message) error {
	address, err := readAddress(ctx, w.Read, w.URL)
	if err != nil {
		return err
	}
	method := cmp.Or(w.Method, http.MethodPost)
	var body []byte
	if method == http.MethodGet {
		address.RawQuery = hookQuery(address.RawQuery, m)
	} else if body, err = json.Marshal(hookBody{
		m.Event, m.Host, m.Job, m.Repository, m.State, m.Run, strings.TrimRight(m.Title+"\n"+m.Text, "\n"),
	}); err != nil {
		return fmt.Errorf("write the message as JSON: %w", err)
	}
	request, err := newHTTPRequest(ctx, method, address, string(body))
	if err != nil {
		return err
	}
	if method != http.MethodGet {
		request.Header.Set("Content-Type", "application/json")
	}
	if err := w.setHeaders(ctx, request); err != nil {
		return err
	}
	_, err = sendHTTP(newHTTPClient(), request)
	return err
}

func (w *Webhook) setHeaders(ctx context.Context, request *http.Request) error {
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		value, err := w.Read(ctx, w.Headers[name])
		if err != nil {
			return fmt.Errorf("read the header %s: %w", name, err)
		}
		if err := setHeader(request, name, string(value)); err != nil {
			return err
		}
	}
	return nil
}

// hookQuery adds what happened to the query that the address has.
func hookQuery(query string, m Message) string {
	values := url.Values{"event": {string(m.Event)}, "job": {m.Job}, "repository": {m.Repository}, "state": {m.State}}
	return strings.TrimPrefix(query+"&"+values.Encode(), "&")
}
