//go:build !linux

package lock

// leaveRoot cannot be done for one thread here: the tests that need it are for ordinary users.
func leaveRoot() { panic("run these tests as an ordinary user") }
