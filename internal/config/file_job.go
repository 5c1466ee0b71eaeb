package config

// Job is one backup: what goes where, how often, and for how long it is kept.
type Job struct {
	// The repository: a name from `repositories`, or a location.
	Repository string `yaml:"repository" example:"nas"`
	// Several repositories, one after the other; in place of `repository`.
	Repositories []string `yaml:"repositories" example:"[nas, usb]"`
	// What is backed up. A source that is missing fails the run. Needed, unless `optional_sources`, a root in
	// `patterns`, or `databases` stand.
	Sources []Path `yaml:"sources" example:"[/home, /etc]"`
	// What is backed up if it is there.
	OptionalSources []Path `yaml:"optional_sources" default:"[]" example:"[/srv]"`
	// What is left out: patterns as for borg's `--exclude`.
	Exclude []string `yaml:"exclude" example:"[\"sh:/home/*/.cache\", \"*.iso\"]"`
	// Files with patterns of what is left out.
	ExcludeFrom []Path `yaml:"exclude_from" example:"[/etc/borgcron/exclude.txt]"`
	// Patterns as for borg's `--pattern`: `R ROOT`, `+ PATTERN`, `- PATTERN`, `! PATTERN`, `P STYLE`.
	Patterns []string `yaml:"patterns" default:"[]" example:"[R /home, \"- sh:**/.cache\"]"`
	// Files with such patterns.
	PatternsFrom []Path `yaml:"patterns_from" default:"[]" example:"[/etc/borgcron/patterns.txt]"`
	// A folder that holds a file of this name is left out.
	ExcludeIfPresent []string `yaml:"exclude_if_present" example:"[.nobackup]"`
	// The file that made borg leave out a folder is itself backed up.
	KeepExcludeTags bool `yaml:"keep_exclude_tags" default:"false"`
	// Folders with a CACHEDIR.TAG are left out.
	ExcludeCaches bool `yaml:"exclude_caches" default:"false"`
	// Files with the flag `d` (nodump) are left out.
	ExcludeNodump bool `yaml:"exclude_nodump" default:"false"`
	// Other file systems below a source are left out.
	OneFileSystem bool `yaml:"one_file_system" default:"false"`
	// The contents of devices and pipes are read.
	ReadSpecial bool `yaml:"read_special" default:"false"`
	// How borg finds out that a file has not changed.
	FilesCache FilesCache `yaml:"files_cache" default:"ctime,size,inode"`
	// How the data is compressed.
	Compression Compression `yaml:"compression" default:"lz4" example:"auto,zstd,6"`
	// How files are cut into chunks, as for borg's `--chunker-params`; empty for borg's own default.
	Chunker Chunker `yaml:"chunker" default:"\"\"" example:"buzhash,19,23,21,4095"`
	// How often borg keeps what was sent so far.
	CheckpointInterval Interval `yaml:"checkpoint_interval" default:"30m"`
	// A comment for the archive.
	Comment string `yaml:"comment" default:"\"\"" example:"before the move"`
	// The name of the archives: text, `{hostname}`, `{fqdn}`, `{user}`, `{job}`, and exactly one of `{now}`,
	// `{utcnow}`, `{now:STRFTIME}` and `{utcnow:STRFTIME}`. STRFTIME knows %Y %y %m %d %H %M %S %j %G %V %u.
	ArchiveName string `yaml:"archive_name" default:"\"{hostname}-{job}-{now}\""`
	// The configuration files are backed up too. Those with a secret in them are left out. The archive's comment says where they
	// are, for `borgcron recover`.
	Bootstrap bool `yaml:"bootstrap" default:"true"`
	// More options for borg. Those that a key of this file sets are refused.
	BorgOptions BorgOptions `yaml:"borg_options"`
	// The job is due when its last success began at least this long ago, less a tenth (at most 2h).
	Every Interval `yaml:"every" default:"24h"`
	// Times of day, or systemd's OnCalendar: the job is due when such a time has passed since its last success
	// began. `every` then only serves `stale_after`.
	At []string `yaml:"at" single:"true" implied:"unset" example:"\"02:30\""`
	// The job is stale when its last success ended this long ago.
	StaleAfter *Interval `yaml:"stale_after" implied:"every and a quarter of it, at least every and 2h" example:"30h"`
	// What happens after a failure that may pass by itself, in create, check and compact.
	Retry Retry `yaml:"retry"`
	// How long a run may take.
	Timeout Timeout `yaml:"timeout"`
	// Which archives are kept. `none`: nothing is ever deleted, with a warning; `keep_all` says the same on purpose.
	Retention Retention `yaml:"retention" words:"none|keep_all" implied:"none" example:"{daily: 14, weekly: 8, monthly: 6}"`
	// When and which archives are deleted.
	Prune Prune `yaml:"prune"`
	// When space is freed, if anything was deleted since the last time.
	Compact Compact `yaml:"compact"`
	// When and how the repository is checked. It counts from the first backup.
	Check Check `yaml:"check"`
	// The restore drill.
	Verify Verify `yaml:"verify"`
	// What a believable archive looks like. One that does not pass is kept, but is no success, and nothing is
	// deleted until one passes.
	Guard Guard `yaml:"guard"`
	// Warnings of these kinds alone leave a run succeeded.
	Tolerate []string `yaml:"tolerate" default:"[changed, vanished]" values:"changed|vanished|unreadable"`
	// What must hold for a run to begin; otherwise it is skipped.
	Conditions Conditions `yaml:"conditions" words:"none" implied:"none"`
	// The priority of borg for the processor, as for nice.
	Nice int `yaml:"nice" implied:"unset" min:"0" max:"19" example:"10"`
	// The priority of borg for the disk: `idle`, only when nobody else needs it.
	IONice string `yaml:"ionice" implied:"unset" values:"idle" example:"idle"`
	// Commands to run before and after.
	Hooks []Hook `yaml:"hooks" words:"none" implied:"none"`
	// Databases to dump into an archive of their own.
	Databases []Database `yaml:"databases" words:"none" implied:"none"`
	// Empty: dumps are streamed into the archive. A folder: they are files there first, with a check of free
	// space, and lie in the archive of files.
	Spool Path `yaml:"spool" default:"\"\"" empty:"true" example:"/var/spool/borgcron"`
	// The channels that are told about this job.
	Notify []string `yaml:"notify" words:"all" implied:"all" example:"[desk, mail]"`
}

// BorgOptions are more options for borg, by command.
type BorgOptions struct {
	// For `borg create`.
	Create []string `yaml:"create" default:"[]" example:"[--noatime]"`
	// For `borg prune`.
	Prune []string `yaml:"prune" default:"[]"`
	// For `borg compact`.
	Compact []string `yaml:"compact" default:"[]" example:"[--cleanup-commits]"`
	// For `borg check`.
	Check []string `yaml:"check" default:"[]"`
}

// Retry is how often and when a failed step is tried again.
type Retry struct {
	// How many more attempts after the first.
	Retries int `yaml:"retries" default:"3" min:"0" max:"1000"`
	// The pause before the next attempt.
	Wait Duration `yaml:"wait" default:"5m"`
	// The factor by which the pause grows.
	Backoff float64 `yaml:"backoff" default:"1" min:"1" max:"100" example:"2"`
	// The longest pause.
	MaxWait Duration `yaml:"max_wait" default:"1h"`
}

// Timeout is how long a run may take.
type Timeout struct {
	// The whole run.
	Run Limit `yaml:"run" default:"none" example:"12h"`
	// Without any sign of life from borg.
	Stall Limit `yaml:"stall" default:"30m"`
	// The same in check and compact, where only the server works.
	StallServer Limit `yaml:"stall_server" default:"6h"`
}

// Retention is which archives are kept, by borg's rules. 0: the rule is not used; `all`: no limit.
type Retention struct {
	// All that are younger, in borg's notation: a number and H (hours), d, w, m (months of 31 days) or y. If it
	// is the only rule, the newest archive is kept as well.
	Within Within `yaml:"within" example:"2d"`
	// The last ones.
	Last Keep `yaml:"last" example:"3"`
	// The last of each minute.
	Minutely Keep `yaml:"minutely" example:"60"`
	// The last of each hour.
	Hourly Keep `yaml:"hourly" example:"24"`
	// The last of each day.
	Daily Keep `yaml:"daily" example:"14"`
	// The last of each week.
	Weekly Keep `yaml:"weekly" example:"8"`
	// The last of each month.
	Monthly Keep `yaml:"monthly" example:"6"`
	// The last of each 13 weeks. Needs borg 1.4.1.
	ThirteenWeekly Keep `yaml:"13weekly" example:"4"`
	// The last of each quarter. Needs borg 1.4.1.
	ThreeMonthly Keep `yaml:"3monthly" example:"4"`
	// The last of each year.
	Yearly Keep `yaml:"yearly" example:"2"`
	// Nothing is ever deleted, on purpose; the same as `retention: keep_all`.
	KeepAll bool `yaml:"keep_all" example:"true"`
}

// Prune is when and which archives are deleted.
type Prune struct {
	// How often, after a create that passed.
	Every Every `yaml:"every" default:"always"`
	// How many more attempts after the first.
	Retries *int `yaml:"retries" implied:"as retry.retries" min:"0" max:"1000" example:"3"`
	// The pattern of the names of this job's archives, a shell glob. It begins with at least three literal characters.
	Match string `yaml:"match" implied:"archive_name with the digits of its time as [0-9]" example:"laptop-home-*"`
}

// Compact is when space is freed.
type Compact struct {
	// How often, if something was deleted since.
	Every Every `yaml:"every" default:"always"`
	// The share of a segment that must be free for borg to rewrite it, in percent.
	Threshold int `yaml:"threshold" default:"10" min:"0" max:"99"`
}

// Check is when and how the repository is checked.
type Check struct {
	// How often.
	Every Every `yaml:"every" default:"30d"`
	// What is checked: the repository's own structure, the archives' structure, all data.
	Parts []string `yaml:"parts" default:"[repository, archives]" values:"repository|archives|data"`
	// Only the last archives.
	Last Number `yaml:"last" default:"none" example:"5"`
	// The longest time; borg goes on there the next time. With the part `repository` alone.
	MaxDuration Limit `yaml:"max_duration" default:"none" example:"2h"`
}

// Verify is the restore drill: files of the last archive are restored and compared.
type Verify struct {
	// How often.
	Every Every `yaml:"every" default:"never" example:"7d"`
	// The most files in a drill.
	Files int `yaml:"files" default:"50" min:"1" max:"1000000"`
	// The most data in a drill.
	Size Size `yaml:"size" default:"1GiB"`
}

// Guard is what a believable archive looks like.
type Guard struct {
	// Folders that must be mount points.
	Mounted []Path `yaml:"mounted" default:"[]" example:"[/mnt/data]"`
	// The least number of files.
	MinFiles int64 `yaml:"min_files" default:"1" min:"0"`
	// The least size.
	MinSize Size `yaml:"min_size" default:"none" example:"500MB"`
	// The share by which files or size may shrink against the last archive that passed.
	MaxShrink Percent `yaml:"max_shrink" default:"50%"`
}

// Conditions are what must hold for a run to begin. What cannot be known holds.
type Conditions struct {
	// The machine's power.
	Power Power `yaml:"power"`
	// The connection costs nothing.
	Unmetered bool `yaml:"unmetered" example:"true"`
	// Folders that must be mount points.
	Mounted []Path `yaml:"mounted" example:"[/mnt/usb]"`
	// The repository's server answers.
	Reachable bool `yaml:"reachable" example:"true"`
	// A command line for the shell: 0 is yes, 1 is no, all else fails the run.
	Command Command `yaml:"command" example:"/usr/local/bin/may-i"`
}

// Power is the state of the machine's power that a run needs.
type Power struct {
	// The machine is not on battery.
	OnAC bool `yaml:"on_ac" example:"true"`
	// The battery holds more than so many percent.
	BatteryAbove int `yaml:"battery_above" min:"0" max:"99" example:"20"`
}

// Hook is a command to run before or after.
type Hook struct {
	// When it runs: `before` the dumps, or `after` all steps, whatever their outcome.
	When string `yaml:"when" required:"all" values:"before|after"`
	// A command line for the shell.
	Run Shell `yaml:"run" required:"all" example:"apt-mark showmanual > /var/backups/apt.list"`
	// How long it may take.
	Timeout Limit `yaml:"timeout" default:"1h"`
	// What its failure means: `fail` the run, or `warn`.
	OnError string `yaml:"on_error" default:"fail" values:"fail|warn"`
	// Only after runs with these outcomes; with `when: after` only.
	States []string `yaml:"states" implied:"all" values:"succeeded|warning|failed|skipped|locked|interrupted" example:"[failed, warning]"`
}

// Database is a database, or several of one server, to dump.
type Database struct {
	// The kind of server.
	Type string `yaml:"type" required:"all" values:"postgresql|mysql|mariadb|sqlite"`
	// The names of the databases; `all` for all of the server.
	Names []string `yaml:"names" for:"postgresql|mysql|mariadb" default:"[all]" example:"[shop, wiki]"`
	// Databases to leave out.
	Exclude []string `yaml:"exclude" for:"postgresql|mysql|mariadb" default:"[]"`
	// The format of the dump, as for pg_dump.
	Format string `yaml:"format" for:"postgresql" default:"custom" values:"custom|plain|tar|directory"`
	// The server's host, for PostgreSQL also the folder of its socket.
	Host string `yaml:"host" for:"postgresql|mysql|mariadb" implied:"this machine" example:"/run/postgresql"`
	// The socket of the server, instead of a host.
	Socket Path `yaml:"socket" for:"mysql|mariadb" implied:"the program's own" example:"/run/mysqld/mysqld.sock"`
	// The server's port.
	Port int `yaml:"port" for:"postgresql|mysql|mariadb" implied:"the server's own" min:"1" max:"65535" example:"5432"`
	// The name to log in with.
	User string `yaml:"user" for:"postgresql|mysql|mariadb" implied:"the program's own" example:"backup"`
	// The password to log in with.
	Password Secret `yaml:"password" for:"postgresql|mysql|mariadb" example:"{file: /etc/borgcron/mysql.key}"`
	// The file of the database.
	Path Path `yaml:"path" for:"sqlite" required:"sqlite" example:"/var/lib/app/app.db"`
	// More options for the dump program.
	Options []string `yaml:"options" for:"postgresql|mysql|mariadb" default:"[]"`
	// The dump program.
	Program Program `yaml:"program" for:"postgresql|mysql|mariadb" implied:"pg_dump, or mariadb-dump or mysqldump" example:"/usr/bin/pg_dump"`
	// The user that the dump program runs as; only root can name another one. In a container a user there.
	RunAs string `yaml:"run_as" for:"postgresql|mysql|mariadb" implied:"the user that runs borgcron" example:"postgres"`
	// The container that the dump program runs in, by docker; `podman:NAME` for podman.
	Container string `yaml:"container" for:"postgresql|mysql|mariadb" default:"\"\""`
	// What a failure means: `fail` the run, or `warn`.
	OnError string `yaml:"on_error" default:"fail" values:"fail|warn"`
}
