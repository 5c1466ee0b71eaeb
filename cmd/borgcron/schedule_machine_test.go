package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machineOfOurs makes a machine in namespaces of its own, whose init is the real systemd: it installs the units, starts the
// services, and does what script "after" says. Nothing of it is written outside $WORK.
const machineOfOurs = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /srv
mkdir -p /run/lock /srv/upper /srv/work /srv/data
mount -t overlay -o lowerdir=/etc,upperdir=/srv/upper,workdir=/srv/work overlay /etc
mkdir -p /etc/systemd/system /etc/borgcron/credentials
mount -t tmpfs tmpfs /etc/systemd/system
mount -t tmpfs tmpfs /var/cache
mount -t tmpfs tmpfs /var/lib
mount --bind "$WORK/bin" /usr/local/bin
echo mounts hold
echo 'keeper:x:64242:64242::/var/lib/borgcron:/usr/sbin/nologin' >>/etc/passwd
echo 'keeper:x:64242:' >>/etc/group
[ "$OWNER" = root ] || install -d -o "$OWNER" -g "$OWNER" /var/lib/borgcron
echo sesame >/etc/borgcron/credentials/key && chmod 600 /etc/borgcron/credentials/key
cp "$WORK/config.yaml" "$WORK/id" "$WORK/known_hosts" /etc/borgcron/
chmod 755 /etc/borgcron && chmod 644 /etc/borgcron/config.yaml /etc/borgcron/known_hosts
chown "$OWNER" /etc/borgcron/id && chmod 600 /etc/borgcron/id
echo content >/srv/data/secret && chmod 600 /srv/data/secret
mkdir /srv/repo && chown "$OWNER" /srv/repo
export HOME=/srv/home
mkdir $HOME
setpriv --reuid "$OWNER" --clear-groups env HOME=/srv/repo/home BORG_PASSPHRASE=sesame "$BORG" init -e repokey-blake2 /srv/repo/borg
/usr/local/bin/borgcron schedule install --systemd $FLAGS
for unit in borgcron borgcron-status; do
	mkdir /etc/systemd/system/$unit.service.d
	cat >/etc/systemd/system/$unit.service.d/test.conf <<U
[Unit]
DefaultDependencies=no
[Service]
StandardOutput=append:$WORK/out
StandardError=append:$WORK/out
U
done
cat >>/etc/systemd/system/borgcron.service.d/test.conf <<U
ExecStartPre=/bin/sh -c 'echo rights: \$(id -un) \$(sed -n "s/^NoNewPrivs:.//p; s/^CapBnd:.//p; s/^Seccomp:.//p" /proc/self/status); touch /usr/hole || echo read-only; ls /tmp | wc -l'
U
printf '[Unit]\nDefaultDependencies=no\n' >/etc/systemd/system/network-online.target
printf '[Unit]\nDefaultDependencies=no\nWants=borgcron.service borgcron-status.service after.service\n' >/etc/systemd/system/test.target
cat >/etc/systemd/system/after.service <<U
[Unit]
DefaultDependencies=no
After=borgcron.service borgcron-status.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
Environment="PATH=$PATH" "WORK=$WORK" "OWNER=$OWNER" "OWNERS=$OWNERS"
ExecStart=/bin/sh $WORK/after
StandardOutput=append:$WORK/out
StandardError=append:$WORK/out
U
mount --make-rshared / # as systemd has it outside of containers: credentials are mounted
echo machine is made
container=lxc exec /lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no
`

// afterServices is what the machine does when its services have run. The user's shell command takes the same lock and state.
const afterServices = `echo "services: $(systemctl show -P Result borgcron.service) $(systemctl show -P Result borgcron-status.service)"
as() { setpriv --reuid "$OWNER" --clear-groups env HOME=$OWNERS CREDENTIALS_DIRECTORY=/srv/credentials "$@"; }
mkdir /srv/credentials && cp /etc/borgcron/credentials/key /srv/credentials && chown -R "$OWNER" /srv/credentials
inodes() { find /var/lib/borgcron -name '*.lock' -path '*/locks/*' -printf '%i %f\n' | sort; }
inodes >/srv/before
echo "locks: $(wc -l </srv/before)"
as /usr/local/bin/borgcron run near far --only check,compact; echo "by hand: $?"
as /usr/local/bin/borgcron history | grep -c succeeded
inodes | cmp - /srv/before && echo "the same locks"
find /var/lib /srv /var/cache -name history.db | sed 's/^/state: /'
mkdir /srv/back && chown "$OWNER" /srv/back
as /usr/local/bin/borgcron restore near --to /srv/back/x >/dev/null; cat /srv/back/x/srv/data/secret /srv/back/x/secret 2>/dev/null
exit 0
`

// The machine's own services run under the real systemd, in their whole sandbox, with a real borg: near and over ssh, as
// root and as a user who may only read, the passphrase from LoadCredential.
func TestServiceOfMachine(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a machine's systemd")
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		missing(t, "/lib/systemd/systemd")
	}
	const packaged = "/usr/bin/borg" // another one may lie in a checkout in /tmp, which the sandbox hides
	if _, err := os.Stat(packaged); err != nil {
		missing(t, packaged)
	}
	newest := borgs(t)[slices.Max(slices.Collect(maps.Keys(borgs(t))))]
	for name, test := range map[string]struct{ borg, owner, home, flags, rights, sources, sees string }{
		"root": {newest, "root", "/srv/home", "", "rights: root", "[/srv/data, /tmp]", "read-only\n"}, // with /tmp backed up it is no private one
		"user": {packaged, "keeper", "/var/lib/borgcron", "--user keeper", "rights: keeper 0000000000000004 1 2", "[/srv/data]", "read-only\n0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			borg := test.borg
			s := newSite(t, borg, "")
			server := startSSH(t)
			far := s.path("far")
			config := "defaults: {sources: " + test.sources + ", exclude: ['sh:/tmp/**'], retention: {daily: 7}}\nrepositories:\n" +
				"  near: {location: /srv/repo/borg, borg: '" + borg + "', passphrase: {credential: key}}\n" +
				"  far: {location: '" + server.location(far) + "', borg: '" + borg + "', remote_path: '" + borg + "', passphrase: {credential: key},\n" +
				"    ssh: {identity: /etc/borgcron/id, known_hosts: /etc/borgcron/known_hosts}}\n" +
				"jobs: {near: {repository: near}, far: {repository: far}}\n"
			check(t, os.WriteFile(s.path("config.yaml"), []byte(config), 0o600))
			check(t, os.WriteFile(s.path("after"), []byte(afterServices), 0o600))
			program, err := exec.LookPath("borgcron")
			check(t, err)
			check(t, os.Mkdir(s.path("bin"), 0o755))
			for from, to := range map[string]string{program: "bin/borgcron", server.identity: "id", server.knownHosts: "known_hosts"} {
				text, err := os.ReadFile(from)
				check(t, err)
				check(t, os.WriteFile(s.path(to), text, 0o755))
			}
			made := exec.Command(borg, "init", "-e", "repokey-blake2", far)
			made.Env = append(s.env, "BORG_PASSPHRASE=sesame")
			if output, err := made.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			for path := s.home; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
				check(t, os.Chmod(path, 0o755))
			}
			output := s.boots("OWNER="+test.owner, "OWNERS="+test.home, "FLAGS="+test.flags)
			says(t, output, test.rights, test.sees, "services: success success", "locks: 2", "by hand: 0", "the same locks", "state: /var/lib/borgcron/history.db\n", "content\n")
			if strings.Count(output, "state: ") != 1 {
				t.Error("more than one state: " + output)
			}
		})
	}
}

// boots starts the machine and returns what was said until it is off.
func (s *site) boots(env ...string) string {
	s.t.Helper()
	command := exec.Command("sh", "-c", inGroup+`
(joinGroup; exec timeout -s KILL 120 unshare --mount --pid --ipc --uts --fork --kill-child sh -c "$MACHINE"); code=$?
leaveGroup; exit $code`)
	command.Env = append(append(s.env, env...), "BORGCRON_CONFIG=", "MACHINE="+machineOfOurs, "groups=")
	said, err := command.CombinedOutput()
	output, _ := os.ReadFile(s.path("out"))
	if text := string(said); len(output) == 0 && strings.Contains(text, "mounts hold") == strings.Contains(text, "machine is made") {
		missing(s.t, "a systemd that starts here: "+string(said))
	}
	if err != nil {
		s.t.Errorf("%v\n%s", err, said)
	}
	return string(output)
}
