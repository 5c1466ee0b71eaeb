package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	mailUser     = "otto.owner"
	mailPassword = "geheim Pa55wort!"
)

// authority signs certificates of mail servers.
type authority struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	Roots *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{key: newKey(t), Roots: x509.NewCertPool()}
	a.cert = sign(t, template, template, a.key, a.key)
	a.Roots.AddCert(a.cert)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a server's certificate for a name, or for 127.0.0.1 too if that is "".
func (a *authority) issue(t *testing.T, name string, end time.Time) *tls.Config {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: end, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if name == "" {
		template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	key := newKey(t)
	cert := sign(t, template, a.cert, key, a.key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
}

// taken is a mail as a server got it.
type taken struct {
	From string
	To   []string
	Mail string
	TLS  bool
	Auth string // how the client logged in
	UTF8 bool   // whether the client asked for SMTPUTF8
	Helo string
}

// mailServer is a real SMTP server in this process.
type mailServer struct {
	Address string
	Mechs   []string                   // offered; none: it wants no login
	Refuse  map[string]*smtp.SMTPError // MAIL, DATA and addresses, and how they are refused
	Sever   bool                       // closes the connection while it gets the mail
	Change  func(server *smtp.Server)  // of its settings
	OnMail  func(from string, conn *smtp.Conn)

	mu    sync.Mutex
	taken []taken
}

// start begins to serve, over TLS from the first byte if implicit.
func (m *mailServer) start(t *testing.T, config *tls.Config, implicit bool) *mailServer {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
		return &mailSession{server: m, conn: conn}, nil
	}))
	server.Domain, server.AllowInsecureAuth, server.ErrorLog = "mx.example", true, log.New(io.Discard, "", 0)
	server.TLSConfig = config
	if m.Change != nil {
		m.Change(server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.Address = listener.Addr().String()
	if implicit {
		listener = tls.NewListener(listener, config)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		_ = listener.Close()
		<-served
	})
	return m
}

// mails are those that were taken.
func (m *mailServer) mails() []taken {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.taken)
}

type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
	auth   string
	mail   taken
}

func (s *mailSession) AuthMechanisms() []string { return s.server.Mechs }

func (s *mailSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != mailUser || password != mailPassword {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "No entry for " + user + ", " + password}
		}
		s.auth = mech
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	case "SCRAM-SHA-256":
		return &scramServer{rounds: 4096, done: func() { s.auth = mech }}, nil
	case "SCRAM-SHA-1": // one that wants the client to compute for a year
		return &scramServer{rounds: 2_000_000_000, done: func() { s.auth = mech }}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *mailSession) Mail(from string, options *smtp.MailOptions) error {
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = taken{From: from, TLS: encrypted, Auth: s.auth, UTF8: options.UTF8, Helo: s.conn.Hostname()}
	return s.refusal("MAIL")
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.refusal(to); err != nil {
		return err
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	if s.server.Sever {
		_, _ = io.CopyN(io.Discard, r, 10)
		return errors.Join(s.conn.Conn().Close(), errors.New("severed"))
	}
	mail, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.refusal("DATA"); err != nil {
		return err
	}
	s.mail.Mail = string(mail)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.taken = append(s.server.taken, s.mail)
	return nil
}

func (s *mailSession) refusal(what string) error {
	if refusal := s.server.Refuse[what]; refusal != nil {
		return refusal
	}
	return nil
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

// loginServer is the other side of LOGIN, which has no standard.
type loginServer struct {
	check func(user, password string) error
	said  []string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte("Username:"), false, nil
	}
	if l.said = append(l.said, string(response)); len(l.said) == 1 {
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.said[0], l.said[1])
}

// scramServer is the other side of SCRAM (RFC 5802, RFC 7677) without its last message.
type scramServer struct {
	rounds int
	done   func()
	first  string
	begun  bool
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	const salt = "pepper"
	text := string(response)
	switch {
	case !s.begun && len(response) == 0:
		return []byte{}, false, nil
	case !s.begun:
		s.begun = true
		bare := strings.TrimPrefix(text, "n,,")
		_, nonce, _ := strings.Cut(bare, ",r=")
		server := fmt.Sprintf("r=%sours,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString([]byte(salt)), s.rounds)
		s.first = bare + "," + server
		return []byte(server), false, nil
	}
	final, proof, _ := strings.Cut(text, ",p=")
	salted, err := pbkdf2.Key(sha256.New, mailPassword, []byte(salt), s.rounds, sha256.Size)
	if err != nil {
		return nil, false, err
	}
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	for i, b := range mac(stored[:], s.first+","+final) {
		key[i] ^= b
	}
	if proof != base64.StdEncoding.EncodeToString(key) || !strings.HasPrefix(s.first, "n="+mailUser+",") {
		return nil, false, smtp.ErrAuthFailed
	}
	s.done()
	return nil, true, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// dialogue is a mail server that speaks as the test wants. React gets each line of the client, or CONNECT, TLS and END
// (of the mail), and returns what to answer: "" is what a server would say, hang is nothing any more.
func dialogue(t *testing.T, config *tls.Config, react func(line string) string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
			all.Go(func() {
				defer stop()
				defer conn.Close()
				talk(conn, config, react)
			})
		}
	})
	return listener.Addr().String()
}

const hang = "hang"

func talk(conn net.Conn, config *tls.Config, react func(line string) string) {
	lines := bufio.NewReader(conn)
	accepted := false
	answer := func(line, usual string) bool {
		reply := react(line)
		accepted = reply == ""
		if reply == hang {
			_, _ = io.Copy(io.Discard, conn)
			return false
		}
		if reply == "" {
			reply = usual
		}
		_, err := io.WriteString(conn, reply+"\r\n")
		return err == nil
	}
	if !answer("CONNECT", "220 mx.example ready") {
		return
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		usual := map[string]string{
			"EHLO": "250-mx.example\r\n250-AUTH LOGIN\r\n250 STARTTLS", "STARTTLS": "220 go on", "AUTH": "334 VXNlcm5hbWU6",
			"DATA": "354 go on", "QUIT": "221 bye", "*": "501 stopped",
		}[verb]
		if usual == "" {
			usual = "250 fine"
		}
		if !answer(line, usual) {
			return
		}
		if !accepted {
			continue
		}
		switch verb {
		case "STARTTLS":
			if react("TLS") == hang {
				_, _ = io.Copy(io.Discard, conn)
				return
			}
			conn = tls.Server(conn, config)
			lines = bufio.NewReader(conn)
		case "AUTH":
			_, _ = lines.ReadString('\n')
			if !answer("PASSWORD?", "334 UGFzc3dvcmQ6") {
				return
			}
			secret, _ := lines.ReadString('\n')
			if !answer("PASSWORD "+strings.TrimSpace(secret), "235 welcome") {
				return
			}
		case "DATA":
			for line := ""; line != ".\r\n"; {
				if line, err = lines.ReadString('\n'); err != nil {
					return
				}
			}
			if !answer("END", "250 taken") {
				return
			}
		}
	}
}
