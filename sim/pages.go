package sim

const pageSize = 4096

type page = [pageSize]byte

// pages is a sparse array of bytes. A missing page reads as zero.
type pages struct {
	m    map[int64]*page
	used *int64 // bytes allocated on the volume
}

func (p *pages) get(i int64) *page { return p.m[i] }

// set puts page x at i; nil frees it.
func (p *pages) set(i int64, x *page) {
	old := p.m[i]
	switch {
	case x == nil && old != nil:
		*p.used -= pageSize
		delete(p.m, i)
	case x != nil:
		if old == nil {
			*p.used += pageSize
		}
		p.m[i] = x
	}
}

// read fills dst from off.
func (p *pages) read(off int64, dst []byte) {
	for len(dst) > 0 {
		i, from := off/pageSize, int(off%pageSize)
		n := min(len(dst), pageSize-from)
		if x := p.m[i]; x != nil {
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
		x := p.m[i]
		if x == nil {
			x = new(page)
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
		if p.m[i] == nil {
			sum += pageSize
		}
	}
	return sum
}

// bytes returns what is allocated.
func (p *pages) bytes() int64 { return int64(len(p.m)) * pageSize }
