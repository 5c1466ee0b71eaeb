package runner

import (
	"context"
	"math/rand/v2"

	"borgcron/internal/backup"
)

// Driller does restore drills. The report has what was read back, also beside an error; every error is a *backup.Failure.
type Driller interface {
	Verify(ctx context.Context, call backup.Call, full bool, seed uint64) (backup.Report, error)
}

// verify does a restore drill. One that fails is not tried again: what it read then would be something else.
func (r *row) verify(ctx context.Context) {
	due := backup.PlanStep(backup.Verify, r.job, &r.last, r.options.Choice, r.Now())
	if !r.mayGoOn(ctx, due) {
		return
	}
	seed := r.options.Seed
	if seed == 0 {
		seed = rand.Uint64() >> 12 //nolint:gosec // no secret; a number that JSON can hold
	}
	r.step(ctx, backup.Verify, due.Reason, 0,
		func(ctx context.Context, call backup.Call, result *backup.StepResult) (err error) {
			result.Report, err = r.Drill.Verify(ctx, call, r.options.Full, seed)
			return err
		})
}
