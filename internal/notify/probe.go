package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/godbus/dbus/v5"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Prober is a channel that can be tried as far as it goes without a message: nobody is told anything. Errors are as those of
// Deliver. That the other side would have taken a message it does not show.
type Prober interface {
	Probe(ctx context.Context) error
}

// Probe connects, encrypts and logs in, and says good-bye.
func (e *Email) Probe(ctx context.Context) error {
	server, err := e.server()
	if err != nil {
		return err
	}
	var password []byte
	if e.User != "" {
		if password, err = e.Read(ctx, e.Password); err != nil {
			return fmt.Errorf("read the password for the mail server: %w", err)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	s := &session{ctx: ctx, Email: e, server: server, password: string(password), helo: domain(host)}
	s.hide = hidden{secrets: logins(e.User, s.password), names: append(strings.Fields(e.User), server.host)}
	defer s.close()
	return s.open()
}

// Probe looks for the program.
func (s *Sendmail) Probe(context.Context) error {
	if _, err := process.LookPath(s.Program, variable(s.Environ, "PATH")); err != nil {
		return fmt.Errorf("look for the sendmail program: %w", err)
	}
	return nil
}

// plainWord is a word that means itself to a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_/.+-]+$`)

// Probe asks the shell whether it knows the first word of the command line. One that means something to the shell is not judged.
func (c *Command) Probe(ctx context.Context) error {
	words := strings.Fields(c.Run)
	if len(words) == 0 || !plainWord.MatchString(words[0]) {
		return nil
	}
	command := process.Shell("command -v -- " + words[0])
	command.Env = c.Environ
	if err := process.Run(ctx, command); err != nil {
		return fmt.Errorf("the program %s is not found", words[0])
	}
	return nil
}

// Probe connects to the server.
func (n *Ntfy) Probe(ctx context.Context) error {
	if !n.Token.IsZero() {
		if _, err := n.Read(ctx, n.Token); err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
	}
	return reach(ctx, n.Read, n.URL)
}

// Probe connects to the server. A request of whatever kind would count as a ping.
func (h *Healthchecks) Probe(ctx context.Context) error { return reach(ctx, h.Read, h.URL) }

// Probe connects to the server.
func (w *Webhook) Probe(ctx context.Context) error {
	for name, value := range w.Headers {
		if _, err := w.Read(ctx, value); err != nil {
			return fmt.Errorf("read the header %s: %w", backup.CleanLine(name, 80), err)
		}
	}
	return reach(ctx, w.Read, w.URL)
}

// Probe looks for a session's bus; without one the error is ErrNobody.
func (d *Desktop) Probe(ctx context.Context) error {
	if d.UID == 0 {
		users, err := graphicalUsers(ctx, d.SystemBus)
		if err == nil && len(users) == 0 {
			return ErrNobody
		}
		return err
	}
	conn, err := dbus.Connect(ownBus(d.Environ, d.runtimeDir(d.UID)), dbus.WithContext(ctx))
	if err != nil {
		return orEnd(ctx, noBus(err))
	}
	return conn.Close()
}

// reach connects to the server of an address, or to the proxy that leads there, and encrypts if a request would.
func reach(ctx context.Context, read Secrets, secret backup.Secret) error {
	address, err := readAddress(ctx, read, secret)
	if err != nil {
		return err
	}
	request, err := newHTTPRequest(ctx, http.MethodHead, address, "")
	if err != nil {
		return err
	}
	proxy, err := http.ProxyFromEnvironment(request)
	if err != nil || proxy != nil && proxy.Hostname() == "" {
		return errors.New("the proxy in the environment cannot be understood")
	}
	if proxy != nil { // what lies behind it only a request would show
		address = proxy
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", hostPort(address))
	if err != nil {
		return httpReason(ctx, err)
	}
	defer conn.Close()
	if address.Scheme != "https" {
		return nil
	}
	if err := tls.Client(conn, &tls.Config{ServerName: address.Hostname(), MinVersion: tls.VersionTLS12}).HandshakeContext(ctx); err != nil {
		return httpReason(ctx, err)
	}
	return nil
}

func hostPort(address *url.URL) string {
	usual := map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[address.Scheme]
	return net.JoinHostPort(address.Hostname(), cmp.Or(address.Port(), usual, "80"))
}
