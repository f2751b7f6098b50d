package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/weirmq/weir/fault"
)

// unit is what a device reads and writes as a whole at the least.
func (h *fileHandle) unit() int64 { return int64(max(h.align, h.inc.w.cfg.Disk.Sector)) }

// elsewhere draws another place in the file for n bytes meant for off; false if the file has none.
func (h *fileHandle) elsewhere(rng *rand.Rand, off, n int64) (int64, bool) {
	u := h.unit()
	last := (h.f.size - n) / u // units at which n bytes fit into the file
	if h.f.size < n || last == 0 {
		return 0, false
	}
	at := rng.Int64N(last+1) * u
	if at == off {
		at = (at + u) % ((last + 1) * u)
	}
	return at, at != off
}

// strikeRead lets faults strike a read of n bytes. It returns where the bytes come from and how many of them do.
func (h *fileHandle) strikeRead(off int64, n int) (from int64, short int, err error) {
	w, t, r := h.inc.w, &h.at.target, h.inc.m.rates
	if w.hit(t, r, fault.ReadError) != nil {
		return 0, 0, h.failed(OpRead, off, "")
	}
	if n == 0 {
		return off, 0, nil
	}
	from, short = off, n
	u := h.unit()
	if int64(n) > u {
		if s := w.hit(t, r, fault.ShortRead); s != nil {
			short = int(s.Rand().Int64N(int64(n)/u) * u)
		}
	}
	if h.f.size > int64(n) {
		if s := w.strike(t, r, fault.MisdirectRead); s != nil {
			if at, ok := h.elsewhere(s.Rand(), off, int64(n)); ok {
				from = at
				w.fire(t, s)
			}
		}
	}
	if s := w.strike(t, r, fault.BitRot); s != nil {
		rng := s.Rand()
		at := off + rng.Int64N(int64(n))
		if w.spare(h.v, h.f.path, at, 1) {
			h.f.flip(at, 1<<rng.IntN(8))
			w.fire(t, s)
		}
	}
	return from, short, nil
}

// strikeWrite returns the fault that strikes a write of n bytes, nil for none.
func (h *fileHandle) strikeWrite(off int64, n int) *fault.Step {
	w, t, r := h.inc.w, &h.at.target, h.inc.m.rates
	if s := w.hit(t, r, fault.WriteError); s != nil {
		return s
	}
	if int64(n) > h.unit() {
		if s := w.hit(t, r, fault.ShortWrite); s != nil {
			return s
		}
	}
	if off+int64(n) > h.f.size {
		return nil
	}
	s := w.strike(t, r, fault.MisdirectWrite)
	if s == nil {
		return nil
	}
	to, ok := h.elsewhere(s.Rand(), off, int64(n))
	if !ok || !w.spare(h.v, h.f.path, off, int64(n)) || !w.spare(h.v, h.f.path, to, int64(n)) {
		return nil
	}
	w.fire(t, s)
	return s
}

// spoilWrite carries out a write that a fault struck.
func (h *fileHandle) spoilWrite(k uint64, s *fault.Step, p []byte, off int64) (int, error) {
	rng := s.Rand()
	n := len(p)
	switch s.Kind {
	case fault.WriteError:
		n = rng.IntN(len(p) + 1)
	case fault.ShortWrite:
		n = int(rng.Int64N(int64(len(p))/h.unit()) * h.unit())
	}
	c := h.change(p[:n], off)
	if s.Kind == fault.MisdirectWrite {
		c.off, _ = h.elsewhere(rng, off, int64(len(p)))
		c.astray = true
	}
	h.inc.delay(h.at, h.inc.w.cfg.Disk.Write, OpWrite, h.f.path)
	if err := h.usable(OpWrite); err != nil {
		return 0, err
	}
	if n > 0 {
		h.f.add(c)
		h.f.settleChange(c)
	}
	h.end(k, OpWrite, c.off, p[:n])
	switch s.Kind {
	case fault.WriteError:
		return 0, h.failed(OpWrite, off, "")
	case fault.ShortWrite:
		return n, h.failed(OpWrite, off, fmt.Sprintf("only %d of %d bytes went: ", n, len(p)))
	}
	return len(p), nil
}

// bootFaults strikes the volumes of a machine that is about to start: what happens to a disk while nobody looks.
func (m *Machine) bootFaults() {
	w := m.w
	for i := range m.mounts {
		at := m.mounts[i]
		t := &at.target
		if at.shared() && at.v.heldElsewhere(m) {
			continue
		}
		for _, k := range [...]fault.Kind{
			fault.Wipe, fault.SwapVolumes, fault.FileMissing, fault.Truncated, fault.StaleChunk,
		} {
			if s := w.strike(t, m.rates, k); s != nil && m.spoil(at, s) {
				w.fire(t, s)
			}
		}
	}
}

// spoil damages a volume as s says, and tells whether it could.
func (m *Machine) spoil(at *mount, s *fault.Step) bool {
	v, rng := at.v, s.Rand()
	switch s.Kind {
	case fault.Wipe:
		if v.used == 0 || !m.w.spare(v, "", 0, v.used) {
			return false
		}
		m.Wipe(at.name)
		return true
	case fault.SwapVolumes:
		return m.swap(at, rng)
	}
	f, name, dir := v.anyFile(rng)
	if f == nil {
		return false
	}
	switch s.Kind {
	case fault.FileMissing:
		if !m.w.spare(v, f.path, 0, f.size) {
			return false
		}
		dir.change(&naming{name: name})
		v.release(f)
		dir.syncNames(len(dir.dir.pending))
		return true
	case fault.Truncated:
		size := rng.Int64N(f.size)
		if !m.w.spare(v, f.path, size, f.size-size) {
			return false
		}
		f.resize(size)
		f.commit()
		return true
	}
	return f.restore(rng)
}

// swap exchanges the volume with another one: of the same machine, or of one that is down too.
func (m *Machine) swap(at *mount, rng *rand.Rand) bool {
	if at.shared() {
		return false
	}
	var others []*mount
	for _, x := range m.w.machines {
		if x != m && (x.Alive() || x.inc == nil) {
			continue
		}
		for _, o := range x.mounts {
			if o != at && !o.shared() {
				others = append(others, o)
			}
		}
	}
	if len(others) == 0 {
		return false
	}
	o := others[rng.IntN(len(others))]
	if !m.w.spare(at.v, "", 0, at.v.used) || !m.w.spare(o.v, "", 0, o.v.used) {
		return false
	}
	for _, x := range [...]*mount{at, o} { // what is only in the kernel's cache does not travel
		x.v.settle(x.m, castLot(LoseUnsynced, rng))
	}
	at.v, o.v = o.v, at.v
	return true
}

// anyFile draws a file that is not empty, of those that are there, and returns its name and directory.
func (v *Volume) anyFile(rng *rand.Rand) (f *inode, name string, dir *inode) {
	var paths []string
	for _, path := range v.Files() {
		if f, err := v.find(path); err == nil && f.size > 0 {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil, "", nil
	}
	path := paths[rng.IntN(len(paths))]
	f, _ = v.find(path)
	dir, name, _ = v.parent(path, nil)
	return f, name, dir
}

// Overwrite changes bytes of the file at path from outside the world, as another machine that has the volume does:
// at once, durable, and seen by everybody. It extends no file, and reports whether the range is there.
func (v *Volume) Overwrite(path string, off int64, bytes []byte) bool {
	f, err := v.find(path)
	if err != nil || f.dir != nil || off < 0 || off+int64(len(bytes)) > f.size {
		return false
	}
	for _, c := range f.pending {
		for i := range c.data {
			if at := c.off + int64(i); at >= off && at < off+int64(len(bytes)) {
				c.data[i] = bytes[at-off]
			}
		}
	}
	for i, b := range bytes {
		at := off + int64(i)
		if s := f.cur.slot(at / pageSize); s != nil && s.base != nil {
			s.base[at%pageSize] = b
		}
	}
	f.cur.write(off, bytes, func(int64) {})
	v.w.note(KindDisk, f.id, uint64(OpWrite)<<56|uint64(off), checksum(bytes))
	return true
}
