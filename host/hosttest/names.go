package hosttest

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
)

var nameScenarios = []scenario{
	{"open finds, creates and refuses", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		_, err := v.Open("f", 0)
		t.Is(err, host.ErrNotExist, "Open of a missing file")
		_, err = v.Open("f", host.ReadOnly)
		t.Is(err, host.ErrNotExist, "Open of a missing file to read")
		t.put(v, "f", "one")
		_, err = v.Open("f", host.Create|host.Exclusive)
		t.Is(err, host.ErrExist, "exclusive Open of a file that is there")
		t.contains(v, "f", "one")
		t.Is(t.open(v, "f", host.Create).Close(), nil, "Close") // does not cut off what is there
		t.contains(v, "f", "one")
		t.put(v, "deep/down/g", "two")
		t.contains(v, "deep/down/g", "two")
		t.Is(t.open(v, "x", host.Create|host.Exclusive).Close(), nil, "Close")
	}},
	{"paths stay inside the volume", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		for _, p := range []string{"", "/abs", "../up", "a/../../up", "a//b", "a/", "./a"} {
			_, err := v.Open(p, host.Create)
			t.Check(err != nil, "Open of %q succeeded", p)
		}
	}},
	{"rename moves and replaces", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		t.put(v, "a", "one")
		t.put(v, "b", "two")
		t.Is(v.Rename("a", "b"), nil, "Rename")
		t.contains(v, "b", "one")
		_, err := v.Open("a", 0)
		t.Is(err, host.ErrNotExist, "Open of the old name")
		t.Is(v.Rename("a", "c"), host.ErrNotExist, "Rename of a missing file")
	}},
	{"an open file keeps its content under any name", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		t.put(v, "a", "one")
		f := t.open(v, "a", 0)
		t.Is(v.Rename("a", "b"), nil, "Rename")
		t.reads(f, 0, []byte("one"))
		t.Is(v.Remove("b"), nil, "Remove")
		t.reads(f, 0, []byte("one"))
		t.put(v, "b", "new")
		t.reads(f, 0, []byte("one"))
		t.Is(f.Close(), nil, "Close")
	}},
	{"link is put-if-absent", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		t.put(v, "a", "one")
		t.put(v, "b", "two")
		t.Is(v.Link("a", "c"), nil, "Link")
		t.contains(v, "c", "one")
		t.Is(v.Link("b", "c"), host.ErrExist, "Link to a name that is there")
		t.contains(v, "c", "one")
		t.Is(v.Remove("a"), nil, "Remove")
		t.contains(v, "c", "one")
		t.Is(v.Link("a", "d"), host.ErrNotExist, "Link of a missing file")
		won := 0
		try := func(*host.Scope) {
			if err := v.Link("b", "race"); err == nil {
				won++
			} else {
				t.Is(err, host.ErrExist, "Link in a race")
			}
		}
		tasks(h, sc, try) // one after the other: the count has no lock
		tasks(h, sc, try)
		t.Check(won == 1, "%d links of one name succeeded", won)
	}},
	{"remove", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		t.put(v, "d/f", "one")
		t.Check(v.Remove("d") != nil, "Remove of a directory that is not empty succeeded")
		t.Is(v.Remove("d/f"), nil, "Remove of a file")
		t.Is(v.Remove("d/f"), host.ErrNotExist, "Remove of a missing file")
		t.Is(v.Remove("d"), nil, "Remove of an empty directory")
		_, err := v.List("d")
		t.Is(err, host.ErrNotExist, "List of a removed directory")
	}},
	{"list is sorted and tells sizes and directories", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		for _, i := range []int{5, 0, 11, 3} {
			t.put(v, fmt.Sprintf("d/f%02d", i), string(pattern(i, 0)))
		}
		t.put(v, "d/e/f", "deep")
		got, err := v.List("d")
		t.Is(err, nil, "List")
		want := []host.Entry{{Name: "e", Dir: true}, {Name: "f00"}, {Name: "f03", Size: 3},
			{Name: "f05", Size: 5}, {Name: "f11", Size: 11}}
		t.Check(slices.Equal(got, want), "listed %v, want %v", got, want)
		root, err := v.List("")
		t.Check(err == nil && slices.Equal(root, []host.Entry{{Name: "d", Dir: true}}), "root: %v, %v", root, err)
		_, err = v.List("missing")
		t.Is(err, host.ErrNotExist, "List of a missing directory")
	}},
	{"directories are synced", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		t.put(v, "d/f", "one")
		t.Is(v.SyncDir("d"), nil, "SyncDir")
		t.Is(v.SyncDir(""), nil, "SyncDir of the root")
		t.Is(v.SyncDir("missing"), host.ErrNotExist, "SyncDir of a missing directory")
	}},
	{"a lock has one holder", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		a, err := v.Lock("lock")
		if !t.Is(err, nil, "Lock") {
			return
		}
		_, err = v.Lock("lock")
		t.Is(err, host.ErrLocked, "Lock of a locked file")
		tasks(h, sc, func(*host.Scope) {
			_, err := v.Lock("lock")
			t.Is(err, host.ErrLocked, "Lock of a locked file by another task")
		})
		b, err := v.Lock("other")
		t.Is(err, nil, "Lock of another file")
		t.Is(a.Close(), nil, "Close")
		a, err = v.Lock("lock")
		t.Is(err, nil, "Lock of a lock given back")
		t.Is(a.Close(), nil, "Close")
		t.Is(b.Close(), nil, "Close")
	}},
	{"volumes are apart, and attaching twice gives the same", func(t *T, h host.Host, sc *host.Scope) {
		a := t.volume(h, sc)
		again := t.volume(h, sc)
		b, err := h.Disk().Volume(sc, "v1")
		if !t.Is(err, nil, "Volume") {
			return
		}
		t.put(a, "f", "one")
		t.contains(again, "f", "one")
		_, err = b.Open("f", 0)
		t.Is(err, host.ErrNotExist, "Open of another volume's file")
	}},
	{"space is told", func(t *T, h host.Host, sc *host.Scope) {
		free, total, err := t.volume(h, sc).Space()
		t.Check(err == nil && free > 0 && free <= total, "free %d of %d, %v", free, total, err)
	}},
}

func (t *T) put(v host.Volume, path, content string) {
	f := t.open(v, path, host.Create)
	t.writes(f, 0, []byte(content))
	t.Is(f.Close(), nil, "Close")
}

func (t *T) contains(v host.Volume, path, want string) {
	f := t.open(v, path, host.ReadOnly)
	t.reads(f, 0, []byte(want))
	t.sized(f, int64(len(want)))
	t.Is(f.Close(), nil, "Close")
}

// writeBeforeReboot leaves durable content, open handles and a lock behind.
func writeBeforeReboot(t *T, h host.Host, sc *host.Scope) {
	v := t.volume(h, sc)
	f := t.open(v, "kept/f", host.Create)
	t.writes(f, 0, []byte("durable"))
	t.Is(f.Sync(), nil, "Sync")
	t.Is(v.SyncDir("kept"), nil, "SyncDir")
	t.Is(v.SyncDir(""), nil, "SyncDir")
	_, err := v.Lock("lock")
	t.Is(err, nil, "Lock")
	h.Go(nil, "hosttest.left", func(sc *host.Scope) {
		_ = h.Sleep(sc, time.Hour) // the incarnation ends before that
	})
	settle(h, sc)
}

func readAfterReboot(t *T, h host.Host, sc *host.Scope) {
	v := t.volume(h, sc)
	t.contains(v, "kept/f", "durable")
	l, err := v.Lock("lock")
	if t.Is(err, nil, "Lock that a dead incarnation held") {
		t.Is(l.Close(), nil, "Close")
	}
}
