package backup_test

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// seed is where random tests begin: BORGCRON_SEED, else a new one each time, in the log to try again.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BORGCRON_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("BORGCRON_SEED: %v", err)
		}
	}
	t.Logf("BORGCRON_SEED=%d", seed)
	return seed
}

// rounds is how often a random test tries: all of them with BORGCRON_PROVE=1, else a tenth.
func rounds(all int) int {
	if os.Getenv("BORGCRON_PROVE") == "1" {
		return all
	}
	return all / 10
}
