package sim

import (
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/weirmq/weir/host"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileHandle is an open host.File of one incarnation.
type fileHandle struct {
	inc      *incarnation
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
	k, err := h.inc.begin(op, h.v.name+":"+h.f.path, off, n)
	if err != nil {
		return 0, err
	}
	return k, h.usable(op)
}

func (h *fileHandle) usable(op Op) error {
	if h.dead != nil {
		return fmt.Errorf("%s %s:%s: %w", op, h.v.name, h.f.path, h.dead)
	}
	if h.v.detached(h.inc) {
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

func (h *fileHandle) checkAlign(p []byte, off int64) {
	a := h.align
	if a > 1 && (off%int64(a) != 0 || len(p)%a != 0 || address(p)%uintptr(a) != 0) {
		panic(fmt.Sprintf("sim: misaligned direct I/O on %s: offset %d, length %d, memory at %d, all modulo %d",
			h.f.path, off%int64(a), len(p)%a, address(p)%uintptr(a), a))
	}
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
	w := h.inc.w
	h.inc.delay(w.cfg.Disk.Read, "disk read")
	if err := h.usable(OpRead); err != nil {
		return 0, err
	}
	n := int(max(0, min(int64(len(p)), h.f.size-off)))
	if w.hit(h.inc.m, FaultReadError) {
		return 0, fmt.Errorf("read %s:%s at %d: %w", h.v.name, h.f.path, off, host.ErrIO)
	}
	if n > 0 && w.hit(h.inc.m, FaultBitFlip) {
		h.f.flip(off+w.disk.Int64N(int64(n)), 1<<w.disk.IntN(8))
	}
	h.f.cur.read(off, p[:n])
	h.end(k, OpRead, off, p[:n])
	if n < len(p) {
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
	bytes := append([]byte(nil), p...)
	if h.inc.w.hit(h.inc.m, FaultWriteError) {
		return h.failWrite(bytes, off)
	}
	s := h.claim(off, off+int64(len(p)))
	c := &change{inc: h.inc, off: off, data: bytes}
	h.f.add(c)
	h.wait(s)
	if err := h.usable(OpWrite); err != nil {
		return 0, err
	}
	c.settled = true
	h.end(k, OpWrite, off, bytes)
	return len(p), nil
}

// wait lets a write take its time and gives its range back, also when the task is unwound.
func (h *fileHandle) wait(s span) {
	defer h.unclaim(s)
	h.inc.delay(h.inc.w.cfg.Disk.Write, "disk write")
}

// failWrite applies a part of a write and fails it.
func (h *fileHandle) failWrite(p []byte, off int64) (int, error) {
	w := h.inc.w
	h.inc.delay(w.cfg.Disk.Write, "disk write")
	if n := w.disk.IntN(len(p) + 1); n > 0 {
		h.f.add(&change{inc: h.inc, off: off, data: p[:n], settled: true})
	}
	return 0, fmt.Errorf("write %s:%s at %d: %w", h.v.name, h.f.path, off, host.ErrIO)
}

func (h *fileHandle) roomFor(off, n int64) error {
	need := h.f.cur.missing(off, n)
	if need > 0 && (h.v.used+need > h.v.capacity || h.inc.w.hit(h.inc.m, FaultNoSpace)) {
		return fmt.Errorf("write %s:%s at %d: %w", h.v.name, h.f.path, off, host.ErrNoSpace)
	}
	return nil
}

// claim asserts that no other write to the file is under way in [off, end).
func (h *fileHandle) claim(off, end int64) span {
	for _, s := range h.f.writing {
		if off < s.end && s.off < end {
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
	covered := make(map[*change]bool, len(h.f.pending))
	for _, c := range h.f.pending {
		if c.settled {
			covered[c] = true
		}
	}
	w := h.inc.w
	h.inc.delay(w.cfg.Disk.Sync, "disk sync")
	if err := h.usable(OpSync); err != nil {
		return err
	}
	if w.hit(h.inc.m, FaultSyncError) {
		h.failSync(covered)
	}
	if h.failures != h.f.failures {
		h.failures = h.f.failures
		h.dead = host.ErrIO
		return fmt.Errorf("sync %s:%s: unsynced writes are lost: %w", h.v.name, h.f.path, host.ErrIO)
	}
	h.f.makeDurable(covered)
	h.end(k, OpSync, 0, nil)
	return nil
}

// failSync does what Linux does: what was unsynced is written back in part, the pages are marked clean
// and dropped, and whoever has the file open hears of it once.
func (h *fileHandle) failSync(covered map[*change]bool) {
	w := h.inc.w
	l := w.castLot(h.inc.m, MixUnsynced)
	sector := int64(w.cfg.Disk.Sector)
	h.f.settle(func(c *change) bool { return covered[c] }, func(c *change) *mask { return l.mask(c, sector) })
	h.f.failures++
}

// makeDurable settles the covered changes and shows them to the observer.
func (f *inode) makeDurable(covered map[*change]bool) {
	changes := f.pending
	if !slices.ContainsFunc(changes, func(c *change) bool { return !covered[c] }) {
		f.commit()
	} else {
		f.settle(func(c *change) bool { return covered[c] }, func(*change) *mask { return &mask{all: true} })
	}
	if f.v.w.cfg.OnSynced == nil {
		return
	}
	for _, c := range changes {
		if covered[c] && c.data != nil {
			f.v.w.cfg.OnSynced(f.v, f.path, c.off, c.data)
		}
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
	h.inc.delay(h.inc.w.cfg.Disk.Write, "disk resize")
	if err := h.usable(OpResize); err != nil {
		return err
	}
	h.f.add(&change{inc: h.inc, size: size, settled: true})
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
