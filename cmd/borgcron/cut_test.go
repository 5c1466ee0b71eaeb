package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
)

// cutAfterCommit stands between a client and `borg serve`. Once, when the client has asked for a commit and
// the server has answered, it ends without passing the answer on. The marker file tells that it has done so.
func cutAfterCommit(borg, marker string, args []string) int {
	server := exec.Command(borg, args...)
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		return 1
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return 1
	}
	if err := server.Start(); err != nil {
		return 1
	}
	asked := make(chan struct{})
	go func() {
		watch := &commitWatch{to: input, asked: asked}
		if _, err := os.Stat(marker); err == nil {
			watch.seen = true
		}
		_, _ = io.Copy(watch, os.Stdin)
		input.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := output.Read(buffer)
		select {
		case <-asked:
			if n > 0 { // the server's answer: it has committed
				_ = os.WriteFile(marker, []byte("cut\n"), 0o600)
				_ = server.Process.Kill()
				return 1
			}
		default:
		}
		_, _ = os.Stdout.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	_ = server.Wait()
	return 0
}

// commitWatch passes on what a client sends and tells of the first request to commit.
type commitWatch struct {
	to    io.Writer
	asked chan struct{}
	seen  bool
}

func (w *commitWatch) Write(data []byte) (int, error) {
	if !w.seen && bytes.Contains(data, []byte("commit")) {
		w.seen = true
		close(w.asked)
	}
	return w.to.Write(data)
}
