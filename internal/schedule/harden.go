package schedule

import (
	"slices"
	"strings"
)

// capabilities are what backups as root need. DAC_OVERRIDE: repositories of other owners. FOWNER: reading without
// changing times of access. SYS_ADMIN: attributes named trusted.*, which would be missing without a word. SETUID,
// SETGID, KILL: messages on the screens of users.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE",
}

// neverNeeded is what not even a command of the owner's needs.
var neverNeeded = []string{
	"CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_BLOCK_SUSPEND", "CAP_BPF", "CAP_LEASE", "CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE", "CAP_SYS_BOOT", "CAP_SYSLOG", "CAP_SYS_PACCT",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_WAKE_ALARM",
}

// harden takes from the service what it does not need. What could hide a file from a backup, or break a command of the
// owner's, is left out.
func (p *Plan) harden(u *unitText, open bool) {
	open = open && !p.Strict
	u.raw("\n")
	if open && p.Personal { // each of these would keep sudo and sendmail from their rights there
		u.comment("commands of yours are run: what they need is not known, so nothing is taken from them")
		return
	}
	u.yes("LockPersonality", "RestrictRealtime")
	if p.User != "" {
		u.comment("it may read every file, and write as little as any other user")
		u.set("AmbientCapabilities", "CAP_DAC_READ_SEARCH")
		u.set("CapabilityBoundingSet", "CAP_DAC_READ_SEARCH")
	}
	if open {
		p.hardenOpen(u)
		return
	}
	u.yes("NoNewPrivileges", "RestrictNamespaces", "RestrictSUIDSGID")
	u.set("SystemCallArchitectures", "native")
	u.set("SystemCallFilter", "@system-service")
	u.set("SystemCallErrorNumber", "EPERM")
	u.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK")
	if p.Personal { // the rest needs rights that a user's manager has not everywhere
		return
	}
	if p.User == "" {
		u.set("CapabilityBoundingSet", strings.Join(capabilities, " "))
	}
	u.yes("ProtectControlGroups", "ProtectHostname", "ProtectKernelTunables")
	u.set("KeyringMode", "private")
	p.hardenFiles(u)
}

// hardenOpen is for commands of the owner's. They mount, take snapshots, start containers, wake other machines and write
// where they like.
func (p *Plan) hardenOpen(u *unitText) {
	u.comment("commands of yours are run: what they need is not known, so little is taken from them")
	u.yes("ProtectControlGroups", "ProtectHostname", "ProtectKernelTunables")
	u.set("KeyringMode", "private")
	u.set("SystemCallArchitectures", "native")
	u.set("SystemCallFilter", "~@clock @cpu-emulation @obsolete @raw-io @reboot @swap")
	u.set("SystemCallErrorNumber", "EPERM")
	u.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET")
	if p.User == "" {
		u.set("CapabilityBoundingSet", "~"+strings.Join(neverNeeded, " "))
	}
}

// hardenFiles makes the machine read-only but for what is written.
func (p *Plan) hardenFiles(u *unitText) {
	u.set("ProtectSystem", "strict")
	u.set("ProtectHome", "read-only")
	for _, path := range p.writable() {
		u.set("ReadWritePaths", quote("-"+path))
	}
	if p.Home != "" && p.Home != "/" {
		u.set("ReadOnlyPaths", quote("-"+p.Home+"/.ssh"))
	}
	if shared := []string{"/tmp", "/var/tmp"}; p.Databases || slices.ContainsFunc(shared, p.touches) {
		u.set("ReadWritePaths", strings.Join(shared, " ")) // borg 1.4 does not start without a place for temporary files
	} else {
		u.yes("PrivateTmp")
	}
	if !p.touches("/dev") {
		u.yes("PrivateDevices", "ProtectClock")
	}
	if !p.touches("/usr/lib/modules") && !p.touches("/lib/modules") {
		u.yes("ProtectKernelModules")
	}
	if !p.touches("/proc") && !p.touches("/dev") {
		u.yes("ProtectKernelLogs")
	}
}
