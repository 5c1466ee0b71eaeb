package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"borgcron/internal/bustest"
	"borgcron/internal/notify"
)

// desktop is a real screen (Xvfb), with a real notification server (dunst) on a real session bus, all of one user's.
type desktop struct {
	t      *testing.T
	folder string
	uid    int
	env    []string
	frame  string // the screen's contents, in the form of xwd
}

func startDesktop(t *testing.T, uid int) *desktop {
	t.Helper()
	d := &desktop{t: t, folder: bustest.Folder(t), uid: uid}
	own := filepath.Join(d.folder, strconv.Itoa(uid))
	check(t, os.Chmod(d.folder, 0o755))
	check(t, os.Mkdir(own, 0o700))
	check(t, os.Chown(own, uid, uid))
	address := bustest.StartAs(t, filepath.Join(own, "bus"), uid, "")
	d.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + own, "XDG_RUNTIME_DIR=" + own, "DBUS_SESSION_BUS_ADDRESS=" + address, "LANG=C.UTF-8"}
	d.startScreen()
	config := filepath.Join(d.folder, "dunstrc")
	check(t, os.WriteFile(config, []byte("[global]\nwidth = 420\norigin = top-left\noffset = 0x0\nfont = Sans 10\n"), 0o644))
	d.start("dunst", nil, "-config", config)
	return d
}

// startScreen starts an X server on a free display.
func (d *desktop) startScreen() {
	d.t.Helper()
	read, write, err := os.Pipe()
	check(d.t, err)
	defer read.Close()
	frames := filepath.Join(d.folder, strconv.Itoa(d.uid))
	d.start("Xvfb", write, "-displayfd", "3", "-screen", "0", "420x160x24", "-fbdir", frames, "-nolisten", "tcp", "-ac")
	check(d.t, write.Close())
	number, err := bufio.NewReader(read).ReadString('\n')
	check(d.t, err)
	d.env = append(d.env, "DISPLAY=:"+strings.TrimSpace(number))
	d.frame = filepath.Join(frames, "Xvfb_screen0")
}

// start starts a program as the desktop's user; it is ended with the test.
func (d *desktop) start(name string, extra *os.File, args ...string) {
	d.t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		missing(d.t, name+" is not installed")
	}
	command := exec.Command(program, args...)
	command.Env, command.Stderr, command.Dir = d.env, io.Discard, "/"
	if extra != nil {
		command.ExtraFiles = []*os.File{extra}
	}
	command.SysProcAttr = d.as()
	check(d.t, command.Start())
	d.t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
}

func (d *desktop) as() *syscall.SysProcAttr {
	if d.uid == os.Getuid() {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(d.uid), Gid: uint32(d.uid)}}
}

// displayed asks dunst how many messages are on the screen.
func (d *desktop) displayed() string {
	command := exec.Command("dunstctl", "count", "displayed")
	command.Env, command.SysProcAttr = d.env, d.as()
	output, _ := command.CombinedOutput()
	return strings.TrimSpace(string(output))
}

// picture is what is on the screen. The header of xwd is of numbers of 32 bits with the high byte first.
func (d *desktop) picture() *image.RGBA {
	data, err := os.ReadFile(d.frame)
	check(d.t, err)
	at := func(field int) int { return int(binary.BigEndian.Uint32(data[4*field:])) }
	size, width, height, line, colours := at(0), at(4), at(5), at(12), at(19)
	pixels := data[size+12*colours:]
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p := pixels[y*line+4*x:]
			picture.Set(x, y, color.RGBA{p[2], p[1], p[0], 255})
		}
	}
	return picture
}

// colours counts the colours in a picture: an empty screen has one, one with text many.
func colours(picture *image.RGBA) int {
	seen := map[[4]uint8]bool{}
	for i := 0; i < len(picture.Pix); i += 4 {
		seen[[4]uint8(picture.Pix[i:])] = true
	}
	return len(seen)
}

// TestDesktop: a message comes to the screen of a real desktop. As root it is another user's, whose bus root cannot
// enter: logind tells who sits there, and borgcron starts itself as that user.
func TestDesktop(t *testing.T) {
	t.Parallel()
	uid := os.Getuid()
	if uid == 0 {
		uid = 65534
	}
	d := startDesktop(t, uid)
	channel := &notify.Desktop{UID: os.Getuid(), RuntimeDir: d.folder, Program: d.install(), SystemBus: startLogind(t, uint32(uid))}
	message := notify.Message{
		Event: "failed", Time: time.Now(), Run: json.RawMessage("null"), Title: "laptop: backup of home on nas failed",
		Text: "the server closed the connection\nTook 4 minutes, 4 attempts.\nThe last success was 1 day ago, at 2026-11-22 02:34.\n" +
			"Try: borgcron history --run 20261123T023000-ab\n",
	}
	empty := colours(d.picture())
	eventually(t, func() bool { return channel.Deliver(t.Context(), message) == nil }, // until dunst is there
		func() string {
			return fmt.Sprint("it does not come to the screen: ", channel.Deliver(t.Context(), message))
		})
	eventually(t, func() bool { return d.displayed() == "1" && colours(d.picture()) > empty+20 },
		func() string {
			return fmt.Sprintf("displayed: %q, and the screen has %d colours, %d when it was empty", d.displayed(), colours(d.picture()), empty)
		})
	if path := os.Getenv("BORGCRON_PICTURE"); path != "" { // for the manual
		file, err := os.Create(path)
		check(t, err)
		check(t, png.Encode(file, d.picture()))
		check(t, file.Close())
	}
}

// install puts borgcron where the desktop's user may run it.
func (d *desktop) install() string {
	d.t.Helper()
	program, err := exec.LookPath("borgcron")
	check(d.t, err)
	data, err := os.ReadFile(program)
	check(d.t, err)
	path := filepath.Join(d.folder, "borgcron")
	check(d.t, os.WriteFile(path, data, 0o755))
	return path
}

// logind stands in for the real one: one user sits at a screen.
type logind uint32

func (l logind) ListSessions() ([]struct {
	ID   string
	UID  uint32
	User string
	Seat string
	Path dbus.ObjectPath
}, *dbus.Error,
) {
	return []struct {
		ID   string
		UID  uint32
		User string
		Seat string
		Path dbus.ObjectPath
	}{{"1", uint32(l), "user", "seat0", "/org/freedesktop/login1/session/_31"}}, nil
}

func startLogind(t *testing.T, uid uint32) string {
	t.Helper()
	const login = "org.freedesktop.login1"
	address := bustest.Start(t)
	conn, err := dbus.Connect(address)
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	check(t, conn.Export(logind(uid), "/org/freedesktop/login1", login+".Manager"))
	_, err = prop.Export(conn, "/org/freedesktop/login1/session/_31", prop.Map{login + ".Session": {
		"Type": {Value: "x11"}, "Class": {Value: "user"}, "Active": {Value: true},
	}})
	check(t, err)
	_, err = conn.RequestName(login, dbus.NameFlagDoNotQueue)
	check(t, err)
	return address
}
