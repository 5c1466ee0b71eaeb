//go:build !broken_retry

package retry

// broken breaks a rule on purpose in builds with the tag broken_retry, by which the fault injector shows that it
// would notice: a step whose attempts are used up counts as done.
const broken = false
