package doctor

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Version is a version of borg.
type Version struct{ Major, Minor, Patch int }

// String returns it as borg writes it.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

func (v Version) before(major, minor, patch int) bool {
	return cmp.Or(cmp.Compare(v.Major, major), cmp.Compare(v.Minor, minor), cmp.Compare(v.Patch, patch)) < 0
}

// hole is what is known to be wrong in borgs before a version.
type hole struct {
	fixed [3]int
	what  string
}

// holes are those that matter to an unattended backup, the gravest first.
var holes = []hole{
	{[3]int{1, 2, 5}, "who can write to the repository can forge archives (CVE-2023-36811, see also borg's notes on upgrading)"},
	{[3]int{1, 4, 5}, "a forged archive can write outside the folder that it is extracted to (CVE-2026-62268)"},
}

// JudgeBorg judges the borg of this machine. A package of a distribution may have a hole mended without another number.
func JudgeBorg(v Version, failure error) []Finding {
	if failure != nil {
		return []Finding{finding(Borg, Failure, "install borg 1.4 (apt install borgbackup), or name its program with the key `borg`", "%v", failure)}
	}
	var open []string
	for _, hole := range holes {
		if v.before(hole.fixed[0], hole.fixed[1], hole.fixed[2]) {
			open = append(open, fmt.Sprintf("%s, mended in %d.%d.%d", hole.what, hole.fixed[0], hole.fixed[1], hole.fixed[2]))
		}
	}
	if len(open) > 0 {
		return []Finding{finding(Borg, Warning, "update borg, unless your distribution says that its package has it mended", "borg %s has known holes: %s", v, strings.Join(open, "; "))}
	}
	return []Finding{well(Borg, "borg %s", v)}
}

// Trouble is why a server could not be asked.
type Trouble int

// The troubles of a login.
const (
	NoTrouble Trouble = iota
	UnknownHostKey
	ChangedHostKey
	Denied      // the server does not let us in
	Unreachable // no connection
	NoSSH       // the program itself
	NoBorg      // we are in, and there is no borg
	TimedOut
)

// Server is what a login has shown.
type Server struct {
	Trouble    Trouble
	Said       string   // why, in one line, without the location
	Version    *Version // nil: the server keeps it to itself
	Agent      bool     // it worked with the key agent of this session only
	KnownHosts string   // the file of known servers that is ssh's own choice if ""
	Port       int
	Local      Version // of the borg here
	Name       string  // of the repository
	RemotePath string
}

// JudgeServer judges a login on the server of a repository.
func JudgeServer(s Server) []Finding {
	file := cmp.Or(s.KnownHosts, "~/.ssh/known_hosts")
	port := ""
	if s.Port != 0 && s.Port != 22 {
		port = "-p " + strconv.Itoa(s.Port) + " "
	}
	where := "HOST as in the location of " + s.Name
	switch s.Trouble {
	case UnknownHostKey:
		return []Finding{finding(HostKey, Failure,
			fmt.Sprintf("ssh-keyscan %sHOST >> %s   (%s); then compare what ssh-keygen -lf %s prints with what the server's owner says", port, file, where, file),
			"the key of the server is not among those of known servers (%s)", file)}
	case ChangedHostKey:
		return []Finding{finding(HostKey, Failure,
			fmt.Sprintf("ask the server's owner whether it got a new key; only then: ssh-keygen -R %s -f %s and learn the new one with ssh-keyscan   (%s)", hostWord(s.Port), file, where),
			"the server shows another key than the one that is known (%s): it was set up anew, or somebody is in between", file)}
	}
	known := well(HostKey, "the key of the server is known")
	switch s.Trouble {
	case Denied:
		return []Finding{known, finding(Login, Failure, "put the public key into the server's ~/.ssh/authorized_keys, and its private one into `ssh.identity`", "the server does not let us in%s", said(s.Said))}
	case Unreachable, TimedOut, NoSSH:
		remedy := "is the server up, and the network? Try again: borgcron doctor"
		if s.Trouble == NoSSH {
			remedy = "install ssh (apt install openssh-client), or look at `ssh.command`"
		}
		return []Finding{Unseen(HostKey, "no login"), finding(Login, Failure, remedy, "the server cannot be reached%s", said(s.Said))}
	case NoBorg:
		return []Finding{known, well(Login, "ssh logs in"),
			finding(BorgServer, Failure, "install borg on the server, or say with `remote_path` where it is there", "there is no %s on the server", cmp.Or(s.RemotePath, "borg"))}
	}
	return append([]Finding{known, judgeLogin(s)}, judgeBorgServer(s))
}

func hostWord(port int) string {
	if port != 0 && port != 22 {
		return fmt.Sprintf("'[HOST]:%d'", port)
	}
	return "HOST"
}

func said(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func judgeLogin(s Server) Finding {
	if s.Agent {
		return finding(Login, Warning, "name a key without a passphrase in `ssh.identity`, made with: ssh-keygen -t ed25519 -N ''",
			"ssh logs in with the key agent of this session only, which a timer does not have")
	}
	return well(Login, "ssh logs in")
}

func judgeBorgServer(s Server) Finding {
	v := s.Version
	switch {
	case v == nil:
		return finding(BorgServer, Note, "", "the version of borg on the server is not known: it runs nothing but what it is set to run")
	case v.Major != 1 || v.before(1, 2, 0):
		return finding(BorgServer, Failure, "install borg 1.2 or 1.4 on the server", "borg %s on the server does not go with %s here", v, s.Local)
	case v.before(1, 2, 5):
		return finding(BorgServer, Warning, "update borg on the server", "borg %s on the server is older than 1.2.5", v)
	case v.Minor != s.Local.Minor && s.Local != Version{}:
		return finding(BorgServer, Note, "", "borg %s on the server, %s here: they understand each other", v, s.Local)
	}
	return well(BorgServer, "borg %s on the server", v)
}

// SSH is how ssh is called for a repository.
type SSH struct {
	Options  []string // as after ssh -o, the owner's own, which win
	Retries  int      // of a create that lost its connection
	Wait     time.Duration
	Identity string
	Missing  error // why the identity cannot be read
	Mode     uint32
	Foreign  bool // it belongs to another user than who runs
}

// serverNotices is after how long a server with the recommended settings has noticed that the other end is gone.
const serverNotices = 5 * time.Minute

// JudgeSSH judges the owner's options, and whether a run outlives a lost connection.
func JudgeSSH(s SSH) []Finding {
	findings := judgeOptions(s.Options)
	findings = append(findings, judgeKeepalive(s))
	if s.Identity != "" {
		findings = append(findings, judgeIdentity(s))
	}
	return findings
}

// option reads one as ssh does: the name in any case, = or a blank.
func option(text string) (name, value string) {
	i := strings.IndexAny(text, "= \t")
	if i < 0 {
		return strings.ToLower(text), ""
	}
	return strings.ToLower(text[:i]), strings.ToLower(strings.Trim(text[i+1:], "= \t\""))
}

func judgeOptions(options []string) []Finding {
	var found []Finding
	bad := func(severity Severity, text, why string) {
		found = append(found, finding(SSHOptions, severity, "take it out of `ssh.options`", "%s: %s", backup.Clean(text), why))
	}
	for _, text := range options {
		switch name, value := option(text); name {
		case "batchmode":
			if value != "yes" && value != "true" {
				bad(Warning, text, "ssh could ask a question that nobody answers, and the run hang")
			}
		case "stricthostkeychecking":
			if value == "no" || value == "off" || value == "accept-new" {
				bad(Warning, text, "any server is believed, also one that somebody put in between")
			}
		case "connecttimeout":
			if n, err := strconv.Atoi(value); err == nil && n == 0 {
				bad(Warning, text, "a server that does not answer is waited for as long as the system does")
			}
		case "controlmaster", "controlpath":
			if value != "no" && value != "none" {
				bad(Warning, text, "a shared connection ends with the session that opened it, and a backup in it too")
			}
		case "remotecommand":
			if value != "none" {
				bad(Failure, text, "ssh refuses a command of its own beside that of borg")
			}
		case "requesttty":
			if value != "no" && value != "false" {
				bad(Failure, text, "a terminal changes the bytes that borg sends and gets")
			}
		}
	}
	if len(found) == 0 {
		found = append(found, well(SSHOptions, "no option hinders an unattended run"))
	}
	return found
}

func judgeKeepalive(s SSH) Finding {
	interval, count := 10, 30 // ours
	for i := len(s.Options) - 1; i >= 0; i-- {
		name, value := option(s.Options[i])
		n, err := strconv.Atoi(value)
		switch {
		case err != nil:
		case name == "serveraliveinterval":
			interval = n
		case name == "serveralivecountmax":
			count = n
		}
	}
	gone := time.Duration(interval*count) * time.Second
	switch {
	case interval == 0:
		return finding(Keepalive, Warning, "take ServerAliveInterval out of `ssh.options`", "ServerAliveInterval=0: a connection that was lost is never noticed, and a router may forget one that is silent")
	case interval > 60:
		return finding(Keepalive, Warning, "take ServerAliveInterval out of `ssh.options`", "ServerAliveInterval=%d: many routers forget a connection that is silent for so long", interval)
	case gone > 30*time.Minute:
		return finding(Keepalive, Warning, "take ServerAliveCountMax out of `ssh.options`", "a lost connection is noticed after %v only", gone)
	case time.Duration(s.Retries)*s.Wait < serverNotices:
		return finding(Keepalive, Note, "say in the job: retry: {retries: 3, wait: 5m}; and on the server in sshd_config: ClientAliveInterval 10, ClientAliveCountMax 30",
			"all retries of a run are over before a server has noticed that a connection was lost (some %v), and lets go of the lock", serverNotices)
	}
	return well(Keepalive, "a lost connection is noticed after %v, and the retries outlast that", gone)
}

func judgeIdentity(s SSH) Finding {
	switch {
	case s.Missing != nil:
		return finding(Identity, Failure, "ssh-keygen -t ed25519 -N '' -f "+s.Identity, "the key to log in with cannot be read: %v", s.Missing)
	case s.Mode&0o077 != 0 && !s.Foreign:
		return finding(Identity, Failure, "chmod 600 "+s.Identity, "others can read the key to log in with (%s), so ssh does not use it", s.Identity)
	}
	return well(Identity, "the key to log in with is there, and nobody else's")
}
