package process

import (
	"os"
	"sync/atomic"
	"time"
)

// drain passes on what a program writes to its stdout. Unlike the pipe that package os/exec would make, it knows whether something is still
// on its way when the program has ended: whoever takes it may be slow, and nothing of it may be lost.
type drain struct {
	read, write *os.File
	to          *stdoutWriter
	busy        atomic.Bool // what was read is being taken
	done        chan struct{}
}

func newDrain(o *output) (*drain, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &drain{read: read, write: write, to: (*stdoutWriter)(o), done: make(chan struct{})}, nil
}

// start begins to read; the program has its end of the pipe by now.
func (d *drain) start() {
	_ = d.write.Close()
	go func() {
		defer close(d.done)
		defer d.read.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := d.read.Read(buffer)
			if n > 0 {
				d.busy.Store(true)
				_, failed := d.to.Write(buffer[:n])
				d.busy.Store(false)
				if failed != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
}

// finish waits, after the program has ended, until everything has been taken. When nothing is left in the pipe, and nothing
// more comes, a process that was left behind may still hold it open: that is not waited for, unless only the whole counts.
func (d *drain) finish(whole bool) {
	taken := int64(-1)
	for {
		select {
		case <-d.done:
			return
		case <-time.After(outputDelay):
		}
		now := (*output)(d.to).count.Load()
		if !whole && !d.busy.Load() && now == taken {
			_ = d.read.Close()
			<-d.done
			return
		}
		taken = now
	}
}

// abandon closes the pipe of a program that could not be started.
func (d *drain) abandon() {
	_ = d.read.Close()
	_ = d.write.Close()
}
