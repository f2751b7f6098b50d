package sim

import "math/bits"

const pageSize = 4096

type page = [pageSize]byte

// slot is one page of a file. A missing page reads as zero.
type slot struct {
	cur   *page // as a reader sees it
	base  *page // as it is durable, if saved; nil = it did not exist
	older *page // as it was durable before that, if the world keeps it for fault.StaleChunk
	saved bool  // cur has changed since it was durable
}

const chunkSlots = 256

// pages is a sparse array of bytes.
type pages struct {
	chunks []*[chunkSlots]slot
	count  int64     // pages that exist
	used   *int64    // bytes allocated on the volume
	pool   *diskPool //
}

// slot returns the slot of page i, nil if nothing near it was ever written.
func (p *pages) slot(i int64) *slot {
	if c := i / chunkSlots; c < int64(len(p.chunks)) && p.chunks[c] != nil {
		return &p.chunks[c][i%chunkSlots]
	}
	return nil
}

// need is slot, made when missing.
func (p *pages) need(i int64) *slot {
	c := i / chunkSlots
	for c >= int64(len(p.chunks)) {
		p.chunks = append(p.chunks, nil)
	}
	if p.chunks[c] == nil {
		p.chunks[c] = new([chunkSlots]slot)
	}
	return &p.chunks[c][i%chunkSlots]
}

func (p *pages) get(i int64) *page {
	if s := p.slot(i); s != nil {
		return s.cur
	}
	return nil
}

// set puts page x at i; nil frees it.
func (p *pages) set(i int64, x *page) {
	if x == nil && p.get(i) == nil {
		return
	}
	s := p.need(i)
	switch {
	case x == nil:
		*p.used -= pageSize
		p.count--
	case s.cur == nil:
		*p.used += pageSize
		p.count++
	}
	s.cur = x
}

// read fills dst from off.
func (p *pages) read(off int64, dst []byte) {
	for len(dst) > 0 {
		i, from := off/pageSize, int(off%pageSize)
		n := min(len(dst), pageSize-from)
		if x := p.get(i); x != nil {
			copy(dst[:n], x[from:])
		} else {
			clear(dst[:n])
		}
		dst, off = dst[n:], off+int64(n)
	}
}

// write stores src at off, in place. own is asked for each page before it changes.
func (p *pages) write(off int64, src []byte, own func(i int64)) {
	for len(src) > 0 {
		i, from := off/pageSize, int(off%pageSize)
		n := min(len(src), pageSize-from)
		own(i)
		x := p.get(i)
		if x == nil {
			x = p.pool.page()
			*x = page{}
			p.set(i, x)
		}
		copy(x[from:], src[:n])
		src, off = src[n:], off+int64(n)
	}
}

// missing returns how many bytes a write of n bytes at off would allocate.
func (p *pages) missing(off, n int64) int64 {
	var sum int64
	for i := off / pageSize; i*pageSize < off+n; i++ {
		if p.get(i) == nil {
			sum += pageSize
		}
	}
	return sum
}

// bytes returns what is allocated.
func (p *pages) bytes() int64 { return p.count * pageSize }

// diskPool keeps memory of writes that are durable for the next ones.
type diskPool struct {
	pages   []*page
	changes []*change
	bytes   [poolClasses][][]byte // by class: the power of two that bounds the size
}

const (
	poolClasses = 21  // up to 1 MiB
	poolLimit   = 256 // of each
)

// page returns a page with any content.
func (d *diskPool) page() *page {
	if n := len(d.pages); n > 0 {
		x := d.pages[n-1]
		d.pages = d.pages[:n-1]
		return x
	}
	return new(page)
}

func (d *diskPool) freePage(x *page) {
	if x != nil && len(d.pages) < 8*poolLimit {
		d.pages = append(d.pages, x)
	}
}

// write returns a change that holds a copy of p.
func (d *diskPool) write(p []byte) *change {
	c := &change{}
	if n := len(d.changes); n > 0 {
		c = d.changes[n-1]
		d.changes = d.changes[:n-1]
	}
	class := bits.Len(uint(len(p) - 1))
	if len(p) == 0 || class >= poolClasses {
		c.data = append(make([]byte, 0, len(p)), p...)
		return c
	}
	if n := len(d.bytes[class]); n > 0 {
		c.data = append(d.bytes[class][n-1][:0], p...)
		d.bytes[class] = d.bytes[class][:n-1]
		return c
	}
	c.data = append(make([]byte, 0, 1<<class), p...)
	return c
}

// free takes a change that nobody holds any more.
func (d *diskPool) free(c *change) {
	class := bits.Len(uint(cap(c.data) - 1))
	if c.data != nil && cap(c.data) == 1<<class && class < poolClasses && len(d.bytes[class]) < poolLimit {
		d.bytes[class] = append(d.bytes[class], c.data)
	}
	*c = change{}
	if len(d.changes) < 8*poolLimit {
		d.changes = append(d.changes, c)
	}
}
