package notify

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// A probe connects and asks for nothing: no service takes it for a message or a ping. Its errors tell nothing secret.
func TestProbesSendNothing(t *testing.T) {
	for _, start := range []func(*httptest.Server){(*httptest.Server).Start, (*httptest.Server).StartTLS} {
		server := quiet(t, func(http.ResponseWriter, *http.Request) { t.Error("a request came") }, start)
		for name, channel := range webChannels(secretive(server.URL)) {
			err := channel.(Prober).Probe(t.Context())
			if strings.HasPrefix(server.URL, "http:") && err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if strings.HasPrefix(server.URL, "https:") && (err == nil || !strings.Contains(err.Error(), "certificate")) {
				t.Errorf("%s: a certificate of nobody: %v", name, err)
			}
			tellsNothing(t, err)
		}
		server.Close()
		for name, channel := range webChannels(secretive(server.URL)) {
			err := channel.(Prober).Probe(t.Context())
			if err == nil || !strings.Contains(err.Error(), "refused") {
				t.Errorf("%s, nobody there: %v", name, err)
			}
			tellsNothing(t, err)
		}
	}
}

// Secrets that a delivery needs are read.
func TestProbesReadSecrets(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	url, other := backup.Secret{Text: server.URL}, backup.Secret{File: "/nowhere"}
	read := func(_ context.Context, s backup.Secret) ([]byte, error) {
		if s.File != "" {
			return nil, errors.New("it is not there")
		}
		return []byte(s.Text), nil
	}
	for name, channel := range map[string]Prober{
		"address": &Healthchecks{URL: other, Read: read},
		"token":   &Ntfy{URL: url, Token: other, Read: read},
		"header":  &Webhook{URL: url, Headers: map[string]backup.Secret{"X-Key": other}, Read: read},
		"mail":    &Email{Server: "smtp://127.0.0.1:1", User: "me", Password: other, Read: read},
	} {
		if err := channel.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "it is not there") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProbeOfPrograms(t *testing.T) {
	environ := []string{"PATH=/usr/bin:/bin"}
	for line, known := range map[string]bool{
		"cat": true, "cat >/dev/null; true": true, "/bin/cat": true, "if true; then false; fi": true, "X=1 no-such-program": true,
		"$PROGRAM x": true, "no-such-program -t x": false, "/no/such/program": false, "": true,
	} {
		if err := (&Command{Run: line, Environ: environ}).Probe(t.Context()); (err == nil) != known {
			t.Errorf("%q: %v", line, err)
		}
	}
	if err := (&Sendmail{Program: "cat", Environ: environ}).Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if err := (&Sendmail{Program: "/no/such/sendmail", Environ: environ}).Probe(t.Context()); err == nil {
		t.Error("a sendmail that is not there")
	}
}

func TestProbeOfScreens(t *testing.T) {
	d := &Desktop{UID: 4711, RuntimeDir: t.TempDir()}
	if err := d.Probe(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("no session: %v", err)
	}
	root := &Desktop{UID: 0, SystemBus: "unix:path=" + filepath.Join(t.TempDir(), "none")}
	if err := root.Probe(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("no logind: %v", err)
	}
}

// A probe ends with its time.
func TestProbeIsBounded(t *testing.T) {
	listener := httptest.NewUnstartedServer(nil).Listener // nobody answers there
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	n := &Ntfy{URL: backup.Secret{Text: "https://" + listener.Addr().String()}, Read: asText}
	began := time.Now()
	if err := n.Probe(ctx); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
