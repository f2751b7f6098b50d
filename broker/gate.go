package broker

import "github.com/weirmq/weir/host"

// gate is what many tasks may wait for and that happens once.
type gate struct {
	mu    host.Mutex // guards what is below
	moved host.Cond
	done  bool
	err   error
}

func (g *gate) init(h host.Host) {
	g.mu.Init(h)
	g.moved.Init(h, &g.mu)
}

// open lets everybody through, with err. Only the first call counts.
func (g *gate) open(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		return
	}
	g.done, g.err = true, err
	g.moved.Broadcast()
}

// wait waits until the gate is open, and returns the error it was opened with, or that of sc.
func (g *gate) wait(sc *host.Scope) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.done {
		if err := g.moved.Wait(sc, 0); err != nil {
			return err
		}
	}
	return g.err
}
