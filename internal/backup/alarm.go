package backup

import (
	"fmt"
	"time"
)

// Alarm says that a repository is damaged or not what it was. It belongs to the repository, and holds back
// prune and compact of every job on it until it is settled.
type Alarm struct {
	Since      time.Time `json:"since"`
	Problem    string    `json:"problem"` // of the newest finding
	Job        string    `json:"job"`     // whose run found it
	Repository string    `json:"repository"`
	Run        string    `json:"run"`
	Step       Step      `json:"step"`
	Repaired   bool      `json:"repaired,omitzero"` // a `check --repair` was begun since
	Findings   int       `json:"findings"`
	Mixed      bool      `json:"mixed,omitzero"` // not all of them are of one step of one job
}

// EndsWithCheck tells whether a clean check of repository, archives and data ends the alarm. It does not
// where borg may by then have put zeros in the place of what was lost, which no later check finds, nor where
// it was the contents of files that were found wrong.
func (a *Alarm) EndsWithCheck() bool { return !a.Repaired && a.Step != Verify }

// EndsWithDrill tells whether a full restore drill of that job, which finds nothing, ends the alarm: if it is this job that has
// found what it found, and nobody else found anything.
func (a *Alarm) EndsWithDrill(job string) bool { return !a.EndsWithCheck() && a.Job == job && !a.Mixed }

// Sentence says since when the alarm stands, and why.
func (a *Alarm) Sentence() string {
	return fmt.Sprintf("alarm since %s: %s", a.Since.Format("2006-01-02 15:04"), a.Problem)
}

// Again is the alarm after one more finding: it stands since the first.
func (a *Alarm) Again(finding Alarm) *Alarm {
	if a == nil {
		finding.Findings = 1
		return &finding
	}
	finding.Since, finding.Repaired, finding.Findings = a.Since, a.Repaired, a.Findings+1
	finding.Mixed = finding.Mixed || a.Mixed || finding.Job != a.Job || finding.Step != a.Step
	if a.Step == Verify { // only another look at the contents of files can end that one
		finding.Step = Verify
	}
	return &finding
}
