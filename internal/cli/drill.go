package cli

import (
	"context"
	"io"
	"iter"
	"path/filepath"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/drill"
	"borgcron/internal/dump"
)

// newDriller makes what does restore drills.
func (env *environment) newDriller(p *parts) *drill.Driller {
	d := &drill.Driller{
		Archives: drillArchives{env, p},
		Private:  func() (string, func(), error) { return dump.Private(filepath.Join(p.state, "restore")) },
		Now:      env.Now,
		Note:     func(_ context.Context, what string, err error) { env.Log.Warn(what, "error", err) },
	}
	if p.history != nil {
		d.Memory = p.history
	}
	return d
}

// drillArchives are archives as a drill sees them: by borg, and by the lists that are kept of them.
type drillArchives struct {
	env *environment
	*parts
}

func (a drillArchives) List(ctx context.Context, call backup.Call, match string) ([]backup.Archive, error) {
	return a.client.Archives(ctx, call, match)
}

func (a drillArchives) Items(ctx context.Context, call backup.Call, archive backup.Archive) (iter.Seq2[backup.Item, error], error) {
	return a.env.items(ctx, a.parts, call, archive)
}

// Extract hears of all warnings, of which a report keeps the first only. What they mean is judged afterwards.
func (a drillArchives) Extract(ctx context.Context, call backup.Call, archive, dir string, paths []string) (warnings []backup.Warning, err error) {
	call.Warn = func(warning backup.Warning) { warnings = append(warnings, warning) }
	_, err = a.client.ExtractTree(ctx, call, archive, borg.Extraction{Dir: dir, Entries: paths, Bare: true})
	return warnings, err
}

func (a drillArchives) Stream(ctx context.Context, call backup.Call, archive, path string, w io.Writer) error {
	return a.client.Extract(ctx, call, archive, path, w)
}
