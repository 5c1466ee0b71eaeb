package backup

import "time"

// Item is one entry of an archive, as borg lists it.
type Item struct {
	Path    string    // as it is stored: without a leading slash, bytes that need not be UTF-8
	Mode    string    // as in ls -l, such as -rw-r--r--; the first byte is the type: - d l p b c, and h for a hard link
	Owner   string    // USER:GROUP as borg lists them
	Size    int64     // bytes; 0 for what is no regular file
	ModTime time.Time // rounded to the microsecond; borg lists no finer
	Changed time.Time // its ctime, rounded as well; where it was not stored borg lists the mtime
	Target  string    // (with ? for what is not UTF-8) where a symbolic link points to; for a hard link the path of the entry that has the content
}

// Type is the first byte of the mode.
func (i *Item) Type() byte {
	if i.Mode == "" {
		return '?'
	}
	return i.Mode[0]
}
