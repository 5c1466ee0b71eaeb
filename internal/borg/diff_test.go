package borg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func number(n int64) *int64 { return &n }

func TestParseDifference(t *testing.T) {
	for _, test := range []struct {
		line string
		want Difference
	}{
		{`{"path":"a","changes":[{"type":"added","size":7}]}`, Difference{Path: "a", Kind: Added, Type: "file", Added: number(7)}},
		{`{"path":"a","changes":[{"type":"added directory"}]}`, Difference{Path: "a", Kind: Added, Type: "directory"}},
		{`{"path":"a","changes":[{"type":"removed","size":7}]}`, Difference{Path: "a", Kind: Removed, Type: "file", Removed: number(7)}},
		{`{"path":"a","changes":[{"type":"removed link"}]}`, Difference{Path: "a", Kind: Removed, Type: "link"}},
		{`{"path":"a","changes":[{"type":"modified","added":1,"removed":0},{"type":"mtime"}]}`, Difference{Path: "a", Kind: Modified, Added: number(1), Removed: number(0)}},
		{`{"path":"a","changes":[{"type":"modified"},{"type":"ctime"}]}`, Difference{Path: "a", Kind: Modified}},
		{`{"path":"a","changes":[{"type":"modified","added":0,"removed":0},{"type":"mtime"}]}`, Difference{Path: "a", Kind: Times}},
		{`{"path":"a","changes":[{"type":"changed link"}]}`, Difference{Path: "a", Kind: Modified}},
		{
			`{"path":"a","changes":[{"type":"modified","added":0,"removed":0},{"type":"mode","old_mode":"-rw-r--r--","new_mode":"-rw-------"}]}`,
			Difference{Path: "a", Kind: Metadata, OldMode: "-rw-r--r--", NewMode: "-rw-------"},
		},
		{
			`{"path":"a","changes":[{"type":"mode","old_mode":"-rw-r--r--","new_mode":"lrwxrwxrwx"},{"type":"mtime"}]}`,
			Difference{Path: "a", Kind: Replaced, OldMode: "-rw-r--r--", NewMode: "lrwxrwxrwx"},
		},
		{
			`{"path":"a","changes":[{"type":"owner","old_user":"a","old_group":"b","new_user":"c","new_group":null}]}`,
			Difference{Path: "a", Kind: Metadata, OldOwner: "a:b", NewOwner: "c:"},
		},
		{`{"path":"a","changes":[{"type":"something new"}]}`, Difference{Path: "a", Kind: Metadata}},
		{`{"path":"a","changes":[]}`, Difference{Path: "a", Kind: Times}},
	} {
		got, err := parseDifference([]byte(test.line))
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", test.line, err, diff)
		}
	}
	for _, wrong := range []string{"", "x", "[]", `{"path":5}`, `{"changes":[]}`, `{"path":"a","changes":[{"size":1.5}]}`} {
		if got, err := parseDifference([]byte(wrong)); err == nil {
			t.Errorf("%s is %+v", wrong, got)
		}
	}
}

func FuzzDifference(f *testing.F) {
	f.Add([]byte(`{"path":"a","changes":[{"type":"modified","added":1,"removed":0},{"type":"mode","old_mode":"","new_mode":"x"}]}`))
	f.Add([]byte(`{"path":"a","changes":[{"type":" "},{"type":"added fifo"}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := parseDifference(line)
		if _, known := severity[d.Kind]; err == nil && (!known || d.Path == "") {
			t.Errorf("%q is %+v", line, d)
		}
	})
}
