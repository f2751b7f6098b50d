package sim

import (
	"math/rand/v2"

	"github.com/weirmq/weir/fault"
)

// inode is a file or a directory of a volume. What a reader sees is cur and size; what a power loss that
// loses everything would leave is what was saved over cur, and baseSize.
type inode struct {
	v    *Volume
	id   uint64
	path string // the last name it was given, for reports
	dir  *directory

	links  int   // names a reader sees
	orphan int64 // bytes of pages while there is none: they count for no volume

	cur      pages
	size     int64
	touched  []int64 // pages that are saved, in the order they were
	baseSize int64
	pending  []*change // not durable, in the order they were made
	dirty    bool      // listed in v.dirty
	settles  uint64    // changes whose calls have returned so far
	failures int       // failed syncs so far: handles opened before one see it
	writing  []span    // ranges of writes under way
}

// change is one unsynced write or resize.
type change struct {
	inc     *incarnation // who made it; nil = its process is dead and it is in the kernel's cache
	m       *Machine     // whose loss of power loses it
	off     int64
	data    []byte // nil = resize
	size    int64  // of a resize
	settled uint64 // ordinal in the file of the call's return, 0 = under way: a sync that begins later covers it
	astray  bool   // it did not land where it was sent: nobody is told that it is durable
}

// covered reports whether a sync that began when upTo calls had returned covers c.
func (c *change) covered(upTo uint64) bool { return c.settled != 0 && c.settled <= upTo }

// settleChange marks that the call which made c has returned.
func (f *inode) settleChange(c *change) {
	if c.settled == 0 {
		f.settles++
		c.settled = f.settles
	}
}

func (v *Volume) newInode(path string, dir bool) *inode {
	v.w.inodeIDs++
	f := &inode{v: v, id: v.w.inodeIDs, path: path, cur: pages{used: &v.used, pool: &v.w.pool}}
	if dir {
		f.dir = newDirectory()
	}
	return f
}

// add applies c to the content and keeps it pending.
func (f *inode) add(c *change) {
	f.v.mark(f)
	f.pending = append(f.pending, c)
	f.apply(c, nil)
}

// save keeps page i as it is durable, before it changes.
func (f *inode) save(i int64) {
	s := f.cur.need(i)
	if s.saved {
		return
	}
	s.saved, s.base = true, s.cur
	f.touched = append(f.touched, i)
	if s.base != nil {
		s.cur = f.cur.pool.page()
		*s.cur = *s.base
	}
}

// mark lists f as one a crash must look at. Files that were synced since are dropped now and then.
func (v *Volume) mark(f *inode) {
	if f.dirty {
		return
	}
	f.dirty = true
	v.dirty = append(v.dirty, f)
	if len(v.dirty) < v.sweepAt {
		return
	}
	kept := v.dirty[:0]
	for _, x := range v.dirty {
		x.dirty = x == f || len(x.pending) > 0 || x.dir != nil && len(x.dir.pending) > 0
		if x.dirty {
			kept = append(kept, x)
		}
	}
	clear(v.dirty[len(kept):])
	v.dirty, v.sweepAt = kept, max(64, 2*len(kept))
}

// apply makes c's effect, restricted to the parts the mask keeps (nil = all of it).
func (f *inode) apply(c *change, m *mask) {
	if c.data == nil {
		if m == nil || m.all {
			f.resize(c.size)
		}
		return
	}
	if m == nil || m.all {
		f.cur.write(c.off, c.data, f.save)
		f.size = max(f.size, c.off+int64(len(c.data)))
		return
	}
	for _, part := range m.parts {
		f.cur.write(part.off, c.data[part.off-c.off:part.end-c.off], f.save)
		f.size = max(f.size, part.end)
	}
}

func (f *inode) resize(size int64) {
	if size < f.size {
		last := (f.size - 1) / pageSize
		for i := (size + pageSize - 1) / pageSize; i <= last; i++ {
			if f.cur.get(i) != nil {
				f.save(i)
				f.cur.pool.freePage(f.cur.get(i))
				f.cur.set(i, nil)
			}
		}
		if tail := size % pageSize; tail != 0 && f.cur.get(size/pageSize) != nil {
			f.save(size / pageSize)
			clear(f.cur.get(size / pageSize)[tail:])
		}
	}
	f.size = size
}

// settle decides the fate of the pending changes that chosen picks: the parts their mask keeps become
// durable, the rest never happened. The others stay pending, on top.
func (f *inode) settle(chosen func(*change) bool, fate func(*change) *mask) {
	before := f.pending
	f.revert()
	var later []*change
	for _, c := range before {
		if !chosen(c) {
			later = append(later, c)
			continue
		}
		f.apply(c, fate(c))
	}
	f.commit()
	for _, c := range later {
		f.add(c)
	}
}

// revert returns the content to what is durable.
func (f *inode) revert() {
	for _, i := range f.touched {
		s := f.cur.slot(i)
		gone := s.cur
		f.cur.set(i, s.base)
		s.saved, s.base = false, nil
		f.cur.pool.freePage(gone)
	}
	f.touched, f.size, f.pending = f.touched[:0], f.baseSize, nil
}

// commit makes the content as it is now durable.
func (f *inode) commit() {
	keep := f.v.w.keepsOlder()
	for _, i := range f.touched {
		s := f.cur.slot(i)
		gone := s.base
		if keep {
			if gone = s.older; s.base == nil {
				s.base = new(page)
			}
			s.older = s.base
		}
		s.saved, s.base = false, nil
		f.cur.pool.freePage(gone)
	}
	f.touched, f.baseSize, f.pending = f.touched[:0], f.size, nil
}

// keepsOlder reports whether a stale chunk may be wanted.
func (w *World) keepsOlder() bool {
	return w.rates[fault.StaleChunk] > 0 || w.planned[fault.StaleChunk]
}

// restore returns up to 8 pages in a row, drawn, to what was durable before what is durable now; false if there are
// none that differ, or they may not be damaged.
func (f *inode) restore(rng *rand.Rand) bool {
	var pages []int64
	for i := int64(0); i*pageSize < f.size; i++ {
		if s := f.cur.slot(i); s != nil && !s.saved && s.older != nil && s.cur != nil && *s.cur != *s.older {
			pages = append(pages, i)
		}
	}
	if len(pages) == 0 {
		return false
	}
	from := rng.IntN(len(pages))
	n, most := 1, 1+rng.IntN(8)
	for n < most && from+n < len(pages) && pages[from+n] == pages[from]+int64(n) {
		n++
	}
	if !f.v.w.spare(f.v, f.path, pages[from]*pageSize, int64(n)*pageSize) {
		return false
	}
	for _, i := range pages[from : from+n] {
		*f.cur.get(i) = *f.cur.slot(i).older
	}
	return true
}

// durable returns what a power loss that loses everything would leave.
func (f *inode) durable() []byte {
	out := make([]byte, f.baseSize)
	f.cur.read(0, out)
	for _, i := range f.touched {
		if i*pageSize >= f.baseSize {
			continue
		}
		if x := f.cur.slot(i).base; x != nil {
			copy(out[i*pageSize:], x[:])
		} else {
			clear(out[i*pageSize : min(f.baseSize, (i+1)*pageSize)])
		}
	}
	return out
}

// mask is the part of a change that survives.
type mask struct {
	all   bool
	parts []span
}

type span struct{ off, end int64 }

func (m *mask) add(off, end int64) {
	if n := len(m.parts); n > 0 && m.parts[n-1].end == off {
		m.parts[n-1].end = end
		return
	}
	m.parts = append(m.parts, span{off, end})
}
