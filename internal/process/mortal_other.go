//go:build !linux && !freebsd

package process

import "syscall"

func mortal(*syscall.SysProcAttr, syscall.Signal) {}
