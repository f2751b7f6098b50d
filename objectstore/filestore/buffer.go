package filestore

import "github.com/weirmq/weir/host"

const (
	// chunkSize is the bytes a write moves at a time: large enough that direct I/O runs at the disk's
	// speed, and a multiple of every alignment direct I/O asks for.
	chunkSize = 1 << 20
	// bufferCount bounds the puts that move bytes at the same time, and so the memory they take.
	bufferCount = 4
	// directSize is the object size from which writes bypass the page cache: below it one copy through the
	// cache is cheaper than a direct write.
	directSize = 256 << 10
)

// bufferPool lends chunk buffers fit for direct I/O. They are made on first need and kept for good.
type bufferPool struct {
	h   host.Host
	sem host.Semaphore // one unit a buffer

	mu   host.Mutex // guards free
	free [][]byte
}

func (p *bufferPool) init(h host.Host) {
	p.h = h
	p.sem.Init(h, bufferCount)
	p.mu.Init(h)
}

// take waits for a buffer. Its content is undefined.
func (p *bufferPool) take(sc *host.Scope) ([]byte, error) {
	if err := p.sem.Acquire(sc, 1); err != nil {
		return nil, err
	}
	if b := p.pop(); b != nil {
		return b, nil
	}
	b, err := p.h.Disk().Memory(chunkSize)
	if err != nil {
		p.sem.Release(1)
		return nil, err
	}
	return b, nil
}

func (p *bufferPool) pop() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return nil
	}
	b := p.free[n-1]
	p.free = p.free[:n-1]
	return b
}

// give returns a buffer that take lent.
func (p *bufferPool) give(b []byte) {
	p.push(b)
	p.sem.Release(1)
}

func (p *bufferPool) push(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, b)
}
