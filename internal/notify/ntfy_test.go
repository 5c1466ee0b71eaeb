package notify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// recorder is a server that takes all and keeps what it was sent, its headers sorted and its own name replaced.
func recorder(t *testing.T) (address string, sent func() string) {
	t.Helper()
	requests := make(chan string, 100)
	server := quiet(t, func(_ http.ResponseWriter, r *http.Request) {
		dump, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		requests <- strings.ReplaceAll(strings.ReplaceAll(string(dump), r.Host, "HOST"), "\r\n", "\n")
	}, (*httptest.Server).Start)
	return server.URL, func() string {
		select {
		case request := <-requests:
			return request
		default:
			return ""
		}
	}
}

func deliver(t *testing.T, channel Channel, m Message) {
	t.Helper()
	if err := channel.Deliver(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestNtfyRequest(t *testing.T) {
	address, sent := recorder(t)
	n := &Ntfy{URL: backup.Secret{Text: address + "/backups?cache=no\n"}, Token: backup.Secret{Text: "tk_1"}, Read: asText}
	deliver(t, n, failure)
	if diff := cmp.Diff(`POST /backups?cache=no HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Authorization: Bearer tk_1
Connection: close
Content-Length: 14
Content-Type: text/plain; charset=utf-8
Tags: x
Title: laptop: backup of home failed
User-Agent: borgcron
X-Priority: high

it went wrong
`, sent()); diff != "" {
		t.Error(diff)
	}
	n.Token = backup.Secret{}
	deliver(t, n, Message{Event: backup.NewsTest, Title: "büro: ein Test"})
	if diff := cmp.Diff(`POST /backups?cache=no HTTP/1.1
Host: HOST
Accept-Encoding: gzip
Connection: close
Content-Length: 15
Content-Type: text/plain; charset=utf-8
Tags: wave
Title: =?utf-8?b?YsO8cm86IGVpbiBUZXN0?=
User-Agent: borgcron
X-Priority: default

büro: ein Test`, sent()); diff != "" {
		t.Error(diff)
	}
}

func TestNtfyLongTitleIsOneLine(t *testing.T) {
	address, sent := recorder(t)
	deliver(t, &Ntfy{URL: backup.Secret{Text: address}, Read: asText}, Message{Title: strings.Repeat("ü", 150), Text: "x"})
	for line := range strings.Lines(sent()) {
		if title, ok := strings.CutPrefix(line, "Title: "); ok {
			if words := strings.Fields(title); len(words) < 2 || len(words[0]) > 75 { // the most that RFC 2047 allows
				t.Errorf("the title is %q", words)
			}
			return
		}
	}
	t.Error("there is no title")
}

func TestNtfyLongMessage(t *testing.T) {
	var size int
	server := quiet(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if size = len(body); err != nil || !utf8.Valid(body) || !strings.HasSuffix(string(body), "ü…") {
			t.Errorf("%v, %d bytes", err, size)
		}
	}, (*httptest.Server).Start)
	deliver(t, &Ntfy{URL: backup.Secret{Text: server.URL}, Read: asText}, Message{Text: strings.Repeat("ü", 5000)})
	if size > 4096 || size < 4090 {
		t.Errorf("%d bytes were sent", size)
	}
}

func TestNtfyPriority(t *testing.T) {
	for _, test := range []struct {
		configured map[string]string
		event      backup.News
		want       string
	}{
		{nil, backup.NewsFailed, "high"},
		{nil, backup.NewsAlarm, "high"},
		{nil, backup.NewsStale, "high"},
		{nil, backup.NewsWarning, "default"},
		{nil, backup.NewsSucceeded, "low"},
		{nil, backup.NewsRecovered, "low"},
		{nil, backup.NewsSkipped, "low"},
		{map[string]string{"failed": "max"}, backup.NewsFailed, "max"},
		{map[string]string{"failed": "max"}, backup.NewsAlarm, "max"},
		{map[string]string{"failed": "max", "alarm": "min"}, backup.NewsAlarm, "min"},
		{map[string]string{"failed": "max"}, backup.NewsWarning, "default"},
		{map[string]string{"failed": "max", "all": "min"}, backup.NewsWarning, "min"},
		{map[string]string{"failed": "max", "all": "min"}, backup.NewsFailed, "max"},
	} {
		if got := (&Ntfy{Priority: test.configured}).priority(test.event); got != test.want {
			t.Errorf("%v, %s: %s, want %s", test.configured, test.event, got, test.want)
		}
	}
}
