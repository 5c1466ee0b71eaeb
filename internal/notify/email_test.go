package notify_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net"
	"net/mail"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crypto/tls"
	"mime/quotedprintable"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/notify"
)

func failedMessage() notify.Message {
	return notify.Message{
		Event: backup.NewsFailed, Time: time.Date(2026, 11, 23, 2, 30, 0, 0, time.UTC), Host: "laptop.example", Job: "home", Repository: "nas",
		RunID: "20261123T0230-ab", Title: "laptop: backup of home failed", Text: "No space left.\nTry: borgcron history\n",
		Tail: []string{"first", "last"},
	}
}

func channelTo(address string) *notify.Email {
	return &notify.Email{
		Server: "smtp://" + address, TLS: "none", From: "borgcron@laptop.example", To: []string{"owner@example.org"}, Read: readSecret,
	}
}

func readSecret(_ context.Context, s backup.Secret) ([]byte, error) {
	if s.Text == "" {
		return nil, errors.New("no secret is configured")
	}
	return []byte(s.Text), nil
}

func withLogin(e *notify.Email, password string) *notify.Email {
	e.User, e.Password = mailUser, backup.Secret{Text: password}
	return e
}

// TestEmailDelivers: each way to encrypt and to log in, with a server that wants just that.
func TestEmailDelivers(t *testing.T) {
	ca := newAuthority(t)
	config := ca.issue(t, "", time.Now().Add(time.Hour))
	tests := map[string]struct {
		scheme, tls string
		implicit    bool
		mechs       []string
		encrypted   bool
		auth        string
	}{
		"STARTTLS":                   {scheme: "smtp", tls: "starttls", encrypted: true},
		"STARTTLS by default":        {scheme: "smtp", encrypted: true},
		"TLS by scheme":              {scheme: "smtps", tls: "starttls", implicit: true, encrypted: true},
		"TLS by key":                 {scheme: "smtp", tls: "tls", implicit: true, encrypted: true},
		"TLS by scheme against none": {scheme: "smtps", tls: "none", implicit: true, encrypted: true},
		"none":                       {scheme: "smtp", tls: "none"},
		"PLAIN":                      {scheme: "smtp", tls: "starttls", mechs: []string{"PLAIN"}, encrypted: true, auth: "PLAIN"},
		"PLAIN over TLS":             {scheme: "smtps", implicit: true, mechs: []string{"PLAIN"}, encrypted: true, auth: "PLAIN"},
		"LOGIN":                      {scheme: "smtp", tls: "starttls", mechs: []string{"XOAUTH2", "LOGIN"}, encrypted: true, auth: "LOGIN"},
		"SCRAM before all":           {scheme: "smtp", tls: "starttls", mechs: []string{"PLAIN", "SCRAM-SHA-256", "LOGIN"}, encrypted: true, auth: "SCRAM-SHA-256"},
		"login on this machine":      {scheme: "smtp", tls: "none", mechs: []string{"LOGIN", "PLAIN"}, auth: "PLAIN"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := (&mailServer{Mechs: test.mechs}).start(t, config, test.implicit)
			channel := channelTo(server.Address)
			channel.Server, channel.TLS, channel.Roots = test.scheme+"://"+server.Address, test.tls, ca.Roots
			if test.mechs != nil {
				withLogin(channel, mailPassword)
			}
			if err := channel.Deliver(t.Context(), failedMessage()); err != nil {
				t.Fatal(err)
			}
			mails := server.mails()
			if len(mails) != 1 {
				t.Fatalf("%d mails", len(mails))
			}
			want := taken{
				From: "borgcron@laptop.example", To: []string{"owner@example.org"}, Mail: mails[0].Mail, TLS: test.encrypted, Auth: test.auth,
				Helo: "laptop.example",
			}
			if diff := cmp.Diff(want, mails[0]); diff != "" {
				t.Errorf("the mail (-want +got)\n%s", diff)
			}
		})
	}
}

// parsed is a mail that was read.
func parsed(t *testing.T, text string) (header mail.Header, body string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if len(line) > 998+2 || strings.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
			t.Fatalf("a line of the mail is too long or not ASCII: %.100q", line)
		}
	}
	return m.Header, strings.ReplaceAll(string(content), "\r\n", "\n")
}

// TestEmailReads: the mail as a mail program reads it.
func TestEmailReads(t *testing.T) {
	server := (&mailServer{}).start(t, nil, false)
	channel := channelTo(server.Address)
	channel.From, channel.To = `"Borg, Crön" <borgcron@laptop.example>`, []string{"Öwner <owner@example.org>", "second@example.org"}
	message := failedMessage()
	message.Title = "lässig: backup of Büro failed 🔥 " + strings.Repeat("ü", 80)
	message.Text = "Grüße 🦊\n.\n..\nFrom here\n" + strings.Repeat("x", 10_000) + "\ntrailing \n=3D\n" + strings.Repeat("many lines ä\n", 80_000)
	if err := channel.Deliver(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	header, body := parsed(t, server.mails()[0].Mail)
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil || subject != message.Title {
		t.Errorf("the subject is %q, %v", subject, err)
	}
	want := message.Text + "\n---- the end of the log ----\nfirst\nlast\n\n-- \nHost: laptop.example\nJob: home\nRepository: nas\n" +
		"Run: 20261123T0230-ab\nTime: " + message.Time.Local().Format("2006-01-02 15:04:05 -0700") + "\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("the body (-want +got)\n%.2000s", diff)
	}
	from, err := header.AddressList("From")
	if err != nil || len(from) != 1 || *from[0] != (mail.Address{Name: "Borg, Crön", Address: "borgcron@laptop.example"}) {
		t.Errorf("from %v, %v", from, err)
	}
	to, err := header.AddressList("To")
	if err != nil || len(to) != 2 || *to[0] != (mail.Address{Name: "Öwner", Address: "owner@example.org"}) || to[1].Address != "second@example.org" {
		t.Errorf("to %v, %v", to, err)
	}
	if date, err := header.Date(); err != nil || time.Since(date).Abs() > time.Minute {
		t.Errorf("the date is %v, %v", date, err)
	}
	for key, want := range map[string]string{
		"Auto-Submitted": "auto-generated", "X-Borgcron-Event": "failed", "Mime-Version": "1.0",
		"Content-Type": "text/plain; charset=UTF-8", "Content-Transfer-Encoding": "quoted-printable",
	} {
		if got := header.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	var keys []string
	for key := range header {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if diff := cmp.Diff([]string{
		"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "In-Reply-To", "Message-Id", "Mime-Version",
		"References", "Subject", "To", "X-Borgcron-Event",
	}, keys); diff != "" {
		t.Errorf("the header lines (-want +got)\n%s", diff)
	}
}

// TestEmailThreads: the mails about one job on one repository belong together; one that is sent again is the same one.
func TestEmailThreads(t *testing.T) {
	server := (&mailServer{}).start(t, nil, false)
	channel := channelTo(server.Address)
	send := func(change func(m *notify.Message)) (id, thread string) {
		message := failedMessage()
		change(&message)
		if err := channel.Deliver(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		mails := server.mails()
		header, _ := parsed(t, mails[len(mails)-1].Mail)
		id, thread = header.Get("Message-Id"), header.Get("References")
		if thread != header.Get("In-Reply-To") {
			t.Errorf("References %q, In-Reply-To %q", thread, header.Get("In-Reply-To"))
		}
		if !strings.HasPrefix(id, "<borgcron.") || !strings.HasSuffix(id, "@laptop.example>") || len(id) != len("<borgcron.@laptop.example>")+32 {
			t.Errorf("the id is %q", id)
		}
		return id, thread
	}
	id, thread := send(func(*notify.Message) {})
	if again, _ := send(func(*notify.Message) {}); again != id {
		t.Errorf("sent again it is %s and no longer %s", again, id)
	}
	if next, same := send(func(m *notify.Message) { m.RunID = "next" }); next == id || same != thread {
		t.Errorf("the next run's is %s in %s", next, same)
	}
	for name, change := range map[string]func(*notify.Message){
		"another job":        func(m *notify.Message) { m.Job = "etc" },
		"another repository": func(m *notify.Message) { m.Repository = "cloud" },
		"a test":             func(m *notify.Message) { m.Job = "" },
	} {
		if _, other := send(change); other == thread || (other == "") != (name == "a test") {
			t.Errorf("%s is in the thread %q", name, other)
		}
	}
}

// TestEmailSomeRefused: who can be reached gets the mail once, and reads of the others.
func TestEmailSomeRefused(t *testing.T) {
	server := (&mailServer{Refuse: map[string]*smtp.SMTPError{
		"gone@example.org": {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "User unknown"},
		"late@example.org": {Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Greylisted"},
	}}).start(t, nil, false)
	channel := channelTo(server.Address)
	channel.To = []string{"gone@example.org", "owner@example.org", "late@example.org"}
	if err := channel.Deliver(t.Context(), failedMessage()); err != nil {
		t.Fatal(err)
	}
	mails := server.mails()
	if len(mails) != 1 || !slices.Equal(mails[0].To, []string{"owner@example.org"}) {
		t.Fatalf("the mails are %+v", mails)
	}
	_, body := parsed(t, mails[0].Mail)
	for _, want := range []string{
		"\nThe mail server did not take this mail for gone@example.org (550 5.1.1).\n",
		"\nThe mail server did not take this mail for late@example.org (451 4.7.1).\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in\n%s", want, body)
		}
	}
}

// TestEmailUTF8: SMTPUTF8 is asked for only if an address needs it.
func TestEmailUTF8(t *testing.T) {
	server := (&mailServer{Change: func(s *smtp.Server) { s.EnableSMTPUTF8 = true }}).start(t, nil, false)
	channel := channelTo(server.Address)
	for address, want := range map[string]bool{"owner@example.org": false, "öwner@exämple.org": true} {
		channel.To = []string{address}
		if err := channel.Deliver(t.Context(), failedMessage()); err != nil {
			t.Fatal(err)
		}
		mails := server.mails()
		if last := mails[len(mails)-1]; last.UTF8 != want || last.To[0] != address {
			t.Errorf("%s: %+v", address, last)
		}
	}
}

// unspeakable is what no error may say.
var unspeakable = []string{
	mailPassword, "Pa55wort", "geheim", mailUser, "otto", "127.0.0.1", "localhost", "mx.example", "laptop.example", "example.org", "owner",
	base64.StdEncoding.EncodeToString([]byte(mailPassword)), base64.StdEncoding.EncodeToString([]byte(mailUser)),
	base64.StdEncoding.EncodeToString([]byte("\x00" + mailUser + "\x00" + mailPassword)), "AGVu",
}

func checkSilent(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	for _, word := range unspeakable {
		if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			t.Errorf("the error names %q: %s", word, text)
		}
	}
	if len(text) > 400 || backup.Clean(text) != text {
		t.Errorf("the error is long or not clean: %q", text)
	}
}

func TestEmailFails(t *testing.T) {
	ca := newAuthority(t)
	good := ca.issue(t, "", time.Now().Add(time.Hour))
	foreign := ca.issue(t, "mx.example", time.Now().Add(time.Hour))
	expired := ca.issue(t, "", time.Now().Add(-time.Minute))
	old := good.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 // it would speak no other
	refuse := func(what string, code int, text string) *mailServer {
		return &mailServer{Refuse: map[string]*smtp.SMTPError{what: {Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 7, 1}, Message: text}}}
	}
	tests := map[string]struct {
		server   *mailServer
		config   *tls.Config
		implicit bool
		change   func(e *notify.Email)
		want     string
	}{
		"wrong password, PLAIN": {
			server: &mailServer{Mechs: []string{"PLAIN"}}, config: good,
			change: func(e *notify.Email) { withLogin(e, mailPassword+"x") },
			want:   "the mail server refused the login (535 5.7.8): look at `user` and `password`",
		},
		"wrong password, LOGIN": {
			server: &mailServer{Mechs: []string{"LOGIN"}}, config: good,
			change: func(e *notify.Email) { withLogin(e, mailPassword+"x") },
			want:   "the mail server refused the login (535 5.7.8): look at `user` and `password`",
		},
		"wrong password, SCRAM": {
			server: &mailServer{Mechs: []string{"SCRAM-SHA-256"}}, config: good,
			change: func(e *notify.Email) { withLogin(e, mailPassword+"x") },
			want:   "the mail server refused the login (535 5.7.8): look at `user` and `password`",
		},
		"SCRAM that would compute for years": {
			server: &mailServer{Mechs: []string{"SCRAM-SHA-1"}}, config: good,
			change: func(e *notify.Email) { withLogin(e, mailPassword) },
			want:   "log in to the mail server: the mail server asks for more rounds of computing than are usual",
		},
		"no login offered": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { withLogin(e, mailPassword) },
			want: "the mail server offers no login that is known here; leave out `user` if it wants none",
		},
		"no password": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { withLogin(e, "") },
			want: "read the password for the mail server: no secret is configured",
		},
		"the sender is refused": {
			server: refuse("MAIL", 550, "<borgcron@laptop.example>: Sender address rejected: not owned by user otto.owner"), config: good,
			want: "name the sender to the mail server: it answered 550 5.7.1 … Sender address rejected: not owned by user …",
		},
		"all recipients are refused": {
			server: refuse("owner@example.org", 550, "User owner@example.org (owner) unknown on mx.example [192.0.2.7]"), config: good,
			want: "name the recipients to the mail server: it answered 550 5.7.1 User … … unknown on … …",
		},
		"greylisted": {
			server: refuse("owner@example.org", 451, "Greylisted, see https://grey.example/x?y=owner and try again in 300 seconds"), config: good,
			want: "name the recipients to the mail server: it answered 451 4.7.1 Greylisted, see … and try again in 300 seconds",
		},
		"the mail is refused": {
			server: refuse("DATA", 554, "Spam\x1b[31m message rejected"), config: good,
			want: "hand the mail over: it answered 554 5.7.1 … message rejected",
		},
		"severed": {server: &mailServer{Sever: true}, config: good, want: "hand the mail over: it closed the connection"},
		"no STARTTLS": {
			server: &mailServer{},
			want:   "the mail server offers no STARTTLS: nothing was sent to it; try `tls: tls` and its port for that, often 465",
		},
		"certificate of nobody": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.Roots = nil },
			want: "encrypt the connection to the mail server: its certificate is signed by nobody whom this machine trusts",
		},
		"certificate of nobody, TLS": {
			server: &mailServer{}, config: good, implicit: true, change: func(e *notify.Email) { e.TLS, e.Roots = "tls", nil },
			want: "connect to the mail server: its certificate is signed by nobody whom this machine trusts",
		},
		"certificate of another": {
			server: &mailServer{}, config: foreign, want: "encrypt the connection to the mail server: its certificate is for another name",
		},
		"certificate expired": {
			server: &mailServer{}, config: expired, want: "encrypt the connection to the mail server: its certificate has expired or is not valid yet",
		},
		"TLS 1.1": {
			server: &mailServer{}, config: old, want: "encrypt the connection to the mail server: remote error: tls: protocol version not supported",
		},
		"TLS at the port for STARTTLS": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.TLS = "tls" },
			want: "connect to the mail server: it does not speak TLS there; try `tls: starttls`, or another port",
		},
		"nobody listens": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.Server = "smtp://" + closedPort(t) },
			want: "connect to the mail server: connection refused",
		},
		"no such name": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.Server = "smtp://mx.example.invalid" },
			want: "connect to the mail server: its name cannot be resolved",
		},
		"no address": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.Server = "smtp://otto:geheim@" },
			want: "the mail server is not in the form smtp://HOST:PORT",
		},
		"wrong sender": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.From = "owner@example.org, otto@" },
			want: "the sender's address cannot be read: `from` wants an address such as a@b",
		},
		"wrong recipient": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.To = []string{"a@b", "owner@example.org\r\nRCPT TO:<x@y>"} },
			want: "the address of recipient 2 cannot be read: `to` wants addresses such as c@d",
		},
		"no recipient": {
			server: &mailServer{}, config: good, change: func(e *notify.Email) { e.To = nil }, want: "the mail has no recipient: name some in `to`",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := test.server.start(t, test.config, test.implicit)
			channel := channelTo(server.Address)
			channel.TLS, channel.Roots = "starttls", ca.Roots
			if test.change != nil {
				test.change(channel)
			}
			err := channel.Deliver(t.Context(), failedMessage())
			if err == nil || err.Error() != test.want {
				t.Fatalf("the error is %v\nwant %s", err, test.want)
			}
			checkSilent(t, err)
			if mails := server.mails(); len(mails) != 0 {
				t.Errorf("it took %+v", mails)
			}
		})
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestEmailKeepsPassword: over a line that others can read no password is sent.
func TestEmailKeepsPassword(t *testing.T) {
	address := ownAddress(t)
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skip("this machine cannot be reached under its own address: ", err)
	}
	heard := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			heard <- err.Error()
			return
		}
		var all strings.Builder
		talk(conn, nil, func(line string) string {
			all.WriteString(line + "\n")
			return ""
		})
		heard <- all.String()
	}()
	defer listener.Close()
	err = withLogin(channelTo(listener.Addr().String()), mailPassword).Deliver(t.Context(), failedMessage())
	const want = "the password was not sent: the connection to the mail server is not encrypted; try `tls: starttls` or `tls: tls`"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v", err)
	}
	if got := <-heard; got != "CONNECT\nEHLO laptop.example\nQUIT\n" {
		t.Errorf("the server heard %q", got)
	}
}

// ownAddress is one under which others reach this machine.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if ip, ok := address.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal("this machine has no address for others")
	}
	t.Skip("this machine has no address for others")
	return ""
}

// stages are what a client of our dialogue says, one after the other.
var stages = []string{"CONNECT", "EHLO", "STARTTLS", "TLS", "AUTH", "PASSWORD?", "PASSWORD", "MAIL", "RCPT", "DATA", "END"}

func at(stage, line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	return verb == stage
}

// TestEmailHangs: a server that falls silent anywhere is given up when the context ends.
func TestEmailHangs(t *testing.T) {
	ca := newAuthority(t)
	config := ca.issue(t, "", time.Now().Add(time.Hour))
	for _, stage := range append(stages, "QUIT") {
		t.Run(stage, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			over := errors.New("no answer within 30s")
			address := dialogue(t, config, func(line string) string {
				if !at(stage, line) {
					return ""
				}
				cancel(over)
				return hang
			})
			channel := withLogin(channelTo(address), mailPassword)
			channel.TLS, channel.Roots = "starttls", ca.Roots
			err := channel.Deliver(ctx, failedMessage())
			if stage == "QUIT" { // the mail was taken
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, over) {
				t.Fatalf("the error is %v", err)
			}
			checkSilent(t, err)
		})
	}
}

// TestEmailQuit: a mail that was taken is delivered, however the good-bye goes and although the caller would wait.
func TestEmailQuit(t *testing.T) {
	for name, answer := range map[string]string{"hangs": hang, "refused": "500 no", "not SMTP": "???"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := dialogue(t, nil, func(line string) string {
				if at("QUIT", line) {
					return answer
				}
				return ""
			})
			if err := channelTo(address).Deliver(t.Context(), failedMessage()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEmailStalls: a server that takes no more of the mail is given up when the context ends.
func TestEmailStalls(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	over := make(chan struct{})
	defer close(over)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "220 ready\r\n250 hello\r\n250 sender\r\n250 recipient\r\n354 go on\r\n")
		<-over // nothing was read
	}()
	message := failedMessage()
	message.Text = strings.Repeat("more than the system keeps for it\n", 1<<19)
	cause := errors.New("no answer within 30s")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, cause)
	defer cancel()
	err = channelTo(listener.Addr().String()).Deliver(ctx, message)
	if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "hand the mail over: ") {
		t.Errorf("the error is %v", err)
	}
}

// TestEmailIgnoresPlain: what a server said before the encryption, or somebody in its place, counts no longer after it.
func TestEmailIgnoresPlain(t *testing.T) {
	ca := newAuthority(t)
	config := ca.issue(t, "", time.Now().Add(time.Hour))
	encrypted := false
	address := dialogue(t, config, func(line string) string {
		switch {
		case line == "TLS":
			encrypted = true
		case at("EHLO", line) && encrypted:
			return "250 mx.example" // no AUTH any more
		case at("AUTH", line):
			t.Error("it logs in as was offered before")
		}
		return ""
	})
	channel := withLogin(channelTo(address), mailPassword)
	channel.TLS, channel.Roots = "starttls", ca.Roots
	err := channel.Deliver(t.Context(), failedMessage())
	if err == nil || !strings.HasPrefix(err.Error(), "the mail server offers no login") {
		t.Errorf("the error is %v", err)
	}
}

// TestEmailEcho: a server that repeats all that it was told in its answers, and closes or goes on, puts no secret into
// an error.
func TestEmailEcho(t *testing.T) {
	ca := newAuthority(t)
	config := ca.issue(t, "", time.Now().Add(time.Hour))
	for _, stage := range stages {
		if stage == "TLS" {
			continue // no answer of the server's
		}
		for _, code := range []string{"421", "535", "550", "999", "no code"} {
			t.Run(stage+" "+code, func(t *testing.T) {
				var heard []string
				address := dialogue(t, config, func(line string) string {
					secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(line, "PASSWORD "))
					heard = append(heard, line, string(secret), mailUser, mailPassword)
					if !at(stage, line) {
						return ""
					}
					return code + "-5.7.1 " + strings.Join(heard, " ") + "\r\n" + code + " 5.7.1 " + line
				})
				channel := withLogin(channelTo(address), mailPassword)
				channel.TLS, channel.Roots = "starttls", ca.Roots
				err := channel.Deliver(t.Context(), failedMessage())
				if err == nil {
					t.Fatal("no error")
				}
				checkSilent(t, err)
			})
		}
	}
}

// TestEmailFlood: a server that does not stop talking is left, whatever it says.
func TestEmailFlood(t *testing.T) {
	for name, flood := range map[string]string{
		"lines": "220-hello\r\n", "one line": "220 hello ", "no reply": "hello\r\n", "nothing": "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			var sent atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				for block := []byte(strings.Repeat(flood, 1000)); ; {
					n, err := conn.Write(block)
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			}()
			err = channelTo(listener.Addr().String()).Deliver(t.Context(), failedMessage())
			if err == nil {
				t.Fatal("no error")
			}
			checkSilent(t, err)
			<-done
			if sent.Load() > 64<<20 {
				t.Errorf("%d bytes were taken", sent.Load())
			}
		})
	}
}
