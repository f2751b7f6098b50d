package hosttest

import (
	"bytes"
	"io"
	"unsafe"

	"github.com/weirmq/weir/host"
)

var diskScenarios = []scenario{
	{"what is written is read", func(t *T, h host.Host, sc *host.Scope) {
		f := t.open(t.volume(h, sc), "f", host.Create)
		t.Check(f.Align() == 1, "a file opened without Direct has alignment %d", f.Align())
		t.writes(f, 0, []byte("hello, world"))
		t.writes(f, 7, []byte("there"))
		t.reads(f, 0, []byte("hello, there"))
		t.reads(f, 5, []byte(", th"))
		t.Is(f.Sync(), nil, "Sync")
		t.reads(f, 0, []byte("hello, there"))
		t.sized(f, 12)
		n, err := f.WriteAt(nil, 3)
		t.Check(n == 0 && err == nil, "WriteAt of nothing: %d, %v", n, err)
		t.Is(f.Close(), nil, "Close")
	}},
	{"reading past the end gives what there is and EOF", func(t *T, h host.Host, sc *host.Scope) {
		f := t.open(t.volume(h, sc), "f", host.Create)
		t.writes(f, 0, []byte("abc"))
		p := make([]byte, 8)
		n, err := f.ReadAt(p, 1)
		t.Check(n == 2 && string(p[:2]) == "bc", "read %d bytes, %q, want bc", n, p[:n])
		t.Is(err, io.EOF, "a read across the end")
		for _, off := range []int64{3, 4, 1 << 40} {
			n, err = f.ReadAt(p, off)
			t.Check(n == 0, "read %d bytes at %d", n, off)
			t.Is(err, io.EOF, "a read beyond the end")
		}
		n, err = f.ReadAt(p[:3], 0)
		t.Check(n == 3 && (err == nil || err == io.EOF), "a read up to the end: %d, %v", n, err)
		t.Is(f.Close(), nil, "Close")
	}},
	{"a gap and grown space read as zero", func(t *T, h host.Host, sc *host.Scope) {
		f := t.open(t.volume(h, sc), "f", host.Create)
		t.writes(f, 10_000, []byte("x"))
		t.reads(f, 0, make([]byte, 10_000))
		t.Is(f.Resize(20_000), nil, "Resize")
		t.sized(f, 20_000)
		t.reads(f, 10_000, append([]byte("x"), make([]byte, 9_999)...))
		t.Is(f.Resize(10_000), nil, "Resize")
		t.Is(f.Resize(10_001), nil, "Resize")
		t.reads(f, 10_000, []byte{0}) // what was cut off does not come back
		t.Is(f.Close(), nil, "Close")
	}},
	{"direct files work in units of their alignment", direct},
	{"two handles see one file", func(t *T, h host.Host, sc *host.Scope) {
		v := t.volume(h, sc)
		a := t.open(v, "f", host.Create)
		b := t.open(v, "f", host.ReadOnly)
		t.writes(a, 0, []byte("shared"))
		t.reads(b, 0, []byte("shared"))
		_, err := b.WriteAt([]byte("x"), 0)
		t.Check(err != nil, "WriteAt through a read-only handle succeeded")
		t.reads(a, 0, []byte("shared"))
		t.Is(a.Close(), nil, "Close")
		t.reads(b, 0, []byte("shared"))
		t.Is(b.Close(), nil, "Close")
	}},
	{"a closed file fails", func(t *T, h host.Host, sc *host.Scope) {
		f := t.open(t.volume(h, sc), "f", host.Create)
		t.Is(f.Close(), nil, "Close")
		_, err := f.ReadAt(make([]byte, 1), 0)
		t.Is(err, host.ErrClosed, "ReadAt")
		_, err = f.WriteAt(make([]byte, 1), 0)
		t.Is(err, host.ErrClosed, "WriteAt")
		t.Is(f.Sync(), host.ErrClosed, "Sync")
		t.Is(f.Resize(1), host.ErrClosed, "Resize")
		_, err = f.Size()
		t.Is(err, host.ErrClosed, "Size")
		t.Is(f.Close(), host.ErrClosed, "Close")
	}},
	{"tasks write side by side", func(t *T, h host.Host, sc *host.Scope) {
		f := t.open(t.volume(h, sc), "f", host.Create)
		const unit, each = 512, 8
		var fns []func(*host.Scope)
		for w := range 4 {
			fns = append(fns, func(*host.Scope) {
				for i := range each {
					t.writes(f, int64((i*4+w)*unit), pattern(unit, byte(w)))
				}
				t.Is(f.Sync(), nil, "Sync")
			})
		}
		tasks(h, sc, fns...)
		for i := range 4 * each {
			t.reads(f, int64(i*unit), pattern(unit, byte(i%4)))
		}
		t.Is(f.Close(), nil, "Close")
	}},
	{"memory is zero, aligned and private", func(t *T, h host.Host, _ *host.Scope) {
		for _, n := range []int{1, 4096, 100_000} {
			p, err := h.Disk().Memory(n)
			q, err2 := h.Disk().Memory(n)
			if !t.Is(err, nil, "Memory") || !t.Is(err2, nil, "Memory") {
				return
			}
			t.Check(len(p) == n && cap(p) == n, "asked for %d bytes, got %d of %d", n, len(p), cap(p))
			t.Check(bytes.Equal(p, make([]byte, n)), "memory is not zero")
			t.Check(uintptr(unsafe.Pointer(&p[0]))%4096 == 0, "memory is not page-aligned")
			p[n-1] = 7
			t.Check(q[n-1] == 0, "two pieces of memory overlap")
		}
	}},
}

// volume attaches the scenario's volume; there is nothing to test without one.
func (t *T) volume(h host.Host, sc *host.Scope) host.Volume {
	v, err := h.Disk().Volume(sc, "v0")
	if !t.Is(err, nil, "Volume") {
		panic("hosttest: no volume, so nothing to test: " + err.Error())
	}
	return v
}

func (t *T) open(v host.Volume, path string, flag host.Flag) host.File {
	f, err := v.Open(path, flag)
	if !t.Is(err, nil, "Open "+path) {
		panic("hosttest: no file, so nothing to test: " + err.Error())
	}
	return f
}

func (t *T) writes(f host.File, off int64, p []byte) {
	n, err := f.WriteAt(p, off)
	t.Check(n == len(p) && err == nil, "WriteAt %d bytes at %d: %d, %v", len(p), off, n, err)
}

// reads checks that the bytes at off are want. A read that comes up to the end may say EOF or not.
func (t *T) reads(f host.File, off int64, want []byte) {
	got := make([]byte, len(want))
	n, err := f.ReadAt(got, off)
	ok := n == len(got) && (err == nil || err == io.EOF)
	t.Check(ok, "ReadAt %d bytes at %d: %d, %v", len(got), off, n, err)
	t.Check(bytes.Equal(got, want), "other bytes at %d than were written: %.40q, want %.40q", off, got, want)
}

func (t *T) sized(f host.File, want int64) {
	size, err := f.Size()
	t.Check(err == nil && size == want, "Size: %d, %v, want %d", size, err, want)
}

func direct(t *T, h host.Host, sc *host.Scope) {
	v := t.volume(h, sc)
	f := t.open(v, "direct", host.Create|host.Direct)
	unit := f.Align()
	t.Check(unit >= 1 && 65536%unit == 0, "alignment %d is no power of two up to 64 KiB", unit)
	const page = 65536
	out, err := h.Disk().Memory(page)
	in, err2 := h.Disk().Memory(2 * page)
	if !t.Is(err, nil, "Memory") || !t.Is(err2, nil, "Memory") {
		return
	}
	copy(out, pattern(page, 3))
	t.writes(f, page, out)
	t.Is(f.Sync(), nil, "Sync")
	n, err := f.ReadAt(in[:page], page)
	t.Check(n == page && (err == nil || err == io.EOF), "ReadAt: %d, %v", n, err)
	t.Check(bytes.Equal(in[:page], out), "other bytes than were written")
	n, err = f.ReadAt(in, page)
	t.Check(n == page, "a read across the end got %d bytes, want %d", n, page)
	t.Is(err, io.EOF, "a read across the end")

	// A file may end anywhere: only requests are in units.
	t.Is(f.Resize(page+100), nil, "Resize")
	n, err = f.ReadAt(in[:page], page)
	t.Check(n == 100, "a read across an uneven end got %d bytes, want 100", n)
	t.Is(err, io.EOF, "a read across an uneven end")
	t.Check(bytes.Equal(in[:100], out[:100]), "other bytes than were written")
	t.Is(f.Close(), nil, "Close")

	buffered := t.open(v, "direct", host.ReadOnly) // sees what was written past the cache
	t.reads(buffered, page, out[:100])
	t.Is(buffered.Close(), nil, "Close")
}

// misuse are bugs of the caller: each must panic.
var misuse = []scenario{
	{"direct write at a misaligned offset", misaligned(func(f host.File, unit int, p []byte) (int, error) {
		return f.WriteAt(p[:unit], int64(unit/2))
	})},
	{"direct write of a misaligned length", misaligned(func(f host.File, unit int, p []byte) (int, error) {
		return f.WriteAt(p[:unit/2], 0)
	})},
	{"direct write from misaligned memory", misaligned(func(f host.File, unit int, p []byte) (int, error) {
		return f.WriteAt(p[1:unit+1], 0)
	})},
	{"direct read into misaligned memory", misaligned(func(f host.File, unit int, p []byte) (int, error) {
		return f.ReadAt(p[1:unit+1], 0)
	})},
	{"a queue without room", func(_ *T, h host.Host, _ *host.Scope) {
		var q host.Queue[int]
		q.Init(h, 0)
	}},
}

func misaligned(call func(f host.File, unit int, p []byte) (int, error)) func(*T, host.Host, *host.Scope) {
	return func(t *T, h host.Host, sc *host.Scope) {
		f := t.open(t.volume(h, sc), "direct", host.Create|host.Direct)
		unit := f.Align()
		if unit == 1 {
			panic("hosttest: this file system has no direct I/O, so nothing is misaligned")
		}
		p, err := h.Disk().Memory(2 * 65536)
		t.Is(err, nil, "Memory")
		n, err := call(f, unit, p)
		t.Errorf("the misaligned call returned %d, %v", n, err)
	}
}
