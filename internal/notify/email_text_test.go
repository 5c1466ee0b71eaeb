package notify

import (
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"borgcron/internal/backup"
)

// FuzzCompose: whatever a message says, the mail has the header lines that we give it and no others, and says it.
func FuzzCompose(f *testing.F) {
	f.Add("laptop: backup failed", "No space left.\n", "laptop", "home", "failed")
	f.Add("a\r\nBcc: x@y\r\n\r\nbody", ".\r\n.\nQUIT\n", "host\r\nX-Evil: 1", "job\nX: y", "failed\r\nX-Evil: 1")
	f.Add("=?utf-8?q?x?=", "=0A=\n\n\n", "büro.example", "=?", "")
	f.Add(strings.Repeat("ü", 400), strings.Repeat("x", 5000), "..", strings.Repeat("j", 2000), "\x00")
	f.Add(" ends in a space, Ð ", "", "", "", "")
	f.Add(strings.Repeat("x", 1400), "From a\n>From b\n", "-", "", strings.Repeat("e", 1000))
	f.Fuzz(func(t *testing.T, title, text, host, job, event string) {
		envelope, err := newEnvelope(`"Börg, Cron" <a@b.example>`, []string{"c@d.example"})
		if err != nil {
			t.Fatal(err)
		}
		message := Message{Event: backup.News(event), Host: host, Job: job, Title: title, Text: text, Time: time.Unix(0, 0)}
		composed, err := compose(message, envelope, []string{"c@d.example\r\nX-Evil: 1"})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitAfterSeq(string(composed), "\r\n") {
			if strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\n\x00") || len(line) > 1000 {
				t.Fatalf("a line of the mail is %.200q", line)
			}
		}
		read, err := mail.ReadMessage(strings.NewReader(string(composed)))
		if err != nil {
			t.Fatal(err)
		}
		for key, values := range read.Header {
			if len(values) != 1 || !slices.Contains([]string{
				"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "In-Reply-To", "Message-Id", "Mime-Version",
				"References", "Subject", "To", "X-Borgcron-Event",
			}, key) {
				t.Fatalf("header %s: %q", key, values)
			}
		}
		want := strings.TrimSpace(backup.CleanLine(title, mostTitle))
		subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
		if utf8.ValidString(title) && !strings.Contains(title, "=?") && (err != nil || subject != want) { // "=?" asks to be decoded
			t.Fatalf("the subject is %q, want %q, %v", subject, want, err)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(read.Body))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
		if !strings.HasPrefix(lines.Replace(string(content)), lines.Replace(text)) {
			t.Fatalf("the body is %.200q, want %.200q", content, text)
		}
	})
}

// FuzzCleanReply: nothing that can be an address or a code of a login gets out of what a server or program says.
func FuzzCleanReply(f *testing.F) {
	f.Add("5.1.1 <c@d.example>: Recipient address rejected: User unknown", "otto", "secret")
	f.Add("AUTH PLAIN AG90dG8Ac2VjcmV0", "otto", "secret")
	f.Add("mx [2001:db8::1] 192.0.2.1:25 https://x/y OTTO, \x1b[2J\xff", "otto", "secret")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, text, user, password string) {
		hide := hidden{secrets: logins(user, password), names: strings.Fields(user)}
		got := hide.clean(text)
		if password != "" && strings.Contains(text, password) && got != "" {
			t.Errorf("%q of a text with the password", got)
		}
		if strings.ContainsAny(got, "@/[]<>=+_\\\n\r\x1b") || backup.Clean(got) != got || utf8.RuneCountInString(got) > mostReason {
			t.Errorf("%q", got)
		}
		for word := range strings.FieldsSeq(got) {
			word = strings.Trim(word, `.,:;!?"'()…`)
			for _, name := range strings.Fields(user) {
				if word != "" && utf8.RuneCountInString(got) < mostReason && strings.EqualFold(word, name) {
					t.Errorf("%q names %q", got, name)
				}
			}
			if strings.Contains(word, ".") || strings.Count(word, ":") > 0 {
				t.Errorf("%q has %q", got, word)
			}
		}
	})
}

func TestCleanReply(t *testing.T) {
	hide := hidden{secrets: logins("otto", "secret"), names: []string{"otto", "nas"}}
	for text, want := range map[string]string{
		"5.1.1 User unknown":                           "User unknown",
		"5.1.1":                                        "",
		"4.2.2.1 is an address":                        "… is an address",
		"Message size 1000 exceeds 500.":               "Message size 1000 exceeds 500.",
		"a\nb":                                         "a b",
		"Otto, not (owned) by 'NAS'":                   "… not (owned) by …",
		"Otto's mailbox at NAS-backup":                 "… mailbox at …",
		"c3d non-existent can't a1b2":                  "… non-existent can't …",
		"the secret is in it":                          "",
		"AG90dG8Ac2VjcmV0 is the line of a login":      "",
		"two  spaces\tand " + strings.Repeat("x", 200): "two spaces and " + strings.Repeat("x", mostReason-16) + "…",
	} {
		if got := hide.clean(text); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestReplyCode(t *testing.T) {
	for message, want := range map[string]string{
		"5.7.8 no": "550 5.7.8", "5.7.8": "550 5.7.8", "no": "550", "": "550", "5.7.8x no": "550", "5..8 no": "550", "5.7.8888 no": "550", "5.7 no": "550",
	} {
		if got := replyCode(&textproto.Error{Code: 550, Msg: message}); got != want {
			t.Errorf("%q gives %q, want %q", message, got, want)
		}
	}
	if got := replyCode(errors.New("550 no")); got != "" {
		t.Errorf("an error that is no answer has the code %q", got)
	}
}

func TestDomain(t *testing.T) {
	for host, want := range map[string]string{
		"laptop": "laptop", "a.b-c.example": "a.b-c.example", "": "localhost", "...": "localhost", ".a..b.": "a.b", "büro": "bro", "a b\r\nQUIT": "abQUIT",
		"日本": "localhost", "x@y>z": "xyz",
	} {
		if got := domain(host); got != want {
			t.Errorf("%q gives %q, want %q", host, got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:25": true, "127.8.9.10:25": true, "[::1]:25": true, "[::ffff:127.0.0.1]:25": true,
		"192.168.1.1:25": false, "0.0.0.0:25": false, "[::]:25": false, "[2001:db8::1]:25": false,
	} {
		resolved, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := loopback(resolved); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
	if loopback(&net.UnixAddr{Name: "127.0.0.1", Net: "unix"}) {
		t.Error("an address of another kind")
	}
}

func TestServer(t *testing.T) {
	for text, want := range map[string]server{
		"smtp://mx starttls":       {host: "mx", port: "587", tls: "starttls"},
		"smtp://mx ":               {host: "mx", port: "587", tls: "starttls"},
		"smtp://mx tls":            {host: "mx", port: "465", tls: "tls"},
		"smtp://mx none":           {host: "mx", port: "25", tls: "none"},
		"smtps://mx starttls":      {host: "mx", port: "465", tls: "tls"},
		"smtps://mx none":          {host: "mx", port: "465", tls: "tls"},
		"smtp://mx:2525 tls":       {host: "mx", port: "2525", tls: "tls"},
		"smtp://[2001:db8::1]:26 ": {host: "2001:db8::1", port: "26", tls: "starttls"},
	} {
		address, encryption, _ := strings.Cut(text, " ")
		if got, err := (&Email{Server: address, TLS: encryption}).server(); err != nil || got != want {
			t.Errorf("%s gives %+v, %v", text, got, err)
		}
	}
	for _, encryption := range []string{"ssl", "STARTTLS", "off"} {
		if got, err := (&Email{Server: "smtp://mx:25", TLS: encryption}).server(); err == nil {
			t.Errorf("tls: %s gives %+v", encryption, got)
		}
	}
}
