package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Every test that the manual's page of promises names is there.
func TestSecurityPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	check(t, err)
	files, err := filepath.Glob("../../internal/*/*_test.go")
	check(t, err)
	ours, err := filepath.Glob("*_test.go")
	check(t, err)
	var tests []byte
	for _, file := range append(files, ours...) {
		text, err := os.ReadFile(file)
		check(t, err)
		tests = append(tests, text...)
	}
	names := regexp.MustCompile("`(Test\\w+|security_[a-z]+|odd_names|hooks)`").FindAllSubmatch(page, -1)
	if len(names) < 30 {
		t.Fatalf("%d names", len(names))
	}
	for _, match := range names {
		name := string(match[1])
		scripts, err := filepath.Glob("testdata/*/" + name + ".txtar")
		check(t, err)
		if len(scripts) == 0 && !regexp.MustCompile(`(?m)^func `+name+`\(`).Match(tests) {
			t.Errorf("there is no test %s", name)
		}
	}
}
