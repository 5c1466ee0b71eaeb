package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// commands are what scripts need beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"await":   await,
	"signal":  sendSignal,
	"lines":   countLines,
	"replace": replace,
}

// await waits until a file holds something, or a word, for at most half a minute: "await FILE [WORD]".
func await(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && len(data) > 0 && strings.Contains(string(data), strings.Join(args[1:], " ")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not appear", args[0])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// sendSignal ends a process by the pid that a file holds, and waits until it is gone: "signal 9 FILE".
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	number, err := strconv.Atoi(args[0])
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	words := strings.Fields(string(data))
	pid, err := strconv.Atoi(words[len(words)-1])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.Signal(number)))
	deadline := time.Now().Add(30 * time.Second)
	for syscall.Kill(pid, 0) == nil && !isZombie(pid) {
		if time.Now().After(deadline) {
			ts.Fatalf("process %d did not end", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func isZombie(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(rest, "Z")
}

// countLines compares how many lines of a file begin with a word, "" counting all: "lines 2 FILE create".
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	if err != nil && !os.IsNotExist(err) {
		ts.Check(err)
	}
	count := 0
	for line := range strings.Lines(string(data)) {
		if len(args) < 3 || strings.Contains(line, args[2]) {
			count++
		}
	}
	if (count == want) == neg {
		ts.Fatalf("%s has %d such lines:\n%s", args[1], count, data)
	}
}

// replace rewrites a file: "replace FILE OLD NEW".
func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if !strings.Contains(string(data), args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(data), args[1], args[2])), 0o600))
}
