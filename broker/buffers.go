package broker

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// lentBytes holds a few requests of a page each; a larger request is read into a buffer of its own.
	lentBytes = 64 << 10
	// lentMax bounds what all connections together have borrowed, for those that fall quiet keep theirs:
	// 32 MiB.
	lentMax = 512
	// outBytes holds the answers to as many produce requests as may be in line.
	outBytes = 8 << 10
)

type (
	lent      [lentBytes]byte
	outBuffer [outBytes]byte
)

// buffers recycles request bodies by power-of-two size, so that an idle connection keeps none. Content
// does not matter: a buffer is overwritten whole before it is read.
type buffers struct {
	classes [27]sync.Pool // class i holds *[]byte of 1<<i bytes

	lents  sync.Pool // of *lent
	inLoan atomic.Int64
	outs   sync.Pool // of *outBuffer
	calls  sync.Pool // of *ownCall
}

// ownCall is a Produce request's call with the request in it.
type ownCall struct {
	call
	req kmsg.ProduceRequest
}

// produceCall returns an empty call for a Produce request.
func (p *buffers) produceCall() *call {
	own, ok := p.calls.Get().(*ownCall)
	if !ok {
		own = &ownCall{}
	}
	own.call = call{own: own}
	return &own.call
}

// callBack takes an answered call back if it is from produceCall. Nobody may have it any more.
func (p *buffers) callBack(c *call) {
	if own := c.own; own != nil {
		clear(own.req.Topics)
		own.req.Topics = own.req.Topics[:0]
		own.call = call{}
		p.calls.Put(own)
	}
}

// lend returns a read buffer, or nil when enough are lent.
func (p *buffers) lend() *lent {
	if p.inLoan.Add(1) > lentMax {
		p.inLoan.Add(-1)
		return nil
	}
	if b, ok := p.lents.Get().(*lent); ok {
		return b
	}
	return new(lent)
}

// giveBack takes a buffer of lend back.
func (p *buffers) giveBack(b *lent) {
	p.inLoan.Add(-1)
	p.lents.Put(b)
}

// out returns a buffer for answers, outBack takes it back.
func (p *buffers) out() *outBuffer {
	if b, ok := p.outs.Get().(*outBuffer); ok {
		return b
	}
	return new(outBuffer)
}

func (p *buffers) outBack(b *outBuffer) { p.outs.Put(b) }

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
