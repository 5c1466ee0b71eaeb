package config

// The types in this file and its neighbours file_*.go are the configuration as it is written. Their comments
// are the reference manual and, with their tags, the schema: `yaml` is the key, `default` its default as it
// would be written, `implied` a default that is worked out, `values` the words allowed, `words` the words that
// may stand in place of a list or a mapping, `min` and `max` the bounds of a number, `for` the types of channel
// or database that know the key, `required` those that need it ("all" for all), `example` an example,
// `single` that one item may stand for a list, `names` that the keys of a mapping are names of the owner's,
// `keys` the keys that it may have, `plain` the types whose text is no secret, `empty` that a path may be empty.

// File is a configuration file. An included file has the same keys; a name or a value that is set in two
// files is a mistake.
type File struct {
	// More configuration files: globs (`*`, `?`, `[...]`, `{a,b}`, `**`), relative to the folder of this file.
	// A glob that matches nothing is no mistake. The files are read in the byte order of their paths.
	Include []Glob `yaml:"include" example:"[jobs.d/*.yaml]"`
	// The name of this machine in the names of archives. It is kept in the state folder from the first run on,
	// so that a machine that is renamed goes on with its series of archives.
	Host string `yaml:"host" implied:"the short host name" example:"laptop"`
	// The folders that borgcron itself writes to.
	Paths Paths `yaml:"paths"`
	// The repositories, by name.
	Repositories map[string]Repository `yaml:"repositories" names:"true"`
	// Defaults for all jobs: any key of a job. A job's own value wins, mappings merge, lists replace.
	Defaults Job `yaml:"defaults" example:"{retention: {daily: 14}}"`
	// The jobs, by name. A name begins with a letter or a digit, has at most 64 letters, digits, `_`, `.` and `-`,
	// and does not end in `.checkpoint` or `.dumps`. No two names differ by upper and lower case only.
	Jobs map[string]Job `yaml:"jobs" names:"true"`
	// The channels that tell how runs end, by name.
	Notify map[string]Channel `yaml:"notify" names:"true"`
	// Figures for Prometheus.
	Metrics Metrics `yaml:"metrics" words:"none" implied:"none"`
}

// Paths are the folders that borgcron itself writes to.
type Paths struct {
	// The state folder: locks, history, status. `/var/lib/borgcron` for root and for whoever owns that folder;
	// for others `$XDG_STATE_HOME/borgcron`, else `~/.local/state/borgcron`. A `$STATE_DIRECTORY` that names
	// another folder is refused, because two state folders would be two locks.
	State Path `yaml:"state" implied:"see above" example:"/var/lib/borgcron"`
	// Private folders of running runs. `/run/borgcron` for root; for others `$RUNTIME_DIRECTORY`, else
	// `$XDG_RUNTIME_DIR/borgcron`, else `run` in the state folder.
	Runtime Path `yaml:"runtime" implied:"see above" example:"/run/borgcron"`
}

// Repository is a place where archives are kept, and how borg gets there.
type Repository struct {
	// Where the repository is: a folder of this machine, `ssh://USER@HOST:PORT/PATH` or `USER@HOST:PATH`.
	Location Location `yaml:"location" required:"all" example:"ssh://borg@nas.example:22/./laptop"`
	// The passphrase. It is given to borg through a pipe, never in the environment.
	Passphrase Secret `yaml:"passphrase" example:"{file: /etc/borgcron/nas.key}"`
	// How `borgcron init` encrypts a new repository; nothing else looks at it.
	Encryption string `yaml:"encryption" default:"repokey-blake2" values:"none|authenticated|authenticated-blake2|repokey|repokey-blake2|keyfile|keyfile-blake2"`
	// `single` promises that nobody else starts a borg on that repository: no other machine, no other user, nobody by hand,
	// not on the server either. Only then may a lock that a dead run left behind be broken. `shared`: others may write too.
	Clients string `yaml:"clients" default:"shared" values:"shared|single"`
	// How long borg itself waits for the repository's lock.
	LockWait Duration `yaml:"lock_wait" default:"20s"`
	// How borg's ssh is called.
	SSH SSH `yaml:"ssh"`
	// The borg program on the server.
	RemotePath string `yaml:"remote_path" implied:"borg" example:"borg1"`
	// The borg program on this machine.
	Borg Program `yaml:"borg" implied:"borg on PATH" example:"/usr/bin/borg"`
	// The most that is sent in a second.
	UploadLimit Rate `yaml:"upload_limit" default:"none" example:"5MiB/s"`
	// The folder of borg's cache (BORG_CACHE_DIR). It may be deleted at any time.
	Cache Path `yaml:"cache" implied:"borg's own place" example:"/var/cache/borg"`
	// The folder of borg's key files (BORG_KEYS_DIR).
	Keys Path `yaml:"keys" implied:"borg's own place" example:"/etc/borgcron/keys"`
	// The free space that a local repository needs: with less there is no create, only prune and compact.
	MinFree Size `yaml:"min_free" default:"none" example:"2GiB"`
	// More environment variables for borg. Variables that a key of this file sets are refused.
	Env map[string]string `yaml:"env" example:"{BORG_FILES_CACHE_TTL: \"30\"}"`
}

// SSH is how borg's ssh is called.
type SSH struct {
	// The ssh program, perhaps with arguments. It is not run by a shell.
	Command SSHCommand `yaml:"command" default:"ssh"`
	// The file of the key to log in with.
	Identity Path `yaml:"identity" implied:"ssh's own" example:"~/.ssh/borg"`
	// The port of the server.
	Port int `yaml:"port" implied:"ssh's own" min:"1" max:"65535" example:"22"`
	// The file with the keys of known servers.
	KnownHosts Path `yaml:"known_hosts" implied:"ssh's own" example:"/etc/borgcron/known_hosts"`
	// More options, as for `ssh -o`.
	Options []string `yaml:"options" example:"[Compression=no]"`
}

// Secret is where a secret is kept: exactly one of the keys. In a file that only its owner can read the text
// itself may stand in place of the mapping.
type Secret struct {
	// A file that holds the secret, and nobody but its owner can read. Line ends at its end are cut.
	File Path `yaml:"file" example:"/etc/borgcron/nas.key"`
	// A command line for the shell that prints the secret.
	Command Command `yaml:"command" example:"pass show borg/nas"`
	// The name of a credential of systemd: a file in `$CREDENTIALS_DIRECTORY`, else in `/run/secrets`.
	Credential string `yaml:"credential" example:"nas"`
	// The name of an environment variable that holds the secret.
	Env string `yaml:"env" example:"NAS_PASSPHRASE"`
	// The text itself; made of a scalar, no key of the file.
	Text string `yaml:"text" hidden:"true"`
}

// Metrics is where figures for Prometheus are written.
type Metrics struct {
	// A file for the textfile collector of the node exporter.
	Textfile Path `yaml:"textfile" required:"all" example:"/var/lib/prometheus/node-exporter/borgcron.prom"`
}

// Channel is a way to tell somebody how a run ended.
type Channel struct {
	// The kind of channel.
	Type string `yaml:"type" required:"all" values:"desktop|email|ntfy|healthchecks|webhook|command"`
	// The events that are told. `failed` covers interrupted runs, `skipped` covers locked ones.
	On []string `yaml:"on" for:"desktop|email|ntfy|webhook|command" default:"[failed, warning, recovered, stale, alarm]" values:"failed|warning|recovered|stale|alarm|succeeded|skipped|all"`
	// The mail server, as `smtp://HOST:PORT`.
	Server string `yaml:"server" for:"email" example:"smtp://host:587"`
	// How the connection to the mail server is encrypted.
	TLS string `yaml:"tls" for:"email" default:"starttls" values:"starttls|tls|none"`
	// The name to log in with.
	User string `yaml:"user" for:"email" example:"a"`
	// The password to log in with.
	Password Secret `yaml:"password" for:"email" example:"{file: /etc/borgcron/mail.key}"`
	// The sender's address.
	From string `yaml:"from" for:"email" required:"email" example:"a@b"`
	// The addresses that get the mail.
	To []string `yaml:"to" for:"email" required:"email" example:"[c@d]"`
	// A sendmail program, in place of `server`.
	Sendmail Program `yaml:"sendmail" for:"email" example:"/usr/sbin/sendmail"`
	// The address that messages are sent to.
	URL Secret `yaml:"url" plain:"ntfy|webhook" for:"ntfy|healthchecks|webhook" required:"ntfy|healthchecks|webhook" example:"https://ntfy.example/backups"`
	// The token to log in with.
	Token Secret `yaml:"token" for:"ntfy" example:"{file: /etc/borgcron/ntfy.key}"`
	// The priority of an event's message.
	Priority map[string]string `yaml:"priority" for:"ntfy" keys:"failed|warning|recovered|stale|alarm|succeeded|skipped|all" values:"min|low|default|high|max" example:"{failed: high}"`
	// The method of the request.
	Method string `yaml:"method" for:"webhook" default:"POST" values:"POST|PUT|GET"`
	// More header lines for the request.
	Headers map[string]Secret `yaml:"headers" for:"webhook" example:"{Authorization: {file: /etc/borgcron/hook.key}}"`
	// A command line for the shell. It gets the message on its standard input.
	Run Shell `yaml:"run" for:"command" required:"command" example:"logger -t backup"`
}
