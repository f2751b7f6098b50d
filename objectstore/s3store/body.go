package s3store

import (
	"errors"
	"io"
	"sync"
)

// errStopped is what a request that nobody waits for any more reads from its body.
var errStopped = errors.New("s3store: the call this body belongs to has returned")

// guarded is a body as the HTTP transport reads it, from a goroutine of its own that may outlive the call:
// when the server answers early or the call is cancelled. stop ends its access to the caller's bytes.
type guarded struct {
	mu      sync.Mutex // held while the body is read
	r       io.Reader
	stopped bool
	err     error // what reading the body failed with
}

// Read implements io.Reader.
func (g *guarded) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return 0, errStopped
	}
	n, err := g.r.Read(p)
	if err != nil && err != io.EOF {
		g.err = err
	}
	return n, err
}

// stop waits for a read under way, lets no other begin, and returns what reading the body failed with.
func (g *guarded) stop() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	return g.err
}
