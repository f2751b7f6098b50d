package broker

import (
	"math/bits"
	"sync"
)

// buffers recycles request bodies by power-of-two size, so that an idle connection keeps none. Content
// does not matter: a buffer is overwritten whole before it is read.
type buffers struct {
	classes [27]sync.Pool // class i holds *[]byte of 1<<i bytes
}

// get returns n bytes with arbitrary content.
func (p *buffers) get(n int) []byte {
	class := bits.Len(uint(n - 1))
	if v, ok := p.classes[class].Get().(*[]byte); ok {
		return (*v)[:n]
	}
	return make([]byte, n, 1<<class)
}

// put gives a buffer of get back.
func (p *buffers) put(b []byte) {
	class := bits.Len(uint(cap(b) - 1))
	if cap(b) == 1<<class {
		b = b[:cap(b)]
		p.classes[class].Put(&b)
	}
}
