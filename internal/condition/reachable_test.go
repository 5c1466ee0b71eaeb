package condition

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"borgcron/internal/backup"
)

func reach(t *testing.T, c *Checker, repository backup.Repository) string {
	t.Helper()
	job := &backup.Job{Conditions: backup.Conditions{Reachable: true}}
	reason, err := c.Reachable(t.Context(), job, repository)
	if err != nil {
		t.Errorf("Reachable: %v", err)
	}
	return strings.TrimPrefix(reason, "the repository cannot be reached: ")
}

func TestLocalRepository(t *testing.T) {
	root := tree(t)
	for location, want := range map[string]string{
		root: "", root + "/": "", "file://" + root: "", root + "/link": "its folder does not exist",
		root + "/gone": "its folder does not exist", root + "/file": "its folder does not exist",
		root + "/file/below": "its folder does not exist", "file://" + root + "/gone": "its folder does not exist",
	} {
		if got := reach(t, &Checker{}, backup.Repository{Location: location}); got != want {
			t.Errorf("%s: %q, want %q", location, got, want)
		}
	}
}

// needSSH skips without the real ssh, whose answer is asked for.
func needSSH(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ssh"); err == nil {
		return
	}
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal("ssh is not installed")
	}
	t.Skip("ssh is not installed")
}

// listen gives a port of this machine that answers, and one that refuses.
func listen(t *testing.T) (open, closed string) {
	t.Helper()
	ports := make([]string, 2)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, ports[i], err = net.SplitHostPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			t.Cleanup(func() { listener.Close() })
		} else {
			listener.Close()
		}
	}
	return ports[0], ports[1]
}

func TestServer(t *testing.T) {
	needSSH(t)
	open, closed := listen(t)
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("Host nas\n  HostName 127.0.0.1\n  Port "+open+
		"\nHost far\n  HostName 127.0.0.1\n  Port "+closed+"\n  ProxyJump other\nHost piped\n  ProxyCommand nc %h %p\n"+
		"Host direct\n  HostName 127.0.0.1\n  Port "+closed+"\n  ProxyCommand none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	aliases := backup.SSH{Command: "ssh -F " + config}
	none := backup.SSH{Command: "ssh -F none"}
	const refused = "its server refuses the connection"
	tests := map[string]struct {
		location string
		ssh      backup.SSH
		want     string
	}{
		"answers":                    {"ssh://borg@127.0.0.1:" + open + "/./x", none, ""},
		"refuses":                    {"ssh://borg@127.0.0.1:" + closed + "/./x", none, refused},
		"port of the configuration":  {"borg@127.0.0.1:x", backup.SSH{Command: "ssh -F none", Port: atoi(t, closed)}, refused},
		"port of the location first": {"ssh://127.0.0.1:" + open + "/x", backup.SSH{Command: "ssh -F none", Port: atoi(t, closed)}, ""},
		"port of an option":          {"borg@127.0.0.1:x", backup.SSH{Command: "ssh -F none", Options: []string{"Port=" + closed}}, refused},
		"alias":                      {"nas:x", aliases, ""},
		"alias without proxy":        {"direct:x", aliases, refused},
		"behind a jump host":         {"far:x", aliases, ""},
		"behind a command":           {"piped:x", aliases, ""},
		"behind a jump host of an option": {
			"ssh://127.0.0.1:" + closed + "/x", backup.SSH{Command: "ssh -F none", Options: []string{"ProxyJump=other"}}, "",
		},
		"other program":     {"ssh://127.0.0.1:" + closed + "/x", backup.SSH{Command: "/usr/local/bin/wrapper"}, ""},
		"no such program":   {"ssh://127.0.0.1:" + closed + "/x", backup.SSH{Command: "/nonexistent/ssh"}, ""},
		"ssh refuses":       {"ssh://127.0.0.1:" + closed + "/x", backup.SSH{Command: "ssh -F none", Options: []string{"Nonsense=1"}}, ""},
		"option for a host": {"-oProxyCommand=touch:x", none, ""},
		"other scheme":      {"sftp://127.0.0.1:" + closed + "/x", none, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := &Checker{Environ: os.Environ()}
			if got := reach(t, c, backup.Repository{Location: test.location, SSH: test.ssh}); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func atoi(t *testing.T, port string) int {
	t.Helper()
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The reasons are for files that everybody may read: no name, no address.
func TestWhyNoConnection(t *testing.T) {
	needSSH(t)
	wrap := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 22}, Err: err}
	}
	for want, err := range map[string]error{
		"the name of its server cannot be resolved": wrap(&net.DNSError{Err: "no such host", Name: "nas.example", IsNotFound: true}),
		"its server does not answer":                wrap(context.DeadlineExceeded),
		"its server refuses the connection":         wrap(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"there is no route to its server":           wrap(os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
		"its server cannot be connected to":         wrap(errors.New("nas.example: something else")),
	} {
		asked := ""
		c := &Checker{Environ: os.Environ(), Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			asked = address
			return nil, err
		}}
		if got := reach(t, c, backup.Repository{Location: "ssh://nas.example:2222/./x", SSH: backup.SSH{Command: "ssh -F none"}}); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
		if asked != "nas.example:2222" {
			t.Errorf("dialled %q", asked)
		}
	}
}

func TestReachableIsStopped(t *testing.T) {
	stopped := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	job := &backup.Job{Conditions: backup.Conditions{Reachable: true}}
	for _, location := range []string{"/nonexistent", "ssh://127.0.0.1/x"} {
		if reason, err := (&Checker{}).Reachable(ctx, job, backup.Repository{Location: location}); reason != "" || !errors.Is(err, stopped) {
			t.Errorf("%s: %q, %v", location, reason, err)
		}
	}
}

func TestParseRemote(t *testing.T) {
	for location, want := range map[string]remote{
		"ssh://borg@nas.example:22/./laptop": {"borg", "nas.example", "22"},
		"ssh://nas/~/x":                      {"", "nas", ""},
		"ssh://nas":                          {"", "nas", ""},
		"ssh://nas:/x":                       {"", "nas", ""},
		"ssh://borg@[fe80::1]:2222/x":        {"borg", "fe80::1", "2222"},
		"ssh://[fe80::1]/x":                  {"", "fe80::1", ""},
		"ssh://a@b@nas/x":                    {"a@b", "nas", ""},
		"borg@nas:x/y":                       {"borg", "nas", ""},
		"nas:22/x":                           {"", "nas", ""},
		"borg@[::1]:x":                       {"borg", "::1", ""},
		"ssh://nas:0/x":                      {},
		"ssh://nas:99999/x":                  {},
		"ssh://nas:port/x":                   {},
		"ssh:///x":                           {},
		"ssh://":                             {},
		":x":                                 {},
		"rest://nas/x":                       {},
	} {
		if got, ok := parseRemote(location); got != want || ok != (want != remote{}) {
			t.Errorf("%s: %+v, %v", location, got, ok)
		}
	}
}

func FuzzParseRemote(f *testing.F) {
	for _, seed := range []string{"", "ssh://a@b:22/c", "a@b:c", "ssh://[::1]:2/x", "[", "ssh://[", "ssh://@:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		r, ok := parseRemote(location)
		if ok != (r.host != "") || strings.Contains(r.host+r.user+r.port, "/") || !ok && r != (remote{}) && r.host != "" {
			t.Errorf("%q: %+v, %v", location, r, ok)
		}
	})
}

func FuzzParseSSHConfig(f *testing.F) {
	for _, seed := range []string{"", "host nas\nuser a\nhostname 10.0.0.1\nport 22\n", "hostname a\nport 22\nproxyjump b\n",
		"hostname a\nport 22\nproxycommand none\n", "hostname", "port \x00\nhostname ::1\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		address, known := parseSSHConfig(text)
		if _, _, err := net.SplitHostPort(address); known && err != nil && !strings.ContainsAny(string(text), "[]:") {
			t.Errorf("%q: %q, %v", text, address, err)
		}
	})
}
