package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Path is an absolute path of this machine; a leading ~/ stands for the home folder.
type Path string

// Glob is a pattern of paths, perhaps relative to the file that holds it.
type Glob string

// Program is a program: an absolute path, or a name to be found on PATH.
type Program string

// SSHCommand is ssh and perhaps arguments, which no shell reads.
type SSHCommand string

// Command is a command line for the shell, whose first word is a program.
type Command string

// Shell is a command line for the shell.
type Shell string

// Location is where a repository is, in one of borg's notations.
type Location string

// Compression is borg's notation of a method of compression.
type Compression string

// FilesCache is borg's notation of how changed files are found.
type FilesCache string

// Chunker is borg's notation of how files are cut into chunks.
type Chunker string

// Form says how it is written.
func (Path) Form() Form { return Form{Wants: "a path such as /srv/data", Pattern: `[/~].*|.*\$\{.*|`} }

// UnmarshalText reads it. Where it may be empty the key says.
func (p *Path) UnmarshalText(text []byte) error {
	*p = Path(text)
	if len(text) > 0 && !filepath.IsAbs(string(text)) {
		return errors.New("wants a whole path that begins with / or ~/")
	}
	return nil
}

// Form says how it is written.
func (Program) Form() Form { return Form{Wants: "a program such as /usr/bin/borg", Pattern: `.+`} }

// UnmarshalText reads it.
func (p *Program) UnmarshalText(text []byte) error {
	*p = Program(text)
	if len(text) == 0 || strings.Contains(string(text), "/") && !filepath.IsAbs(string(text)) {
		return errors.New("wants a program: a whole path, or a name to be found on PATH")
	}
	return nil
}

// Form says how it is written.
func (SSHCommand) Form() Form { return Form{Wants: "a command such as ssh", Pattern: `.*\S.*`} }

// UnmarshalText reads it.
func (c *SSHCommand) UnmarshalText(text []byte) error {
	if *c = SSHCommand(text); strings.TrimSpace(string(text)) == "" {
		return errors.New("wants a command such as ssh")
	}
	return nil
}

// Form says how it is written.
func (Location) Form() Form {
	return Form{Wants: "a folder such as /mnt/backup/borg, ssh://USER@HOST/PATH or USER@HOST:PATH", Pattern: `.*[/:].*`}
}

var ipv6 = regexp.MustCompile(`\[[0-9a-fA-F:.]+\]`) // an address in brackets

var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)

// UnmarshalText reads it. No message repeats the location: it may be shown where nobody should learn it.
func (l *Location) UnmarshalText(text []byte) error {
	value := string(text)
	*l = Location(value)
	if strings.Contains(ipv6.ReplaceAllString(value, ""), "::") {
		return errors.New("wants a repository without an archive: cut the two colons and what follows")
	}
	if parts := scheme.FindStringSubmatch(value); parts != nil {
		rest := value[len(parts[0]):]
		switch parts[1] {
		case "ssh":
			return checkSSH(rest)
		case "file":
			if filepath.IsAbs(rest) {
				return nil
			}
			return errors.New("wants a whole path after file://")
		}
		return fmt.Errorf("knows ssh:// and folders of this machine, not %s://", parts[1])
	}
	head, path, remote := strings.Cut(value, ":")
	switch {
	case filepath.IsAbs(value):
		return nil
	case remote && head != "" && path != "" && !strings.Contains(head, "/") && !strings.HasPrefix(head, "-"):
		return nil
	}
	return errors.New("wants a whole path such as /mnt/backup/borg, ssh://USER@HOST/PATH or USER@HOST:PATH")
}

func checkSSH(rest string) error {
	authority, path, _ := strings.Cut(rest, "/")
	user, host, found := strings.Cut(authority, "@")
	if !found {
		user, host = "", authority
	}
	switch {
	case strings.Contains(user, ":"):
		return errors.New("wants no password: ssh logs in with a key, see `ssh.identity`")
	case host == "" || path == "" || strings.HasPrefix(host, "-") || strings.HasPrefix(user, "-"):
		return errors.New("wants ssh://USER@HOST:PORT/PATH; a path that is relative to the home folder begins with ./")
	}
	return nil
}

// Form says how it is written.
func (Compression) Form() Form {
	return Form{Wants: "a compression such as lz4 or zstd,6", Pattern: `.+`}
}

var compressionLevels = map[string][2]int{"none": {}, "lz4": {}, "zstd": {1, 22}, "zlib": {0, 9}, "lzma": {0, 9}}

// UnmarshalText reads it.
func (c *Compression) UnmarshalText(text []byte) error {
	*c = Compression(text)
	words := strings.Split(string(text), ",")
	if words[0] == "obfuscate" && len(words) > 2 {
		if spec, err := strconv.Atoi(words[1]); err != nil || spec < 1 || spec > 250 {
			return errors.New("wants a number after obfuscate, such as obfuscate,110,zstd,6")
		}
		words = words[2:]
	}
	if words[0] == "auto" && len(words) > 1 {
		words = words[1:]
	}
	levels, known := compressionLevels[words[0]]
	switch {
	case !known || len(words) > 2:
		return errors.New("wants none, lz4, zstd, zlib or lzma, perhaps with a level as in zstd,6 or auto,zstd,6")
	case len(words) == 2:
		if level, err := strconv.Atoi(words[1]); err != nil || level < levels[0] || level > levels[1] || levels[1] == 0 {
			if levels[1] == 0 {
				return fmt.Errorf("wants no level after %s", words[0])
			}
			return fmt.Errorf("wants a level from %d to %d after %s", levels[0], levels[1], words[0])
		}
	}
	return nil
}

// Form says how it is written.
func (FilesCache) Form() Form {
	return Form{Wants: "a list with commas such as ctime,size,inode", Pattern: `[a-z,]+`}
}

var filesCacheModes = []string{
	"ctime,size,inode", "mtime,size,inode", "ctime,size", "mtime,size", "rechunk,ctime", "rechunk,mtime", "disabled", "size",
}

// UnmarshalText reads it. borg knows these modes only, in any order.
func (f *FilesCache) UnmarshalText(text []byte) error {
	*f = FilesCache(text)
	sorted := func(mode string) []string { return slices.Sorted(slices.Values(strings.Split(mode, ","))) }
	for _, mode := range filesCacheModes {
		if slices.Equal(sorted(mode), sorted(string(text))) {
			return nil
		}
	}
	return fmt.Errorf("wants one of %s", strings.Join(filesCacheModes, "; "))
}

// Form says how it is written.
func (Chunker) Form() Form {
	return Form{Wants: "chunker parameters such as buzhash,19,23,21,4095", Pattern: `(default|(buzhash,)?[0-9]+,[0-9]+,[0-9]+,[0-9]+|fixed,[0-9]+(,[0-9]+)?)?`}
}

var chunkerForm = regexp.MustCompile(`^(?:` + Chunker("").Form().Pattern + `)$`)

// UnmarshalText reads it.
func (c *Chunker) UnmarshalText(text []byte) error {
	if *c = Chunker(text); !chunkerForm.Match(text) {
		return errors.New("wants chunker parameters such as buzhash,19,23,21,4095 or fixed,4194304")
	}
	return nil
}
