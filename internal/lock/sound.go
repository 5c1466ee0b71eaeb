//go:build !broken_lock

package lock

// broken breaks a rule on purpose in builds with the tag broken_lock, by which the fault injector shows that it
// would notice: the lock is had by everybody.
const broken = false
