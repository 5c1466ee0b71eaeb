package notify

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func TestHealthchecksRequest(t *testing.T) {
	address, sent := recorder(t)
	h := &Healthchecks{URL: backup.Secret{Text: address + "/ping/key/home?create=1"}, Read: asText}
	m := failure
	m.Tail = []string{"borg: one", "borg: two"}
	deliver(t, h, m)
	if diff := cmp.Diff(`POST /ping/key/home/fail?create=1 HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Connection: close
Content-Length: 35
Content-Type: text/plain; charset=utf-8
User-Agent: borgcron

it went wrong

borg: one
borg: two
`, sent()); diff != "" {
		t.Error(diff)
	}
	if err := h.Start(t.Context(), Message{Job: "home"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(`POST /ping/key/home/start?create=1 HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Connection: close
Content-Length: 0
Content-Type: text/plain; charset=utf-8
User-Agent: borgcron

`, sent()); diff != "" {
		t.Error(diff)
	}
}

// TestHealthchecksSignals: above all, a skip and a test are no success.
func TestHealthchecksSignals(t *testing.T) {
	for event, want := range map[backup.News]string{
		backup.NewsSucceeded: "/uuid",
		backup.NewsRecovered: "/uuid",
		backup.NewsWarning:   "/uuid",
		backup.NewsFailed:    "/uuid/fail",
		backup.NewsAlarm:     "/uuid/fail",
		backup.NewsSkipped:   "/uuid/log",
		backup.NewsTest:      "/uuid/log",
		backup.NewsStale:     "",
		"something new":      "/uuid/log",
	} {
		address, sent := recorder(t)
		deliver(t, &Healthchecks{URL: backup.Secret{Text: address + "/uuid"}, Read: asText}, Message{Event: event})
		got := ""
		if _, err := fmt.Sscanf(sent(), "POST %s HTTP/1.1", &got); got != want || err != nil && want != "" {
			t.Errorf("%s: %q, %v; want %q", event, got, err, want)
		}
	}
}

func TestPingAddress(t *testing.T) {
	for _, test := range []struct{ check, signal, want string }{
		{"https://h/uuid", "", "https://h/uuid"},
		{"https://h/uuid/", "", "https://h/uuid"},
		{"https://h/uuid/", "fail", "https://h/uuid/fail"},
		{"https://h/key/home?create=1", "", "https://h/key/home?create=1"},
		{"https://h/key/home/?create=1&x=%2F", "log", "https://h/key/home/log?create=1&x=%2F"},
		{"https://u:p@h:8000/a%2Fb/uuid", "start", "https://u:p@h:8000/a%2Fb/uuid/start"},
		{"https://h", "fail", "https://h/fail"},
	} {
		check, err := url.Parse(test.check)
		if err != nil {
			t.Fatal(err)
		}
		if got := pingAddress(check, test.signal).String(); got != test.want {
			t.Errorf("%s and %q: %s, want %s", test.check, test.signal, got, test.want)
		}
		if check.String() != test.check {
			t.Errorf("the address itself has become %s", check)
		}
	}
}

// TestHealthchecksAnswers: two answers look like success and are none; what the answer says is not shown.
func TestHealthchecksAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"OK":                "",
		"":                  "",
		"OK (not found)":    "answered that there is no such check: see `url`",
		"OK (rate limited)": "answered that it was called too often",
		"hunter2":           "",
	} {
		server := quiet(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) }, (*httptest.Server).Start)
		err := (&Healthchecks{URL: backup.Secret{Text: server.URL}, Read: asText}).Deliver(t.Context(), failure)
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
	}
}

// TestPingBody: what is too long loses the beginning of the log, line by line, and never its end.
func TestPingBody(t *testing.T) {
	line := strings.Repeat("ü", 250) // 500 bytes
	lines := make([]string, 1000)
	for i := range lines {
		lines[i] = line
	}
	lines[len(lines)-1] = "the end"
	for name, test := range map[string]struct {
		m     Message
		least int
		end   string
	}{
		"nothing":        {Message{}, 0, ""},
		"text":           {Message{Text: "a\n"}, 2, "a\n"},
		"log":            {Message{Tail: []string{"a", "b"}}, 5, "\na\nb\n"},
		"long log":       {Message{Text: "a\n", Tail: lines}, 99_400, "\n" + line + "\nthe end\n"},
		"long text":      {Message{Text: strings.Repeat("ä", 60_000), Tail: lines}, 99_990, "ä…"},
		"a line too big": {Message{Text: "a\n", Tail: []string{strings.Repeat("x", 100_000), "the end"}}, 11, "a\n\nthe end\n"},
	} {
		body := pingBody(test.m)
		if len(body) > 100_000 || len(body) < test.least || !strings.HasSuffix(body, test.end) || !utf8.ValidString(body) {
			t.Errorf("%s: %d bytes, ends in %q", name, len(body), body[max(0, len(body)-100):])
		}
	}
	if body := pingBody(Message{Text: "a\n", Tail: lines}); !strings.HasPrefix(body, "a\n\n"+line+"\n") {
		t.Errorf("the log is not cut at a line's border: %q", body[:600])
	}
}
