package backup

// News is a kind of thing that is told about a job on a repository; the words are those of `on` of a channel.
type News string

// The news.
const (
	NewsFailed    News = "failed"    // a run failed or was cut off
	NewsWarning   News = "warning"   // a run ended with warnings
	NewsSucceeded News = "succeeded" // a run ended well
	NewsSkipped   News = "skipped"   // a run was not begun: a condition did not hold, or another run held the lock
	NewsRecovered News = "recovered" // all is well again after failed, stale or alarm
	NewsStale     News = "stale"     // the last success has become too old
	NewsAlarm     News = "alarm"     // a run failed because of an alarm, a new one or one that stands
	NewsTest      News = "test"      // the owner wants to see whether a channel works; every channel takes it
)
