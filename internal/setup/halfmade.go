package setup

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mostHalfMade is more than a borg init writes before it is done.
const mostHalfMade = 64 << 10

// RemoveHalfMade removes from a folder of this machine what a borg init that was killed has left there, before there was so much
// as a configuration in it. It removes nothing if anything else is there, and the folder itself only if it was made for that.
func RemoveHalfMade(path string, folder bool) error {
	var size int64
	strange := false
	err := filepath.WalkDir(path, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || at == path {
			return err
		}
		head, _, _ := strings.Cut(strings.TrimPrefix(at, path+"/"), "/")
		head, _, _ = strings.Cut(head, ".")
		switch head {
		case "README", "config", "data", "nonce", "index", "hints", "integrity", "lock":
		default:
			strange = true
		}
		if info, err := entry.Info(); err == nil && !entry.IsDir() {
			size += info.Size()
		}
		return nil
	})
	if err != nil || strange || size > mostHalfMade {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(path, entry.Name())); err != nil {
			return err
		}
	}
	if folder {
		return os.Remove(path)
	}
	return nil
}
