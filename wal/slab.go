package wal

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
)

// Holder is a kind of holder of a slab. A slab is free when nobody of any kind holds it.
type Holder uint8

const (
	// HolderLog is the log itself: the slab is being filled or a frame in it is not durable yet.
	HolderLog Holder = iota
	// HolderCache is the log cache.
	HolderCache
	// HolderUpload is an upload that reads from the slab.
	HolderUpload
	// HolderAnswer is an answer being written to a connection.
	HolderAnswer
	holders
)

// poison is what a freed slab is filled with when the pool says so.
const poison = 0xDB

// SlabPool is a fixed number of slabs of one size, off the Go heap and never given back.
type SlabPool struct {
	// Poison fills every freed slab with 0xDB, to find readers that did not hold it. Set before use.
	Poison bool
	// Pressure is called, without locks and by the task that waits, when a log needs a slab and none is
	// free: the cache should let go of its oldest durable slab. It must not block. Set before use.
	Pressure func()

	bytes int
	all   []*Slab

	mu   host.Mutex // guards the fields below and every slab's holds; a leaf but for lines
	free []*Slab
	logs []*line // woken when a slab is freed
}

// NewSlabPool takes count slabs of bytes each from the host's Disk.Memory. bytes is a multiple of
// BlockSize, at most MaxFrame. A log needs at least 3 slabs to fill one frame while another is written.
func NewSlabPool(h host.Host, count, bytes int) (*SlabPool, error) {
	if bytes < 2*BlockSize || bytes > MaxFrame || bytes%BlockSize != 0 {
		return nil, fmt.Errorf("wal: slab of %d bytes: must be a multiple of %d from %d to %d",
			bytes, BlockSize, 2*BlockSize, MaxFrame)
	}
	if count < 2 {
		return nil, fmt.Errorf("wal: pool of %d slabs: one is written while another fills, so at least 2", count)
	}
	p := &SlabPool{bytes: bytes}
	p.mu.Init(h)
	for range count {
		mem, err := h.Disk().Memory(bytes)
		if err != nil {
			return nil, fmt.Errorf("wal: take memory for slab %d of %d: %w", len(p.all)+1, count, err)
		}
		s := &Slab{pool: p, mem: mem, index: len(p.all)}
		p.all = append(p.all, s)
		p.free = append(p.free, s)
	}
	return p, nil
}

// SlabBytes returns the size of a slab.
func (p *SlabPool) SlabBytes() int { return p.bytes }

// Slabs returns the number of slabs.
func (p *SlabPool) Slabs() int { return len(p.all) }

// Free returns the number of free slabs.
func (p *SlabPool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

// Held returns how many slabs holders of kind k hold.
func (p *SlabPool) Held(k Holder) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.all {
		if s.held[k] > 0 {
			n++
		}
	}
	return n
}

// take returns a free slab held once by HolderLog, or nil.
func (p *SlabPool) take() *Slab {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return nil
	}
	s := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	s.held[HolderLog] = 1
	return s
}

// join makes freed slabs wake ln; leave undoes it.
func (p *SlabPool) join(ln *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logs = append(p.logs, ln)
}

func (p *SlabPool) leave(ln *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, x := range p.logs {
		if x == ln {
			p.logs = append(p.logs[:i], p.logs[i+1:]...)
			return
		}
	}
}

// Slab is a piece of memory that carries frames. The bytes of a sealed frame never change while anybody
// holds the slab.
type Slab struct {
	pool  *SlabPool
	mem   []byte
	index int

	// Guarded by pool.mu.
	held [holders]int32
	life uint32 // times the slab was freed
}

// Index returns the slab's number in its pool, from 0.
func (s *Slab) Index() int { return s.index }

// Bytes returns n bytes of the slab at off. The caller must hold the slab and must not write.
func (s *Slab) Bytes(off, n uint32) []byte { return s.mem[off : off+n : off+n] }

// Hold adds a hold of kind k. The caller must hold the slab already, or be in Draft.Place.
func (s *Slab) Hold(k Holder) {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !invariant.Holds(!s.idle(), invariant.SlabHolders) {
		invariant.Fail(invariant.SlabHolders, "hold of kind %d on free slab %d", k, s.index)
	}
	s.held[k]++
}

// Release takes one hold of kind k off. The last one frees the slab.
func (s *Slab) Release(k Holder) {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !invariant.Holds(s.held[k] > 0, invariant.SlabHolders) {
		invariant.Fail(invariant.SlabHolders, "slab %d released by a holder of kind %d that has none", s.index, k)
	}
	s.held[k]--
	if !s.idle() {
		return
	}
	s.life++
	if p.Poison {
		s.mem[0] = poison
		for n := 1; n < len(s.mem); n *= 2 {
			copy(s.mem[n:], s.mem[:n])
		}
	}
	p.free = append(p.free, s)
	for _, ln := range p.logs {
		ln.wake()
	}
}

// lifetime returns how often the slab was freed before.
func (s *Slab) lifetime() uint32 {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.life
}

// holdIf adds a hold of kind k if the slab still lives the life it had, and reports whether it did.
func (s *Slab) holdIf(k Holder, life uint32) bool {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.life != life || s.idle() {
		return false
	}
	s.held[k]++
	return true
}

func (s *Slab) idle() bool {
	for _, n := range s.held {
		if n > 0 {
			return false
		}
	}
	return true
}
