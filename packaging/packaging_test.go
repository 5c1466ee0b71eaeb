package packaging

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// need skips the test if a program is missing, or fails where everything must be there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, program+" is not installed")
		}
	}
}

func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// do runs a program and returns all that it said.
func do(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	output, err := exec.Command(program, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// build makes the packages of this machine; the result is the folder they are in.
func build(t *testing.T, environ ...string) string {
	t.Helper()
	need(t, "git", "gzip")
	if output, err := exec.Command("go", "tool", "-modfile=../tools/nfpm/go.mod", "nfpm", "--version").CombinedOutput(); err != nil {
		lacking(t, "nfpm cannot be had: "+string(output))
	}
	folder := filepath.Join(t.TempDir(), "dist")
	command := exec.Command("./build")
	command.Env = append(os.Environ(), "VERSION=1.2.3", "SOURCE_DATE_EPOCH=1790000000", "DIST="+folder, "MACHINES="+runtime.GOARCH)
	command.Env = append(command.Env, environ...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return folder
}

// one is the only file of a kind in a folder.
func one(t *testing.T, folder, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// papers are files that a package must hold, with their modes.
var papers = map[string]string{
	"/usr/bin/borgcron":                                    "-rwxr-xr-x",
	"/usr/lib/systemd/system/borgcron.service":             "-rw-r--r--",
	"/usr/lib/systemd/system/borgcron.timer":               "-rw-r--r--",
	"/usr/lib/systemd/system/borgcron-status.service":      "-rw-r--r--",
	"/usr/lib/systemd/system/borgcron-status.timer":        "-rw-r--r--",
	"/usr/lib/sysusers.d/borgcron.conf":                    "-rw-r--r--",
	"/usr/lib/tmpfiles.d/borgcron.conf":                    "-rw-r--r--",
	"/etc/logrotate.d/borgcron":                            "-rw-r--r--",
	"/etc/borgcron/jobs.d/example.yaml.sample":             "-rw-r--r--",
	"/usr/share/bash-completion/completions/borgcron":      "-rw-r--r--",
	"/usr/share/zsh/site-functions/_borgcron":              "-rw-r--r--",
	"/usr/share/fish/vendor_completions.d/borgcron.fish":   "-rw-r--r--",
	"/usr/share/man/man1/borgcron.1.gz":                    "-rw-r--r--",
	"/usr/share/man/man1/borgcron-run.1.gz":                "-rw-r--r--",
	"/usr/share/man/man5/borgcron.yaml.5.gz":               "-rw-r--r--",
	"/usr/share/doc/borgcron/copyright":                    "-rw-r--r--",
	"/usr/share/doc/borgcron/changelog.gz":                 "-rw-r--r--",
	"/usr/share/doc/borgcron/examples/config.yaml":         "-rw-r--r--",
	"/usr/share/doc/borgcron/examples/jobs.d/example.yaml": "-rw-r--r--",
	"/usr/share/doc/borgcron/docs/commands.md":             "-rw-r--r--",
}

func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("builds packages")
	}
	need(t, "dpkg-deb")
	folder := build(t)
	deb, rpm := one(t, folder, "*.deb"), one(t, folder, "*.rpm")
	t.Run("the same source gives the same bits", func(t *testing.T) {
		again := build(t, "TZ=Asia/Tokyo", "LC_ALL=C")
		for _, pair := range [][2]string{{deb, one(t, again, "*.deb")}, {rpm, one(t, again, "*.rpm")}} {
			if !bytes.Equal(read(t, pair[0]), read(t, pair[1])) {
				t.Errorf("%s differs from build to build", filepath.Base(pair[0]))
			}
		}
	})
	t.Run("other machines", checkMachines)
	t.Run("files", func(t *testing.T) { checkFiles(t, deb, rpm) })
	t.Run("dpkg", func(t *testing.T) { checkDebian(t, deb) })
	t.Run("purge", func(t *testing.T) { checkPurge(t, deb) })
	t.Run("rpm", func(t *testing.T) { checkRPM(t, rpm) })
}

// checkMachines: each machine gets its packages, under the names that its system has for it. That the program
// compiles for them is held by the lint; here a stub stands in, as it takes a minute each.
func checkMachines(t *testing.T) {
	compiler := filepath.Join(t.TempDir(), "go")
	write(t, compiler, `#!/bin/sh
if [ "$1" = build ] && [ -n "${GOARCH:-}" ]; then
	while [ "$1" != -o ]; do shift; done
	echo stub >"$2"
	exit
fi
exec go "$@"
`, 0o755)
	folder := build(t, "MACHINES=amd64 arm64 arm7", "GO="+compiler)
	for _, machine := range []string{"amd64", "arm64", "armhf"} {
		if got := do(t, "dpkg-deb", "-f", one(t, folder, "*_"+machine+".deb"), "Architecture"); got != machine+"\n" {
			t.Errorf("the package for %s is for %s", machine, got)
		}
	}
	for _, machine := range []string{"x86_64", "aarch64", "armv7hl"} {
		one(t, folder, "*."+machine+".rpm")
	}
}

func checkFiles(t *testing.T, deb, rpm string) {
	listed := map[string]string{}
	for line := range strings.Lines(do(t, "dpkg-deb", "-c", deb)) {
		fields := strings.Fields(line)
		listed[fields[5][1:]] = fields[0]
		if fields[1] != "root/root" {
			t.Errorf("%s belongs to %s", fields[5], fields[1])
		}
		if fields[0][5] == 'w' || fields[0][8] == 'w' {
			t.Errorf("%s can be written by others: %s", fields[5], fields[0])
		}
	}
	for path, mode := range papers {
		if listed[path] != mode {
			t.Errorf(".deb: %s is %q, want %s", path, listed[path], mode)
		}
	}
	conffiles := do(t, "dpkg-deb", "-I", deb, "conffiles")
	if want := "/etc/borgcron/jobs.d/example.yaml.sample\n/etc/logrotate.d/borgcron\n"; conffiles != want {
		t.Errorf("conffiles are:\n%s", conffiles)
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		return // the subtest on rpm says it
	}
	list := do(t, "rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]", rpm)
	clear(listed)
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		listed[fields[3]] = fields[0]
		if fields[1] != "root" || fields[2] != "root" {
			t.Errorf(".rpm: %s belongs to %s:%s", fields[3], fields[1], fields[2])
		}
	}
	for path, mode := range papers {
		if listed[path] != mode {
			t.Errorf(".rpm: %s is %q, want %s", path, listed[path], mode)
		}
	}
}

// chroot is a small system of its own with the programs that the packages' scripts call.
func chroot(t *testing.T) string {
	t.Helper()
	programs := []string{"sh", "rm", "rmdir", "flock", "true"}
	need(t, append(programs, "ldd", "chroot")...)
	if os.Getuid() != 0 {
		lacking(t, "only root can install packages into a root of its own")
	}
	root := t.TempDir()
	for _, program := range programs {
		path, _ := exec.LookPath(program)
		write(t, filepath.Join(root, "bin", program), string(read(t, path)), 0o755)
		for _, word := range strings.Fields(do(t, "ldd", path)) {
			if strings.HasPrefix(word, "/") { // a library
				write(t, filepath.Join(root, word), string(read(t, word)), 0o755)
			}
		}
	}
	write(t, filepath.Join(root, "dev/null"), "", 0o666)
	return root
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
