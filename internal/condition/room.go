package condition

import (
	"context"
	"fmt"
	"math"
	"math/bits"

	"github.com/dustin/go-humanize"

	"borgcron/internal/backup"
)

// Room tells why the file system of a local repository has too little free space for another archive, ""
// if it has enough, if that was not asked for, or if the repository is not there, which borg explains best.
// An error says that the file system cannot be looked at. Neither tells where the repository is.
//
// Free is what an ordinary user may still write, also when root runs this: what the file system keeps back
// for root is there to keep the machine going when it is full.
func (c *Checker) Room(ctx context.Context, repository backup.Repository) (reason string, err error) {
	if repository.MinFree <= 0 || !repository.IsLocal() {
		return "", nil
	}
	look := c.Free
	if look == nil {
		look = free
	}
	left, err := within(ctx, statTimeout, func() (int64, error) { return look(repository.Key()) })
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case missingPath(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look at the free space of the repository's file system: %w", err)
	case left >= repository.MinFree:
		return "", nil
	}
	want, have := humanize.IBytes(uint64(repository.MinFree)), humanize.IBytes(uint64(max(left, 0)))
	if want == have { // rounded
		want, have = humanize.Comma(repository.MinFree)+" bytes", humanize.Comma(left)
	}
	return fmt.Sprintf("%s must be free on the repository's file system (min_free), %s are", want, have), nil
}

// Free is how many bytes an ordinary user may still write on the file system of the path. Its error does not name the path.
func Free(path string) (int64, error) { return free(path) }

// space is the free space in bytes. A file system that tells no size at all does not know: there is no end
// to it then.
func space(blocks, available, size uint64) int64 {
	over, bytes := bits.Mul64(available, size)
	if blocks == 0 || over > 0 || bytes > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(bytes)
}
