package fault

import (
	"fmt"
	"io"
	"sync/atomic"
	"unsafe"

	"github.com/weirmq/weir/host"
)

// file is a host.File under the plan.
type file struct {
	host.File
	v        *volume
	i        *Injector
	name     string
	readOnly bool
	align    int
	dead     atomic.Bool // a sync was made to fail: every later call fails
	unsynced unsynced
}

// usable fails after a sync that failed.
func (f *file) usable(what string) error {
	if f.dead.Load() {
		return fmt.Errorf("fault: %s %s/%s after a failed sync: %w", what, f.v.target, f.name, host.ErrIO)
	}
	return nil
}

// begin is what every call on the file meets first. It does not build the place's name unless it is told.
func (f *file) begin(what string) error {
	if err := f.usable(what); err != nil {
		return err
	}
	if f.i.absent[DiskSlow] && f.i.absent[DiskStall] {
		return nil
	}
	return f.v.call(what, f.name)
}

// place is where a call strikes, for people.
func (f *file) place(what string, off int64, n int) string {
	return fmt.Sprintf("%s %s, %d bytes at %d", what, f.name, n, off)
}

// struck counts an opportunity of the call.
func (f *file) struck(kind Kind, what string, off int64, n int) (Step, bool) {
	if f.i.absent[kind] {
		return Step{}, false
	}
	return f.i.strikes(f.v.target, kind, f.place(what, off, n))
}

// ReadAt implements host.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin("read"); err != nil {
		return 0, err
	}
	if _, ok := f.struck(ReadError, "read", off, len(p)); ok {
		return 0, f.v.injected(ReadError, "read", f.name, host.ErrIO)
	}
	if n := len(p) / f.align; n > 1 {
		if s, ok := f.struck(ShortRead, "read", off, len(p)); ok {
			short, err := f.File.ReadAt(p[:(1+s.Rand().IntN(n-1))*f.align], off)
			if err == nil {
				err = fmt.Errorf("fault: read %s/%s: injected %s: %w", f.v.target, f.name, ShortRead, io.ErrUnexpectedEOF)
			}
			return short, err
		}
	}
	if !f.i.absent[MisdirectRead] {
		off = f.elsewhere(MisdirectRead, "read", off, len(p))
	}
	if !f.i.absent[BitRot] {
		f.rot(off, len(p))
	}
	return f.File.ReadAt(p, off)
}

// WriteAt implements host.File.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if err := f.begin("write"); err != nil {
		return 0, err
	}
	if _, ok := f.struck(NoSpace, "write", off, len(p)); ok {
		return 0, f.v.injected(NoSpace, "write", f.name, host.ErrNoSpace)
	}
	units := len(p) / f.align
	if s, ok := f.struck(WriteError, "write", off, len(p)); ok {
		if n := s.Rand().IntN(units+1) * f.align; n > 0 {
			_, _ = f.put(p[:n], off) // it fails either way
		}
		return 0, f.v.injected(WriteError, "write", f.name, host.ErrIO)
	}
	if units > 1 {
		if s, ok := f.struck(ShortWrite, "write", off, len(p)); ok {
			n, err := f.put(p[:(1+s.Rand().IntN(units-1))*f.align], off)
			if err == nil {
				err = fmt.Errorf("fault: write %s/%s: injected %s: %w", f.v.target, f.name, ShortWrite, io.ErrShortWrite)
			}
			return n, err
		}
	}
	if !f.i.absent[MisdirectWrite] {
		off = f.elsewhere(MisdirectWrite, "write", off, len(p))
	}
	return f.put(p, off)
}

// put writes and remembers what was there, in case the next sync fails.
func (f *file) put(p []byte, off int64) (int, error) {
	f.unsynced.note(off, len(p))
	return f.File.WriteAt(p, off)
}

// elsewhere returns the offset at which the call ends up: another place in the file when a step strikes.
func (f *file) elsewhere(kind Kind, what string, off int64, n int) int64 {
	size, err := f.File.Size()
	room := (size - int64(n)) / int64(f.align)
	if err != nil || n == 0 || room < 1 {
		return off // there is no other place
	}
	s, ok := f.struck(kind, what, off, n)
	if !ok {
		return off
	}
	to := s.Rand().Int64N(room+1) * int64(f.align)
	if to == off {
		to = (to + int64(f.align)) % ((room + 1) * int64(f.align))
	}
	return to
}

// rot flips a bit of the range for good when a step strikes. Only bytes that are there rot.
func (f *file) rot(off int64, n int) {
	size, err := f.File.Size()
	n = int(min(int64(n), size-off))
	if err != nil || off < 0 || n < 1 {
		return
	}
	s, ok := f.struck(BitRot, "read", off, n)
	if !ok {
		return
	}
	r := s.Rand()
	at, bit := off+r.Int64N(int64(n)), byte(1)<<r.IntN(8)
	if err := f.flip(at, bit); err != nil {
		f.i.h.Log().Warn("the bit did not rot", "target", f.v.target, "file", f.name, "error", err.Error())
	}
}

func (f *file) flip(at int64, bit byte) error {
	to := f.File
	if f.readOnly {
		var err error
		if to, err = f.v.Volume.Open(f.name, 0); err != nil {
			return err
		}
		defer to.Close()
	}
	unit := int64(to.Align())
	p := aligned(int(unit), int(unit))
	n, err := to.ReadAt(p, at/unit*unit)
	if int64(n) <= at%unit {
		return err
	}
	p[at%unit] ^= bit
	_, err = to.WriteAt(p, at/unit*unit)
	return err
}

// aligned returns n bytes fit for direct I/O.
func aligned(n, align int) []byte {
	p := make([]byte, n+align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) & (align - 1)
	return p[skip : skip+n : skip+n]
}

// Sync implements host.File.
func (f *file) Sync() error {
	if err := f.begin("sync"); err != nil {
		return err
	}
	covered := f.unsynced.mark()
	if s, ok := f.i.strikes(f.v.target, SyncError, "sync "+f.name); ok {
		f.dead.Store(true)
		f.unsynced.lose(s.Rand(), covered)
		return fmt.Errorf("fault: sync %s/%s: injected %s, what was unsynced is kept or lost at random: %w",
			f.v.target, f.name, SyncError, host.ErrIO)
	}
	err := f.File.Sync()
	if err == nil {
		f.unsynced.forget(covered)
	}
	return err
}

// Resize implements host.File.
func (f *file) Resize(size int64) error {
	if err := f.begin("resize"); err != nil {
		return err
	}
	if now, err := f.File.Size(); err == nil && size > now {
		if err := f.v.fails(NoSpace, "resize", f.name, host.ErrNoSpace); err != nil {
			return err
		}
	}
	return f.File.Resize(size)
}

// Size implements host.File.
func (f *file) Size() (int64, error) {
	if err := f.usable("ask for the size of"); err != nil {
		return 0, err
	}
	return f.File.Size()
}

// Close implements host.File. It closes in any case.
func (f *file) Close() error {
	err := f.File.Close()
	if err == nil {
		err = f.usable("close")
	}
	return err
}
