package sim

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileHandle is an open host.File of one incarnation.
type fileHandle struct {
	inc      *incarnation
	at       *mount
	v        *Volume
	f        *inode
	align    int
	readOnly bool
	failures int   // f.failures as far as this handle has seen them
	dead     error // set by Close, by a failed sync and by a kill
}

var _ host.File = (*fileHandle)(nil)

// begin starts one call on the file.
func (h *fileHandle) begin(op Op, off, n int64) (uint64, error) {
	k, err := h.inc.begin(op, h.v.name, h.f.path, off, n)
	if err != nil {
		return 0, err
	}
	return k, h.usable(op)
}

func (h *fileHandle) usable(op Op) error {
	if h.dead != nil {
		return fmt.Errorf("%s %s:%s: %w", op, h.v.name, h.f.path, h.dead)
	}
	if h.at.gone {
		return fmt.Errorf("%s %s:%s: volume is detached: %w", op, h.v.name, h.f.path, host.ErrIO)
	}
	return nil
}

// end hashes the call and ends it.
func (h *fileHandle) end(k uint64, op Op, off int64, p []byte) {
	sum := uint64(crc32.Checksum(p, castagnoli))
	h.inc.w.note(KindDisk, h.inc.m.id<<32|h.f.id, uint64(op)<<56|uint64(off), sum<<32|uint64(len(p)))
	h.inc.finish(k)
}

// checkAlign refuses direct I/O that a real device would.
func (h *fileHandle) checkAlign(p []byte, off int64) {
	a := h.align
	if a > 1 && (off%int64(a) != 0 || len(p)%a != 0 || address(p)%uintptr(a) != 0) {
		h.inc.w.CountFault(fault.Misaligned)
		panic(fmt.Sprintf("sim: misaligned direct I/O on %s: offset %d, length %d, memory at %d, all modulo %d",
			h.f.path, off%int64(a), len(p)%a, address(p)%uintptr(a), a))
	}
}

// failed is the error of a call that a fault struck.
func (h *fileHandle) failed(op Op, off int64, what string) error {
	return fmt.Errorf("%s %s:%s at %d: %s%w", op, h.v.name, h.f.path, off, what, host.ErrIO)
}

// ReadAt implements io.ReaderAt.
func (h *fileHandle) ReadAt(p []byte, off int64) (int, error) {
	k, err := h.begin(OpRead, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("read %s at %d: negative offset", h.f.path, off)
	}
	h.checkAlign(p, off)
	h.inc.delay(h.at, h.inc.w.cfg.Disk.Read, OpRead, h.f.path)
	if err := h.usable(OpRead); err != nil {
		return 0, err
	}
	n := int(max(0, min(int64(len(p)), h.f.size-off)))
	from, short, err := h.strikeRead(off, n)
	if err != nil {
		return 0, err
	}
	h.f.cur.read(from, p[:short])
	h.end(k, OpRead, off, p[:short])
	switch {
	case short < n:
		return short, h.failed(OpRead, off, fmt.Sprintf("only %d of %d bytes came: ", short, n))
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt. From the call on a crash may keep any part of the bytes; a reader sees
// them at once.
func (h *fileHandle) WriteAt(p []byte, off int64) (int, error) {
	k, err := h.begin(OpWrite, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	if h.readOnly || off < 0 {
		return 0, fmt.Errorf("write %s at %d: opened for reading only, or negative offset", h.f.path, off)
	}
	h.checkAlign(p, off)
	if len(p) == 0 {
		return 0, nil
	}
	if err := h.roomFor(off, int64(len(p))); err != nil {
		return 0, err
	}
	if s := h.strikeWrite(off, len(p)); s != nil {
		return h.spoilWrite(k, s, p, off)
	}
	s := h.claim(off, off+int64(len(p)))
	c := h.change(p, off)
	h.f.add(c)
	h.wait(s)
	if err := h.usable(OpWrite); err != nil {
		return 0, err
	}
	h.f.settleChange(c)
	h.end(k, OpWrite, off, p)
	return len(p), nil
}

// change is a write of a copy of p.
func (h *fileHandle) change(p []byte, off int64) *change {
	c := h.f.cur.pool.write(p)
	c.inc, c.m, c.off = h.inc, h.inc.m, off
	return c
}

// wait lets a write take its time and gives its range back, also when the task is unwound.
func (h *fileHandle) wait(s span) {
	defer h.unclaim(s)
	h.inc.delay(h.at, h.inc.w.cfg.Disk.Write, OpWrite, h.f.path)
}

func (h *fileHandle) roomFor(off, n int64) error {
	need := h.f.cur.missing(off, n)
	if need > 0 && (h.v.used+need > h.v.capacity || h.inc.w.hit(&h.at.target, h.inc.m.rates, fault.NoSpace) != nil) {
		return fmt.Errorf("write %s:%s at %d: %w", h.v.name, h.f.path, off, host.ErrNoSpace)
	}
	return nil
}

// claim asserts that no other write to the file is under way in [off, end).
func (h *fileHandle) claim(off, end int64) span {
	for _, s := range h.f.writing {
		if off < s.end && s.off < end {
			h.inc.w.CountFault(fault.Misaligned)
			h.inc.w.current.fatal(fmt.Errorf("%s: %w: %s:%s [%d,%d) while [%d,%d) is being written",
				h.inc.w.current, ErrOverlap, h.v.name, h.f.path, off, end, s.off, s.end))
		}
	}
	s := span{off, end}
	h.f.writing = append(h.f.writing, s)
	return s
}

func (h *fileHandle) unclaim(s span) {
	for i, x := range h.f.writing {
		if x == s {
			last := len(h.f.writing) - 1
			h.f.writing[i] = h.f.writing[last]
			h.f.writing = h.f.writing[:last]
			return
		}
	}
}

// Sync implements host.File: fdatasync.
func (h *fileHandle) Sync() error {
	k, err := h.begin(OpSync, 0, 0)
	if err != nil {
		return err
	}
	upTo := h.f.settles
	w := h.inc.w
	h.inc.delay(h.at, w.cfg.Disk.Sync, OpSync, h.f.path)
	if err := h.usable(OpSync); err != nil {
		return err
	}
	if s := w.hit(&h.at.target, h.inc.m.rates, fault.SyncError); s != nil {
		h.failSync(s, upTo)
	}
	if h.failures != h.f.failures {
		h.failures = h.f.failures
		h.dead = host.ErrIO
		return fmt.Errorf("sync %s:%s: unsynced writes are lost: %w", h.v.name, h.f.path, host.ErrIO)
	}
	h.f.makeDurable(upTo)
	h.end(k, OpSync, 0, nil)
	return nil
}

// failSync does what Linux does: what was unsynced is written back in part, the pages are marked clean
// and dropped, and whoever has the file open hears of it once.
func (h *fileHandle) failSync(step *fault.Step, upTo uint64) {
	l := castLot(MixUnsynced, step.Rand())
	sector := int64(h.inc.w.cfg.Disk.Sector)
	h.f.settle(
		func(c *change) bool { return c.covered(upTo) },
		func(c *change) *mask { return l.mask(c, sector) })
	h.f.failures++
}

// makeDurable settles the changes whose calls had returned when the sync began, and shows them to the observer.
func (f *inode) makeDurable(upTo uint64) {
	changes, all := f.pending, true
	for _, c := range changes {
		all = all && c.covered(upTo)
	}
	if all {
		f.commit()
	} else {
		f.settle(func(c *change) bool { return c.covered(upTo) }, func(*change) *mask { return &mask{all: true} })
	}
	for _, c := range changes {
		if !c.covered(upTo) {
			continue
		}
		if c.data != nil && !c.astray && f.v.w.cfg.OnSynced != nil {
			f.v.w.cfg.OnSynced(f.v, f.path, c.off, c.data)
		}
		f.cur.pool.free(c)
	}
}

// Resize implements host.File.
func (h *fileHandle) Resize(size int64) error {
	k, err := h.begin(OpResize, size, 0)
	if err != nil {
		return err
	}
	if h.readOnly || size < 0 {
		return fmt.Errorf("resize %s to %d: opened for reading only, or negative size", h.f.path, size)
	}
	h.inc.delay(h.at, h.inc.w.cfg.Disk.Write, OpResize, h.f.path)
	if err := h.usable(OpResize); err != nil {
		return err
	}
	if size > h.f.size && h.inc.w.hit(&h.at.target, h.inc.m.rates, fault.NoSpace) != nil {
		return fmt.Errorf("resize %s:%s to %d: %w", h.v.name, h.f.path, size, host.ErrNoSpace)
	}
	c := &change{inc: h.inc, m: h.inc.m, size: size}
	h.f.add(c)
	h.f.settleChange(c)
	h.end(k, OpResize, size, nil)
	return nil
}

// Size implements host.File.
func (h *fileHandle) Size() (int64, error) {
	if err := h.inc.gate(); err != nil {
		return 0, err
	}
	return h.f.size, h.usable(OpRead)
}

// Align implements host.File.
func (h *fileHandle) Align() int { return h.align }

// Close implements io.Closer. It makes nothing durable.
func (h *fileHandle) Close() error {
	if err := h.inc.gate(); err != nil {
		return err
	}
	if h.dead == host.ErrClosed {
		return h.usable(OpOpen)
	}
	h.dead = host.ErrClosed
	for i, x := range h.inc.handles {
		if x == h {
			last := len(h.inc.handles) - 1
			h.inc.handles[i] = h.inc.handles[last]
			h.inc.handles = h.inc.handles[:last]
			break
		}
	}
	return nil
}
