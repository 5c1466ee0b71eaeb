package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What an ordinary user does, who needs fusermount's rights to mount and to unmount.
const mountAsUser = `set -eu
mount() { borgcron mount home "$WORK/mnt" >"$WORK/said" 2>&1 || { cat "$WORK/said"; exit 1; }; }
borgcron init; borgcron run
mount
echo "holds: $(cat "$WORK"/mnt/*/"$WORK"/data/file)"
borgcron run --wait 0s || echo "run: $?"
borgcron umount "$WORK/mnt"
borgcron run
[ -z "$(ls -A "$WORK/mnt")" ] && echo empty
`

func TestMountAsUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can be another user as well; the other tests are a user's then")
	}
	oneBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s := newSite(t, borg, mountConfig)
		check(t, os.WriteFile(s.path("pass"), []byte("a passphrase\n"), 0o600))
		check(t, os.WriteFile(s.path("data", "file"), []byte("content"), 0o644))
		check(t, os.Mkdir(s.path("mnt"), 0o755))
		check(t, os.WriteFile(s.path("as-user"), []byte(mountAsUser), 0o755))
		program, err := exec.LookPath("borgcron")
		check(t, err)
		text, err := os.ReadFile(program)
		check(t, err)
		check(t, os.Mkdir(s.path("bin"), 0o755))
		check(t, os.WriteFile(s.path("bin", "borgcron"), text, 0o755))
		run(t, "chown", "-R", "65534:65534", s.home)
		for path := s.home; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
			check(t, os.Chmod(path, 0o755))
		}
		// A namespace of mounts with a /dev/fuse that everybody may open, as distributions have it.
		script := `mount -t tmpfs tmpfs "$WORK/mnt" && mknod -m 666 "$WORK/mnt/fuse" c 10 229 && chmod 666 "$WORK/mnt/fuse" &&
			mount --bind "$WORK/mnt/fuse" /dev/fuse && umount -l "$WORK/mnt" && cd / &&
			exec setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/as-user"`
		command := exec.Command("unshare", "-m", "sh", "-c", script)
		command.Env = append(s.env, "PATH="+s.path("bin")+":"+os.Getenv("PATH"))
		output, err := command.CombinedOutput()
		if strings.Contains(string(output), "borg cannot be started") {
			t.Skip("this borg is not for everybody")
		}
		for _, words := range []string{"holds: content", "run: 75", "unmounted", "empty"} {
			if err != nil || !strings.Contains(string(output), words) {
				t.Fatalf("%v; it does not say %q:\n%s", err, words, output)
			}
		}
	})
}
