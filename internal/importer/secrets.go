package importer

import (
	"path/filepath"
	"slices"
	"strings"
)

// secretFiles are the secrets of an import that get files of their own.
type secretFiles struct {
	dir   string // "": none may be written
	files []SecretFile
}

// add gives a secret a file: the one that holds it already, if there is one. It returns false if none may be written.
func (f *secretFiles) add(hint, secret string) (path string, ok bool) {
	if f.dir == "" {
		return "", false
	}
	for _, file := range f.files {
		if string(file.Content) == secret+"\n" {
			return file.Path, true
		}
	}
	name := freeName(hint, func(free string) bool {
		return slices.ContainsFunc(f.files, func(file SecretFile) bool {
			return strings.EqualFold(file.Path, filepath.Join(f.dir, free+".key"))
		})
	})
	path = filepath.Join(f.dir, name+".key")
	f.files = append(f.files, SecretFile{Path: path, Content: []byte(secret + "\n")})
	return path, true
}
