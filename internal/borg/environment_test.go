package borg

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

func remote() backup.Repository {
	return backup.Repository{
		Name: "nas", Location: "ssh://borg@nas.example:2222/./lap{top}", LockWait: 1500 * time.Millisecond, UploadLimit: 5 << 20,
		RemotePath: "borg1", Cache: "/cache", Keys: "/keys", Env: map[string]string{"BORG_FILES_CACHE_TTL": "30", "TMPDIR": "/big"},
		SSH: backup.SSH{
			Command: "ssh -4", Identity: "/root/my key", Port: 22, KnownHosts: "/etc/known hosts",
			Options: []string{"Compression=no", "ProxyCommand=nc '%h' %p"},
		},
	}
}

func TestEnvironmentIsBuiltFromNothing(t *testing.T) {
	c := &Client{HostID: "laptop@1", Environ: []string{
		"PATH=/bin", "HOME=/root", "TMPDIR=/tmp", "TZ=Asia/Kolkata", "SSH_AUTH_SOCK=/agent", "LANG=de_DE", "LC_ALL=C", "EDITOR=vi",
		"BORG_REPO=/stray", "BORG_PASSPHRASE=stray", "BORG_PASSCOMMAND=stray", "BORG_RSH=stray", "BORG_RELOCATED_REPO_ACCESS_IS_OK=yes",
	}}
	got := c.environment(backup.Call{Job: &backup.Job{}, Repository: remote()}, false, true)
	want := []string{
		"BORG_CACHE_DIR=/cache", "BORG_DISPLAY_PASSPHRASE=no", "BORG_EXIT_CODES=modern", "BORG_FILES_CACHE_TTL=30",
		"BORG_HOST_ID=laptop@1", "BORG_KEYS_DIR=/keys", "BORG_PASSPHRASE_FD=3",
		"BORG_REPO=ssh://borg@nas.example:2222/./lap{{top}}",
		`BORG_RSH=ssh -4 -o Compression=no -o 'ProxyCommand=nc '"'"'%h'"'"' %p' -i '/root/my key' -o IdentitiesOnly=yes -p 22` +
			` -o 'UserKnownHostsFile="/etc/known hosts"' -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=10` +
			` -o ServerAliveCountMax=30 -o ControlMaster=no -o ControlPath=none -o StrictHostKeyChecking=yes`,
		"HOME=/root", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "PATH=/bin", "SSH_ASKPASS_REQUIRE=never", "SSH_AUTH_SOCK=/agent",
		"TMPDIR=/big", "TZ=UTC",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := c.environment(backup.Call{Job: &backup.Job{}, Repository: remote()}, true, false); !slices.Contains(got, "TZ=Asia/Kolkata") ||
		slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "BORG_PASSPHRASE") }) {
		t.Errorf("in the caller's zone, without a passphrase: %q", got)
	}
}

func TestQuoteIsTakenApartByAShell(t *testing.T) {
	words := []string{"plain", "", "a b", `it's "so"`, "$HOME`x`\\", "line\nbreak", "-o", "ü"}
	line := "printf '<%s>'"
	want := ""
	for _, word := range words {
		line += " " + quote(word)
		want += "<" + word + ">"
	}
	out := &limited{}
	command := process.Shell(line)
	command.Stdout = out
	if err := process.Run(t.Context(), command); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(out.text)); diff != "" {
		t.Error(diff)
	}
}

func TestArguments(t *testing.T) {
	job := &backup.Job{
		Sources: []string{"/home", "-x"}, Bootstrap: []string{"/etc/borgcron/config.yaml"},
		Patterns: []string{"+ /home/a"}, Exclude: []string{"-e"}, BorgOptions: backup.BorgOptions{Create: []string{"--no-cache-sync"}},
	}
	call := backup.Call{Job: job, Repository: remote(), Progress: func(backup.Progress) {}}
	create := task{command: "create", archive: "a{now}", options: createOptions(call), own: job.BorgOptions.Create, paths: sources(job)}
	want := []string{
		"create", "--log-json", "--progress", "--lock-wait=2", "--remote-path=borg1", "--upload-ratelimit=5120",
		"--json", "--list", "--filter=CE", "--pattern=+ /home/a", "--exclude=-e", "--no-cache-sync",
		"--", "::a{{now}}", "/home", "./-x", "/etc/borgcron/config.yaml",
	}
	if diff := cmp.Diff(want, create.argv(call)); diff != "" {
		t.Error(diff)
	}
}

func TestCheckOptions(t *testing.T) {
	for name, test := range map[string]struct {
		rule backup.CheckRule
		want []options
	}{
		"both":            {backup.CheckRule{Repository: true, Archives: true}, []options{nil}},
		"repository":      {backup.CheckRule{Repository: true, MaxDuration: time.Hour}, []options{{"--repository-only", "--max-duration=3600"}}},
		"archives":        {backup.CheckRule{Archives: true, Last: 3}, []options{{"--archives-only", "--glob-archives=a-*", "--last=3"}}},
		"data":            {backup.CheckRule{Data: true}, []options{{"--archives-only", "--verify-data"}}},
		"all for a while": {backup.CheckRule{Repository: true, Data: true, MaxDuration: time.Hour}, []options{{"--repository-only", "--max-duration=3600"}, {"--archives-only", "--verify-data"}}},
		"nothing":         {backup.CheckRule{}, nil},
	} {
		if diff := cmp.Diff(test.want, checkOptions(&backup.Job{Prune: backup.PruneRule{Match: "a-*"}, Check: test.rule})); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestKeepOptions(t *testing.T) {
	for _, test := range []struct {
		retention backup.Retention
		want      options
	}{
		{backup.Retention{Within: "2d"}, options{"--keep-within=2d", "--keep-last=1"}},
		{backup.Retention{Within: "2d", Daily: 7}, options{"--keep-within=2d", "--keep-daily=7"}},
		{backup.Retention{Last: 3, Hourly: backup.All, ThirteenWeekly: 2}, options{"--keep-last=3", "--keep-hourly=-1", "--keep-13weekly=2"}},
	} {
		got, err := keepOptions(&backup.Job{Retention: test.retention, Prune: backup.PruneRule{Match: "a{x}-*"}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(options{"--glob-archives=a{{x}}-*"}, test.want...), got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRedact(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ location, text, want string }{
		{"/mnt/borg", "Repository /mnt/borg does not exist.", "Repository nas does not exist."},
		{"/mnt/borg/", "at '/mnt/borg/lock.exclusive'", "at 'nas/lock.exclusive'"},
		{"file:///mnt/borg", "/mnt/borg, file:///mnt/borg/", "nas, nas"},
		{"/mnt/borg", "/mnt/borg2 /data/mnt/borg /mnt/borg-old", "/mnt/borg2 /data/mnt/borg /mnt/borg-old"},
		{link, "opened " + dir + "/config", "opened nas/config"},
		{"/", "open: /etc/x", "open: /etc/x"},
		{"ssh://borg@nas.example:2222/./laptop", "to borg@nas.example: ssh://borg@nas.example:2222/./laptop/", "to nas: nas"},
		{"ssh://borg@nas.example:2222/./laptop", "connect to host nas.example port 2222", "connect to host nas port 2222"},
		{"ssh://borg@nas.example:2222/./laptop", "closed by 10.1.2.3 port 2222, [fe80::1]:22, at 19:20:21", "closed by nas port 2222, nas, at 19:20:21"},
		{"ssh://borg@nas.example:2222/./laptop", "nas.example.org, xnas.example, nas.example-2", "nas, xnas.example, nas.example-2"},
		{"ssh://nas.example/srv/r", "/srv/r, ssh://nas.example/srv/r", "nas, nas"},
		{"borg@nas.example:srv/r", "borg@nas.example:srv/r nas.example", "nas nas"},
		{"/mnt/borg", "it was hunter2!", "it was [secret]!"},
	} {
		job := &backup.Job{Name: "home", Repositories: []backup.Repository{{Name: "nas", Location: test.location}}}
		d := newRedactor(backup.Call{Job: job, Repository: job.Repositories[0]}, []byte("hunter2"))
		if got := d.redact(test.text); got != test.want {
			t.Errorf("%s: %q gives %q, want %q", test.location, test.text, got, test.want)
		}
	}
}

func TestTableIsConsistent(t *testing.T) {
	ids, codes := map[string]bool{}, map[int]bool{}
	for _, known := range Table() {
		if ids[known.ID] || codes[known.Code] || known.Source == "" || known.ID == "" {
			t.Errorf("twice, or without its source: %+v", known)
		}
		ids[known.ID], codes[known.Code] = true, true
		if known.Lost && known.Class != backup.Transient {
			t.Errorf("lost, but not to be tried again: %+v", known)
		}
	}
	if k, ok := find("AlreadyExists", 2); !ok || k.ID != "Repository.AlreadyExists" {
		t.Errorf("a server's AlreadyExists is %+v", k)
	}
	if k, ok := find("Some.LockTimeout", 2); ok {
		t.Errorf("an id with a dot is %+v", k)
	}
}

// Every failure in the captured logs is one that we know.
func TestCapturedErrorsAreKnown(t *testing.T) {
	seen := 0
	for _, line := range captured(t) {
		m := ParseLine(line)
		if _, ok := find(m.ID, 0); m.isError() && m.ID != "" && !ok && m.ID != "Exception" && m.ID != "Error" && !strings.HasPrefix(m.ID, "Signal.") {
			t.Errorf("not known: %s", line)
		} else if ok {
			seen++
		}
	}
	if seen < 8 {
		t.Errorf("only %d errors were seen", seen)
	}
}

func TestVersionIsAskedOnceForEachProgram(t *testing.T) {
	dir := t.TempDir()
	program, log := filepath.Join(dir, "borg"), filepath.Join(dir, "calls")
	write := func(version string) {
		t.Helper()
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho x >>"+log+"\necho borg "+version+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := &Client{Environ: []string{"PATH=" + dir + ":/usr/bin:/bin"}, State: dir}
	ask := func(want string, calls int) {
		t.Helper()
		version, err := c.Version(t.Context(), backup.Repository{})
		if err != nil || version.String() != want {
			t.Errorf("%v, %v, want %s", version, err, want)
		}
		if data, _ := os.ReadFile(log); len(data) != 2*calls {
			t.Errorf("asked %d times, want %d", len(data)/2, calls)
		}
	}
	write("1.2.4")
	ask("1.2.4", 1)
	ask("1.2.4", 1)
	write("1.4.10rc1")
	ask("1.4.10", 2)
	c.forgetVersion(program)
	ask("1.4.10", 3)
	if err := os.WriteFile(c.cacheFile(), []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("1.4.10", 4)
	c.State = ""
	ask("1.4.10", 5)
	ask("1.4.10", 6)
}

func TestAtLeast(t *testing.T) {
	v := Version{1, 4, 1}
	for _, older := range []Version{{1, 4, 1}, {1, 4, 0}, {1, 2, 9}, {0, 9, 9}} {
		if !v.AtLeast(older.Major, older.Minor, older.Patch) {
			t.Errorf("%v is not at least %v", v, older)
		}
	}
	for _, newer := range []Version{{1, 4, 2}, {1, 5, 0}, {2, 0, 0}} {
		if v.AtLeast(newer.Major, newer.Minor, newer.Patch) {
			t.Errorf("%v is at least %v", v, newer)
		}
	}
}

func secretText(_ context.Context, s backup.Secret) ([]byte, error) { return []byte(s.Text), nil }

// What a borg of ours sees of the passphrase and the lock, and what everybody sees of it.
func TestWhatBorgInherits(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	dir := t.TempDir()
	script := `#!/bin/sh
[ "$1" = --version ] && { echo borg 1.4.5; exit; }
tr '\0' '\n' </proc/$$/environ >` + dir + `/seen
tr '\0' '\n' </proc/$$/cmdline >>` + dir + `/seen
cat <&3 >` + dir + `/passphrase
cat <&4 >` + dir + `/lock
`
	program := filepath.Join(dir, "borg")
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(dir, "held")
	if err := os.WriteFile(held, []byte("the lock"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	passphrase := strings.Repeat("hunter2 ", maxPassphrase/8)
	c := &Client{Environ: []string{"PATH=/usr/bin:/bin"}, Secret: secretText}
	job := &backup.Job{Repositories: []backup.Repository{{
		Borg: program, Location: "/mnt/very/secret", Passphrase: backup.Secret{Text: passphrase},
	}}}
	if _, err := c.Compact(t.Context(), backup.Call{Job: job, Repository: job.Repositories[0], Lock: lock}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if seen := read("seen"); strings.Contains(seen, "hunter2") || !strings.Contains(seen, "BORG_PASSPHRASE_FD="+strconv.Itoa(passphraseFD)) {
		t.Errorf("environment and arguments: %s", seen)
	}
	if _, argv, _ := strings.Cut(read("seen"), "compact\n"); strings.Contains(argv, "/mnt/very/secret") {
		t.Errorf("arguments: %s", argv)
	}
	if read("passphrase") != passphrase || read("lock") != "the lock" {
		t.Errorf("passphrase %q, lock %q", read("passphrase"), read("lock"))
	}
}
