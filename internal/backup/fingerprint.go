package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Fingerprint names what the job selects: sources, excludes and the like. When it changes, an archive may
// shrink for a good reason.
func (j *Job) Fingerprint() string {
	selection, err := json.Marshal([]any{
		j.Sources, j.OptionalSources, j.Exclude, j.ExcludeFrom, j.Patterns, j.PatternsFrom, j.ExcludeIfPresent,
		j.KeepExcludeTags, j.ExcludeCaches, j.ExcludeNodump, j.OneFileSystem, j.ReadSpecial,
	})
	if err != nil {
		panic(err) // strings and bools always marshal
	}
	sum := sha256.Sum256(selection)
	return hex.EncodeToString(sum[:8])
}
