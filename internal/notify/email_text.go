package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"borgcron/internal/backup"
)

// envelope is who sends a mail to whom.
type envelope struct {
	from *netmail.Address
	to   []*netmail.Address
}

func newEnvelope(from string, to []string) (*envelope, error) {
	sender, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, errors.New("the sender's address cannot be read: `from` wants an address such as a@b")
	}
	e := &envelope{from: sender}
	for i, text := range to {
		recipient, err := netmail.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("the address of recipient %d cannot be read: `to` wants addresses such as c@d", i+1)
		}
		e.to = append(e.to, recipient)
	}
	if len(e.to) == 0 {
		return nil, errors.New("the mail has no recipient: name some in `to`")
	}
	return e, nil
}

// names are what is left of an address without its server, and may stand in an answer alone.
func (e *envelope) names() []string {
	var names []string
	for _, address := range append([]*netmail.Address{e.from}, e.to...) {
		local, _, _ := strings.Cut(address.Address, "@")
		names = append(names, local)
	}
	return names
}

// ascii tells whether all addresses can do without SMTPUTF8.
func (e *envelope) ascii() bool {
	for _, address := range append([]*netmail.Address{e.from}, e.to...) {
		if strings.ContainsFunc(address.Address, func(r rune) bool { return r > unicode.MaxASCII }) {
			return false
		}
	}
	return true
}

// bare is an address without the name of its owner, in the angle brackets that SMTP wants.
func bare(address *netmail.Address) string {
	return (&netmail.Address{Address: address.Address}).String()
}

// compose writes the mail, with lines that end in CRLF. Refused are sentences about recipients that it is not taken for.
//
// Its date is when it is sent, not when it happened: a mail that had to wait would be sorted in among old ones, where
// nobody sees it. Its id is the same each time, so that one that was taken although no answer came is seen once.
func compose(m Message, e *envelope, refused []string) ([]byte, error) {
	mail := mail.NewMsg(mail.WithNoDefaultUserAgent())
	mail.FromMailAddress(e.from)
	mail.ToMailAddress(e.to...)
	mail.Subject(strings.TrimSpace(backup.CleanLine(m.Title, mostTitle)))
	mail.SetDateWithValue(time.Now())
	content, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	mail.SetMessageIDWithValue(identity(m.Host, "borgcron", string(content), fmt.Sprint(e.from, e.to)))
	if m.Job != "" { // mail programs gather what answers the same mail, whether they have that or not
		thread := "<" + identity(m.Host, "borgcron.job", m.Job, m.Repository) + ">"
		mail.SetGenHeader("In-Reply-To", thread)
		mail.SetGenHeader("References", thread)
	}
	mail.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answer by a machine
	mail.SetGenHeader("X-Borgcron-Event", backup.CleanLine(string(m.Event), mostTitle))
	mail.SetBodyString("text/plain", body(m, refused))
	var text bytes.Buffer
	if _, err := mail.WriteTo(&text); err != nil {
		return nil, errors.New("the mail cannot be written") // the cause may name the addresses
	}
	return text.Bytes(), nil
}

// identity is the id of a mail: what it is made from cannot be read from it.
func identity(host, kind string, parts ...string) string {
	sum := sha256.New()
	for _, part := range append(parts, host) {
		fmt.Fprintf(sum, "%d %s", len(part), part)
	}
	return fmt.Sprintf("%s.%x@%s", kind, sum.Sum(nil)[:16], domain(host))
}

// domain is a host's name as mails and mail servers take it.
func domain(host string) string {
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, host)
	labels := strings.FieldsFunc(plain, func(r rune) bool { return r == '.' })
	if len(labels) == 0 {
		return "localhost"
	}
	return strings.Join(labels, ".")
}

// body is what is read.
func body(m Message, refused []string) string {
	var text strings.Builder
	text.WriteString(m.Text)
	for _, line := range refused {
		text.WriteString("\n" + backup.Clean(line) + "\n")
	}
	if len(m.Tail) > 0 {
		text.WriteString("\n---- the end of the log ----\n" + strings.Join(m.Tail, "\n") + "\n")
	}
	text.WriteString("\n-- \n") // mail programs know this line: a signature follows
	for _, line := range [][2]string{
		{"Host", m.Host}, {"Job", m.Job}, {"Repository", m.Repository}, {"Run", m.RunID},
		{"Time", m.Time.Local().Format("2006-01-02 15:04:05 -0700")},
	} {
		if line[1] != "" {
			text.WriteString(line[0] + ": " + backup.Clean(line[1]) + "\n")
		}
	}
	return text.String()
}
