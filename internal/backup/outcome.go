package backup

import "fmt"

// Outcome is how a step or a run ended. The worst step decides for the run, so the order is by gravity.
type Outcome int

// The outcomes, the mildest first.
const (
	Succeeded   Outcome = iota
	Skipped             // a condition did not hold, or the step was not due
	Locked              // another run holds the repository
	Warned              // it is done, with warnings that are not tolerated
	Failed              //
	Interrupted         // we were ended, or the machine was
)

var outcomeNames = [...]string{"succeeded", "skipped", "locked", "warning", "failed", "interrupted"}

// String returns the word used in every file and output.
func (o Outcome) String() string {
	if o < 0 || int(o) >= len(outcomeNames) {
		return fmt.Sprintf("Outcome(%d)", int(o))
	}
	return outcomeNames[o]
}

// MarshalText gives the outcome's word.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText takes an outcome's word.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if name == string(text) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("unknown outcome %q", text)
}

// Ran tells whether a run with this outcome says something of the backup itself: skips and locks do not.
func (o Outcome) Ran() bool { return o != Skipped && o != Locked }

// Worst returns the graver of two outcomes of steps.
func Worst(a, b Outcome) Outcome { return max(a, b) }
