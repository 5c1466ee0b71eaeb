package notify

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"borgcron/internal/backup"
)

// mostReason is how many characters of what a mail server or program says are kept.
const mostReason = 160

// hidden is what must not be seen in an error, which is logged and kept.
type hidden struct {
	secrets []string // a text with one of them is not shown at all
	names   []string // of users and servers
}

// logins are the forms in which a password goes over the line.
func logins(user, password string) []string {
	var secrets []string
	for _, text := range []string{password, user, "\x00" + user + "\x00" + password} {
		if text != "" {
			secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(text)))
		}
	}
	if password != "" {
		secrets = append(secrets, password)
	}
	return secrets
}

// reason says in words what went wrong.
func (h hidden) reason(err error) string {
	var (
		reply       *textproto.Error
		protocol    textproto.ProtocolError
		lookup      *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		number      syscall.Errno
	)
	switch {
	case errors.As(err, &reply):
		return strings.TrimSpace(fmt.Sprintf("it answered %s %s", replyCode(err), h.clean(reply.Msg)))
	case errors.As(err, &protocol):
		return "it does not talk as a mail server does; is it the right port?"
	case errors.As(err, &lookup):
		return "its name cannot be resolved"
	case errors.As(err, &certificate):
		return certificateReason(certificate)
	case errors.As(err, &record):
		return "it does not speak TLS there; try `tls: starttls`, or another port"
	case errors.Is(err, errTooMuch):
		return errTooMuch.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	case errors.As(err, &number):
		return number.Error()
	}
	return h.clean(err.Error())
}

func certificateReason(err *tls.CertificateVerificationError) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by nobody whom this machine trusts"
	case errors.As(err, &host):
		return "its certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet"
	}
	return "its certificate cannot be verified"
}

// replyCode is the number of a mail server's answer, with the enhanced one (RFC 3463) if it gave that; "" if err is no
// answer.
func replyCode(err error) string {
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return ""
	}
	code := fmt.Sprint(reply.Code)
	if first, _, _ := strings.Cut(reply.Msg, " "); enhanced(first) {
		code += " " + first
	}
	return code
}

// enhanced tells whether a word is a code such as 5.7.8.
func enhanced(word string) bool {
	parts := strings.Split(word, ".")
	return len(parts) == 3 && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || len(part) > 3 || strings.Trim(part, "0123456789") != ""
	})
}

// clean keeps of a foreign text the plain words that are no name: no address, path, number with dots or code gets through.
func (h hidden) clean(text string) string {
	if slices.ContainsFunc(h.secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
		return ""
	}
	if first, rest, _ := strings.Cut(text, " "); enhanced(first) {
		text = rest
	}
	words := strings.Fields(text)
	for i, word := range words {
		if !h.plain(strings.Trim(word, `.,:;!?"'()`)) {
			words[i] = "…"
		}
	}
	return backup.CleanLine(strings.Join(words, " "), mostReason)
}

// plain tells whether a word is one of letters alone, or a number, and no name.
func (h hidden) plain(word string) bool {
	parts := strings.FieldsFunc(word, func(r rune) bool { return r == '-' || r == '\'' })
	for _, name := range h.names {
		same := func(text string) bool { return strings.EqualFold(name, text) }
		if same(word) || slices.ContainsFunc(parts, same) {
			return false
		}
	}
	if word != "" && strings.Trim(word, "0123456789") == "" {
		return true
	}
	return !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && r != '-' && r != '\'' })
}
