package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"borgcron/internal/backup"
)

const (
	// mostReplies is how many bytes a mail server may send in all: a dialogue takes a few thousand.
	mostReplies = 1 << 20
	// quitTimeout bounds the good-bye, which decides nothing.
	quitTimeout = 2 * time.Second
	// mostRounds is how many digits the count of rounds may have that a server asks a login for: a hostile one
	// could keep us computing for hours.
	mostRounds = 6
)

// Email is a channel that hands a mail to a mail server.
//
// A message is delivered once the server has taken it for at least one recipient: to try again would send it again to
// all that it was taken for. The mail itself names the recipients that were refused.
type Email struct {
	Server   string        // smtp://HOST:PORT, or smtps://HOST:PORT for TLS from the first byte
	TLS      string        // starttls (as "" is too), tls from the first byte, or none
	User     string        // "": no login
	Password backup.Secret // of the user
	From     string
	To       []string
	Read     Secrets
	Roots    *x509.CertPool // who may sign the server's certificate; nil: whom the system trusts
}

// Deliver sends the mail. A server that does not offer the encryption that is asked for gets nothing.
func (e *Email) Deliver(ctx context.Context, m Message) error {
	envelope, err := newEnvelope(e.From, e.To)
	if err != nil {
		return err
	}
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
	s := &session{ctx: ctx, Email: e, server: server, password: string(password), helo: domain(m.Host)}
	s.hide = hidden{
		secrets: logins(e.User, s.password),
		names:   append(append(envelope.names(), strings.Fields(e.User)...), server.host),
	}
	defer s.close()
	if err := s.open(); err != nil {
		return err
	}
	return s.send(envelope, m)
}

// server is where the mail goes.
type server struct {
	host, port string
	tls        string // starttls, tls or none
}

func (e *Email) server() (server, error) {
	address, err := url.Parse(e.Server)
	if err != nil || address.Hostname() == "" {
		return server{}, errors.New("the mail server is not in the form smtp://HOST:PORT")
	}
	s := server{host: address.Hostname(), port: address.Port(), tls: e.TLS}
	switch {
	case address.Scheme == "smtps":
		s.tls = "tls"
	case s.tls == "":
		s.tls = "starttls"
	}
	usual, known := map[string]string{"tls": "465", "starttls": "587", "none": "25"}[s.tls]
	if !known {
		return server{}, errors.New("`tls` wants starttls, tls or none")
	}
	if s.port == "" {
		s.port = usual
	}
	return s, nil
}

// session is the talk with a mail server about one mail.
//
// It is led here and not by mail.Client, which sends nothing at all once one recipient is refused, obeys the context
// only while it dials, and would choose a login whose rounds of computing the server sets without a bound.
type session struct {
	*Email
	ctx      context.Context
	server   server
	password string
	helo     string
	hide     hidden
	conn     net.Conn
	release  func() bool // of what closes the connection when ctx ends
	client   *smtp.Client
}

// open connects, encrypts and logs in.
func (s *session) open() error {
	if err := s.connect(); err != nil {
		return s.problem("connect to the mail server", err)
	}
	if err := s.client.Hello(s.helo); err != nil {
		return s.problem("greet the mail server", err)
	}
	if s.server.tls == "starttls" {
		if offered, _ := s.client.Extension("STARTTLS"); !offered {
			return errors.New("the mail server offers no STARTTLS: nothing was sent to it; try `tls: tls` and its port for that, often 465")
		}
		if err := s.client.StartTLS(s.tlsConfig()); err != nil {
			return s.problem("encrypt the connection to the mail server", err)
		}
	}
	if s.User == "" {
		return nil
	}
	return s.logIn()
}

// connect waits for the server's greeting.
func (s *session) connect() error {
	conn, err := new(net.Dialer).DialContext(s.ctx, "tcp", net.JoinHostPort(s.server.host, s.server.port))
	if err != nil {
		return err
	}
	s.release = context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	s.conn = &scarce{Conn: conn, left: mostReplies}
	talk := s.conn
	if s.server.tls == "tls" {
		encrypted := tls.Client(s.conn, s.tlsConfig())
		if err := encrypted.HandshakeContext(s.ctx); err != nil {
			return err
		}
		talk = encrypted
	}
	s.client, err = smtp.NewClient(talk, s.server.host)
	return err
}

func (s *session) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.server.host, MinVersion: tls.VersionTLS12, RootCAs: s.Roots}
}

// close says good-bye, for which there is little time.
func (s *session) close() {
	if s.conn == nil {
		return
	}
	if s.client != nil {
		_ = s.conn.SetDeadline(time.Now().Add(quitTimeout))
		_ = s.client.Quit()
	}
	s.release()
	_ = s.conn.Close()
}

// logIn chooses how. What the server says then is never shown: it may repeat what it was sent.
func (s *session) logIn() error {
	if _, encrypted := s.client.TLSConnectionState(); !encrypted && !loopback(s.conn.RemoteAddr()) {
		return errors.New("the password was not sent: the connection to the mail server is not encrypted; try `tls: starttls` or `tls: tls`")
	}
	_, offered := s.client.Extension("AUTH")
	auth := s.mechanism(strings.Fields(strings.ToUpper(offered)))
	if auth == nil {
		return errors.New("the mail server offers no login that is known here; leave out `user` if it wants none")
	}
	if err := s.client.Auth(auth); err != nil {
		if code := replyCode(err); code != "" {
			return fmt.Errorf("the mail server refused the login (%s): look at `user` and `password`", code)
		}
		return s.problem("log in to the mail server", err)
	}
	return nil
}

// mechanism returns the best way to log in. The -PLUS forms of SCRAM are not used: servers and clients differ in
// what they bind them to, and the certificate has been verified.
func (s *session) mechanism(offered []string) smtp.Auth {
	for _, known := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", bounded{smtp.ScramSHA256Auth(s.User, s.password)}},
		{"SCRAM-SHA-1", bounded{smtp.ScramSHA1Auth(s.User, s.password)}},
		{"PLAIN", smtp.PlainAuth("", s.User, s.password, s.server.host, true)}, // that it is encrypted or local was seen to
		{"LOGIN", smtp.LoginAuth(s.User, s.password, s.server.host, true)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(s.User, s.password)},
	} {
		if slices.Contains(offered, known.name) {
			return known.auth
		}
	}
	return nil
}

// send hands the mail over. The recipients are asked first, so that the mail can tell who was refused.
func (s *session) send(envelope *envelope, m Message) error {
	s.client.SkipSMTPUTF8(envelope.ascii()) // a server on the way that does not know it would send the mail back
	if err := s.client.Mail(bare(envelope.from)); err != nil {
		return s.problem("name the sender to the mail server", err)
	}
	var refused []string
	var failure error
	for _, to := range envelope.to {
		if err := s.client.Rcpt(bare(to)); err != nil {
			if replyCode(err) == "" { // no answer: the connection is gone
				return s.problem("name a recipient to the mail server", err)
			}
			failure = err
			refused = append(refused, fmt.Sprintf("The mail server did not take this mail for %s (%s).", to.Address, replyCode(err)))
		}
	}
	if len(refused) == len(envelope.to) {
		return s.problem("name the recipients to the mail server", failure)
	}
	mail, err := compose(m, envelope, refused)
	if err != nil {
		return err
	}
	return s.problem("hand the mail over", s.data(mail))
}

func (s *session) data(mail []byte) error {
	writer, err := s.client.Data()
	if err != nil {
		return err
	}
	if _, err := writer.Write(mail); err != nil {
		return err // without the closing dot: half a mail must not be taken for a whole one
	}
	return writer.Close()
}

// problem says what could not be done and why, without addresses and secrets; nil if err is.
func (s *session) problem(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, context.Cause(s.ctx))
	}
	return fmt.Errorf("%s: %s", what, s.hide.reason(err))
}

func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// bounded is a SCRAM login that does not compute more than is usual.
type bounded struct{ smtp.Auth }

func (b bounded) Next(challenge []byte, more bool) ([]byte, error) {
	_, rounds, _ := strings.Cut(string(challenge), ",i=")
	rounds, _, _ = strings.Cut(rounds, ",")
	if len(rounds) > mostRounds {
		return nil, errors.New("the mail server asks for more rounds of computing than are usual")
	}
	return b.Auth.Next(challenge, more)
}

var errTooMuch = errors.New("it sent more than a mail server has to say")

// scarce is a connection from which only so much can be read.
type scarce struct {
	net.Conn
	left int
}

func (s *scarce) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, errTooMuch
	}
	n, err := s.Conn.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}
