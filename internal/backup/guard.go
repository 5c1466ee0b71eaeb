package backup

import "fmt"

// Judge tells what of an archive is not believable: a sentence a breach, with the figures. The measure is
// the last archive that passed, nil if none is known. It only says something of the same selection of
// files: where the fingerprints differ, a note says so instead.
func (g Guard) Judge(report Report, measure *Measure, fingerprint string) (breaches []string, note string) {
	if report.Files < g.MinFiles {
		breaches = append(breaches, fmt.Sprintf("the archive has %s, guard.min_files asks for at least %d",
			files(report.Files), g.MinFiles))
	}
	if report.OriginalSize < g.MinSize {
		got, least := sizes(report.OriginalSize, g.MinSize)
		breaches = append(breaches, fmt.Sprintf("the archive has %s, guard.min_size asks for at least %s", got, least))
	}
	if g.MaxShrink == 0 || measure == nil {
		return breaches, ""
	}
	if measure.Fingerprint != fingerprint {
		return breaches, "the selection of files changed: the measure is set anew"
	}
	if g.shrank(report.Files, measure.Files) {
		breaches = append(breaches, fmt.Sprintf("the archive shrank from %s to %d, guard.max_shrink allows %s",
			files(measure.Files), report.Files, g.allowed()))
	}
	if g.shrank(report.OriginalSize, measure.Size) {
		before, now := sizes(measure.Size, report.OriginalSize)
		breaches = append(breaches, fmt.Sprintf("the archive shrank from %s to %s, guard.max_shrink allows %s", before, now, g.allowed()))
	}
	return breaches, ""
}

// shrank tells whether now is smaller than before by more than the share that is allowed.
func (g Guard) shrank(now, before int64) bool {
	return float64(before-now) > g.MaxShrink*float64(before)
}

func (g Guard) allowed() string { return fmt.Sprintf("%.3g%%", 100*g.MaxShrink) }

func files(n int64) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}

// sizes writes two sizes so that they can be told apart.
func sizes(a, b int64) (first, second string) {
	if first, second = size(a), size(b); first != second {
		return first, second
	}
	return fmt.Sprintf("%d B", a), fmt.Sprintf("%d B", b)
}

// size writes bytes in the units of the configuration.
func size(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/1024, 0
	for value >= 1024 && unit < 5 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.2f %ciB", value, "KMGTPE"[unit])
}
