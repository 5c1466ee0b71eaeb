package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/notify"
)

// program writes a shell script that stands in for sendmail. $dir is its folder.
func program(t *testing.T, script string) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "sendmail")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ndir="+dir+"\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path, dir
}

func sendmailChannel(path string) *notify.Sendmail {
	return &notify.Sendmail{
		Program: path, From: "Borg <borgcron@laptop.example>", To: []string{"Owner <owner@example.org>", "-second@example.org"},
		Environ: []string{"PATH=" + os.Getenv("PATH"), "KEPT=yes"},
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSendmail(t *testing.T) {
	path, dir := program(t, `printf '%s\n' "$@" >$dir/args; env >$dir/env; cat >$dir/mail`)
	message := failedMessage()
	message.Text = "Grüße\n.\nthe end\n" + strings.Repeat("much text\n", 100_000)
	if err := sendmailChannel(path).Deliver(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	const args = "-i\n-f\nborgcron@laptop.example\n--\nowner@example.org\n-second@example.org\n"
	if diff := cmp.Diff(args, read(t, filepath.Join(dir, "args"))); diff != "" {
		t.Errorf("the arguments (-want +got)\n%s", diff)
	}
	if env := read(t, filepath.Join(dir, "env")); !strings.Contains(env, "KEPT=yes\n") {
		t.Errorf("the environment is\n%s", env)
	}
	text := read(t, filepath.Join(dir, "mail"))
	if strings.Contains(text, "\r") {
		t.Error("lines end in CRLF")
	}
	header, body := parsed(t, text)
	if header.Get("To") != `"Owner" <owner@example.org>, <-second@example.org>` || header.Get("From") != `"Borg" <borgcron@laptop.example>` {
		t.Errorf("the header is %v", header)
	}
	if !strings.HasPrefix(body, message.Text) {
		t.Errorf("the body is %.200s", body)
	}
}

func TestSendmailOnPath(t *testing.T) {
	path, dir := program(t, `cat >$dir/mail`)
	channel := sendmailChannel("sendmail")
	channel.Environ = []string{"PATH=" + filepath.Dir(path) + ":" + os.Getenv("PATH")}
	if err := channel.Deliver(t.Context(), failedMessage()); err != nil {
		t.Fatal(err)
	}
	parsed(t, read(t, filepath.Join(dir, "mail")))
}

func TestSendmailFails(t *testing.T) {
	big := failedMessage()
	big.Text = strings.Repeat("more than a pipe takes\n", 100_000)
	tests := map[string]struct{ script, want string }{
		"takes it unread":                       {script: "exit 0"},
		"leaves something that holds its input": {script: "sleep 1000 >/dev/null 2>&1 & echo $! >$dir/pid"},
		"temporary": {
			script: "echo first >&2; echo 'sendmail: owner@example.org: cannot connect to mx.example:25: Connection refused' >&2; echo >&2; exit 75",
			want:   "the sendmail program did not take the mail: sendmail: exit status 75: sendmail: … cannot connect to … Connection refused",
		},
		"silent": {script: "cat >/dev/null; exit 64", want: "the sendmail program did not take the mail: sendmail: exit status 64"},
		"signal": {script: "kill -9 $$", want: "the sendmail program did not take the mail: sendmail: ended by signal: killed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path, dir := program(t, test.script)
			err := sendmailChannel(path).Deliver(t.Context(), big)
			if fmt.Sprint(err) != test.want && (err != nil || test.want != "") {
				t.Errorf("the error is %v\nwant %s", err, test.want)
			}
			if err != nil {
				checkSilent(t, err)
			}
			if pid, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
				_ = exec.Command("kill", strings.TrimSpace(string(pid))).Run()
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		if err := sendmailChannel("/nonexistent/sendmail").Deliver(t.Context(), big); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the error is %v", err)
		}
	})
}

// TestSendmailHangs: a program that does not end is ended with all that it started.
func TestSendmailHangs(t *testing.T) {
	path, dir := program(t, "trap '' TERM; mkfifo $dir/never; echo on >$dir/begun; cat <$dir/never")
	begun := filepath.Join(dir, "begun")
	if err := exec.Command("mkfifo", begun).Run(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("no answer within 30s")
	go func() {
		_, _ = os.ReadFile(begun)
		cancel(over)
	}()
	err := sendmailChannel(path).Deliver(ctx, failedMessage())
	if !errors.Is(err, over) {
		t.Errorf("the error is %v", err)
	}
	// Whoever is left would still read here: a FIFO cannot be opened for writing alone if nobody does.
	if file, err := os.OpenFile(filepath.Join(dir, "never"), os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		file.Close()
		t.Error("something that the program started is still there")
	}
}

// TestMsmtp: the real msmtp as the sendmail program, with a real server.
func TestMsmtp(t *testing.T) {
	path := need(t, "msmtp")
	server := (&mailServer{Mechs: []string{"PLAIN"}}).start(t, nil, false)
	host, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	config := fmt.Sprintf("defaults\nhost %s\nport %s\ntls off\nauth plain\nuser %s\npassword \"%s\"\naccount default\n", host, port, mailUser, mailPassword)
	if err := os.WriteFile(filepath.Join(home, ".msmtprc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	channel := sendmailChannel(path)
	channel.Environ = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
	message := failedMessage()
	message.Text = "Grüße 🦊\n.\n" + strings.Repeat("x", 10_000) + "\n"
	if err := channel.Deliver(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	mails := server.mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	want := taken{From: "borgcron@laptop.example", To: []string{"owner@example.org", "-second@example.org"}, Auth: "PLAIN", Mail: mails[0].Mail, Helo: mails[0].Helo}
	if diff := cmp.Diff(want, mails[0]); diff != "" {
		t.Errorf("the mail (-want +got)\n%s", diff)
	}
	if _, body := parsed(t, mails[0].Mail); !strings.HasPrefix(body, message.Text) {
		t.Errorf("the body is %.200s", body)
	}

	channel.Environ = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	err = channel.Deliver(t.Context(), message)
	if err == nil || !strings.HasPrefix(err.Error(), "the sendmail program did not take the mail: msmtp: exit status 78") {
		t.Errorf("without a configuration the error is %v", err)
	}
}

// need finds a program; a test that must not be skipped fails without it.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("BORGCRON_MUST") == "all":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return path
}
