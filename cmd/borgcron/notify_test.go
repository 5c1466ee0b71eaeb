package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// monitor is a server that healthchecks' pings and webhooks go to. It notes each request, and whether the
// repository's local lock was held meanwhile.
type monitor struct {
	*httptest.Server
	t     *testing.T
	locks string

	mu     sync.Mutex
	pings  []string // "PATH held" or "PATH free"
	bodies []string
	answer int // the status that it answers with; 0: none, it hangs until the client goes
}

func startMonitor(t *testing.T, locks string) *monitor {
	m := &monitor{t: t, locks: locks, answer: http.StatusOK}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	lock := "free"
	if m.held() {
		lock = "held"
	}
	m.mu.Lock()
	m.pings, m.bodies = append(m.pings, strings.TrimPrefix(r.URL.Path, "/")+" "+lock), append(m.bodies, string(body))
	answer := m.answer
	m.mu.Unlock()
	if answer == 0 {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(answer)
}

func (m *monitor) held() bool {
	files, _ := filepath.Glob(filepath.Join(m.locks, "*.lock"))
	for _, name := range files {
		file, err := os.Open(name)
		check(m.t, err)
		defer file.Close() // that lets go of the lock too
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
			return true
		}
	}
	return false
}

// took returns what came since the last time.
func (m *monitor) took() (pings string, bodies []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pings, bodies = strings.Join(m.pings, ", "), m.bodies
	m.pings, m.bodies = nil, nil
	return pings, bodies
}

// await waits for a request.
func (m *monitor) await(ping string) {
	m.t.Helper()
	eventually(m.t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.Contains(m.pings, ping)
	}, func() string { return ping + " did not come" })
}

func (m *monitor) answers(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = status
}

// TestMonitors: with the real borg, a start is told under the lock and all else after it; a monitor that answers
// 500, or hangs, or is away changes nothing and gets later what it missed; no address of one is ever shown.
func TestMonitors(t *testing.T) {
	t.Parallel()
	oneBorg(t, testMonitors)
}

func testMonitors(t *testing.T, borg string) {
	s := newSite(t, borg, `
repositories: {repo: {location: "${WORK}/repo", borg: "${BORG}", encryption: none}}
jobs: {home: {repository: repo, sources: ["${WORK}/data"], retention: keep_all}}
notify:
  watch: {type: healthchecks, url: {file: "${WORK}/watch.url"}}
  hook: {type: webhook, url: "${HOOK}", on: [all], headers: {Authorization: {file: "${WORK}/token"}}}
`)
	monitor := startMonitor(t, s.path("state", "locks"))
	s.env = append(s.env, "HOOK="+monitor.URL+"/hook")
	check(t, os.WriteFile(s.path("watch.url"), []byte(monitor.URL+"/5e70c1d2-secret\n"), 0o600))
	check(t, os.WriteFile(s.path("token"), []byte("Bearer hunter2\n"), 0o600))
	s.write(2, 1000)
	var shown strings.Builder
	run := func(code int, args ...string) {
		t.Helper()
		shown.WriteString(s.want(code, args...))
	}
	const ping, hook = "5e70c1d2-secret", "hook free"

	run(2, "run") // there is no repository yet
	if pings, _ := monitor.took(); !sameSet(pings, ping+"/start held", ping+"/fail free", hook) {
		t.Errorf("failed: %s", pings)
	}
	run(0, "init", "home")
	monitor.took()
	run(0, "run")
	pings, bodies := monitor.took()
	if !sameSet(pings, ping+"/start held", ping+" free", hook) {
		t.Errorf("succeeded: %s", pings)
	}
	var told struct {
		Event, Host, Job, Repository, State, Message string
		Run                                          struct{ Outcome, Archive string }
	}
	for _, body := range bodies {
		if strings.HasPrefix(body, "{") {
			check(t, json.Unmarshal([]byte(body), &told))
		}
	}
	if told.Event != "recovered" || told.Job != "home" || told.State != "ok" || told.Run.Outcome != "succeeded" || told.Run.Archive == "" {
		t.Errorf("the webhook got %+v", told)
	}

	monitor.answers(http.StatusInternalServerError)
	run(0, "run", "--only", "check")
	monitor.took()
	run(0, "notify")
	monitor.answers(0)
	hanging := s.start("run", "--only", "check")
	monitor.await(ping + "/start held")
	monitor.await(hook)
	check(t, syscall.Kill(hanging.pid, syscall.SIGTERM)) // nobody waits for half a minute then; all is done already
	if code := hanging.wait(); code != 0 {
		t.Errorf("ended while it told of a good run: exit code %d\n%s", code, hanging.text())
	}
	shown.WriteString(hanging.text())
	monitor.took()
	monitor.answers(http.StatusOK)
	run(0, "status", "--notify")
	if pings, _ := monitor.took(); !sameSet(pings, ping+" free", hook, hook) { // of the pings the newest, of all else everything
		t.Errorf("after it came back: %s", pings)
	}
	monitor.Close()
	run(0, "run", "--only", "check")
	run(2, "notify", "--test")
	run(0, "history", "--json", "--limit", "0")
	for _, secret := range []string{ping, monitor.URL, monitor.Listener.Addr().String(), "hunter2"} {
		if strings.Contains(shown.String(), secret) {
			t.Errorf("%s is shown:\n%s", secret, shown.String())
		}
	}
}

// sameSet compares what came, in whatever order.
func sameSet(pings string, want ...string) bool {
	got := strings.Split(pings, ", ")
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}
