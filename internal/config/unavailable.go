package config

// unavailable are the keys whose feature does not exist yet. They are read and checked like all others, and
// then refused, so that nobody relies on what is not there. Whoever builds the feature deletes the line.
var unavailable = []struct {
	path []string // of a job, or a whole section
	off  string   // the value that does not use the feature
}{
	{path: []string{"jobs", "*", "databases"}},
	{path: []string{"jobs", "*", "spool"}, off: ""},
	{path: []string{"jobs", "*", "verify", "every"}, off: "never"},
	{path: []string{"notify", "*"}},
	{path: []string{"metrics"}},
}

// checkUnavailable refuses what does not work in this version.
func (l *loader) checkUnavailable() {
	for _, feature := range unavailable {
		l.refuse(feature.path, feature.off, nil)
	}
}

func (l *loader) refuse(pattern []string, off string, path []string) {
	if len(path) == len(pattern) {
		l.refuseAt(off, path)
		return
	}
	if next := pattern[len(path)]; next != "*" {
		l.refuse(pattern, off, append(path[:len(path):len(path)], next))
		return
	}
	for _, name := range keys(l.at(path)) {
		l.refuse(pattern, off, append(path[:len(path):len(path)], name))
	}
}
