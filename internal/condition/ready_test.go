package condition

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// tree makes a folder with a file, a folder and a link that leads nowhere.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(root, "file"), nil, 0o600),
		os.Mkdir(filepath.Join(root, "with space\n\xff"), 0o700),
		os.Symlink("nowhere", filepath.Join(root, "link")),
		os.Symlink(".", filepath.Join(root, "folder")),
	); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestReady(t *testing.T) {
	root := tree(t)
	gone, gone2, below := root+"/gone", root+"/gone2", root+"/file/below"
	c := &Checker{Mounted: func(path string) (bool, error) {
		if strings.HasPrefix(path, "/broken") {
			return false, &os.PathError{Op: "stat", Path: path, Err: errors.New("stale file handle")}
		}
		return path == "/mnt/usb", nil
	}}
	const wrong = "sources are not as they should be: "
	tests := map[string]struct {
		job    backup.Job
		reason string
		err    string
	}{
		"all there": {job: backup.Job{
			Sources: []string{root, root + "/file", root + "/with space\n\xff", root + "/link"},
			Guard:   backup.Guard{Mounted: []string{"/mnt/usb"}},
		}},
		"optional ones may be missing": {job: backup.Job{OptionalSources: []string{gone}}},
		"each missing one is named": {
			job: backup.Job{Sources: []string{gone, root, gone2, below}},
			err: wrong + gone + " does not exist, " + gone2 + " does not exist, " + below + " does not exist",
		},
		"source and mount": {
			job: backup.Job{Sources: []string{gone}, Guard: backup.Guard{Mounted: []string{"/mnt/usb", "/mnt/nas", "/broken"}}},
			err: wrong + "/mnt/nas is not mounted, /broken cannot be looked at: stale file handle, " + gone + " does not exist",
		},
		"expected to be missing at times": {
			job: backup.Job{
				Sources: []string{gone}, Guard: backup.Guard{Mounted: []string{"/mnt/nas/"}},
				Conditions: backup.Conditions{Mounted: []string{"/mnt/nas", gone + "/"}},
			},
			reason: "/mnt/nas/ is not mounted, " + gone + " does not exist",
		},
		"one expected, one not": {
			job: backup.Job{Sources: []string{gone, gone2}, Conditions: backup.Conditions{Mounted: []string{gone}}},
			err: wrong + gone + " does not exist, " + gone2 + " does not exist",
		},
		"a link to a folder": {
			job: backup.Job{Sources: []string{root + "/folder"}},
			err: wrong + root + "/folder is a symbolic link to a folder, and borg would archive the link alone",
		},
		"roots of patterns": {
			job: backup.Job{Patterns: []string{"- *.iso", "R " + gone}},
			err: wrong + gone + " does not exist",
		},
		"strange name": {
			job: backup.Job{Sources: []string{root + "/\033[2J\n"}},
			err: wrong + root + "/ [2J  does not exist",
		},
		"strange name, expected to be missing": {
			job:    backup.Job{Sources: []string{root + "/\033[2J"}, Conditions: backup.Conditions{Mounted: []string{root + "/\033[2J"}}},
			reason: root + "/ [2J does not exist",
		},
		"name too long": {
			job: backup.Job{Sources: []string{"/" + strings.Repeat("x", 300)}},
			err: wrong + "/" + strings.Repeat("x", 300) + " cannot be looked at: file name too long",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reason, err := c.Ready(t.Context(), &test.job)
			message := ""
			var failure *backup.Failure
			if errors.As(err, &failure) {
				message = failure.Message
				if failure.Class != backup.Permanent || failure.Hint == "" || failure.Op != "create" {
					t.Errorf("failure %+v", failure)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if reason != test.reason || message != test.err {
				t.Errorf("Ready = %q, %q\nwant    %q, %q", reason, message, test.reason, test.err)
			}
		})
	}
}

func TestPresent(t *testing.T) {
	root := tree(t)
	long := "/" + strings.Repeat("x", 300) // cannot be looked at
	got := new(Checker).Present(t.Context(), []string{root + "/link", root + "/gone", root + "/file/below", root + "/file", long})
	if diff := cmp.Diff([]string{root + "/link", root + "/file", long}, got); diff != "" {
		t.Errorf("present (-want +got)\n%s", diff)
	}
}
