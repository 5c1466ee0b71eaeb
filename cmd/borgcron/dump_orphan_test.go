package main

import (
	"database/sql"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A borg that reads dumps goes when borgcron is killed, even if it never hears of SIGTERM: it would wait for ever at a pipe that nobody
// writes to, and hold the repository's lock.
func TestDumpsAreNotAwaitedWhenBorgcronIsDead(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, strings.Replace(databasesHome, "${BORG}", "${WORK}/borg", 1)+"      - {type: sqlite, path: \"${WORK}/app.db\"}\n")
		db, err := sql.Open("sqlite", "file:"+s.path("app.db"))
		check(t, err)
		_, err = db.Exec("CREATE TABLE t (i)")
		check(t, err)
		check(t, db.Close())
		s.write(1, 100)
		deaf := `#!/bin/sh
case "$* " in *" --read-special "*)
	if mv "$WORK/deaf" "$WORK/began" 2>/dev/null; then
		trap '' TERM
		exec sleep 600
	fi
esac
exec "$BORG" "$@"
`
		deaf = strings.NewReplacer("$WORK", s.home, "$BORG", borg).Replace(deaf) // borg's environment has neither
		check(t, os.WriteFile(s.path("borg"), []byte(deaf), 0o755))
		s.must("init")
		check(t, os.WriteFile(s.path("deaf"), nil, 0o600))
		run := s.start("run")
		eventually(t, func() bool { _, err := os.Stat(s.path("began")); return err == nil }, run.text)
		check(t, syscall.Kill(run.pid, syscall.SIGKILL))
		run.wait()
		s.must("run", "--wait", "20s")
	})
}
