//go:build !broken_ack

package backup

// broken breaks a rule on purpose in builds with the tag broken_ack, by which the fault injector shows that it
// would notice: an alarm holds nothing back.
const broken = false
