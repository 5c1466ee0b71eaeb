//go:build linux || freebsd

package process

import "syscall"

// mortal lets the system send the signal to the program when the thread that started it ends. Go's threads end with
// the process, unless they are locked to a goroutine that ends, of which we have none.
func mortal(attributes *syscall.SysProcAttr, signal syscall.Signal) { attributes.Pdeathsig = signal }
