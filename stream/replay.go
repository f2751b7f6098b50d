package stream

import (
	"fmt"

	"github.com/weirmq/weir/host"
)

// applyFunc is shown one entry. It must not keep data.
type applyFunc = func(base int64, count uint32, data []byte) error

// replayBytes is how much a replay reads at a time.
const replayBytes = 4 << 20

// ReplayFrom shows fn every entry of a stream that ends past from and at or below to, in order, from the log and
// from objects, below the log start offset too where it is still there. It is for rebuilding the owner's
// state from a checkpoint. fn must not keep data. It fails when it cannot reach to; with ErrHole that may be
// because an upload moved the checkpoint on meanwhile, and what lies below that was trimmed: see StateAt.
func (e *Engine) ReplayFrom(sc *host.Scope, id ID, from, to int64, fn applyFunc) error {
	return e.replayWith(sc, &cursor{id: id, pos: from, limit: to, inner: true}, fn)
}

func (e *Engine) replayWith(sc *host.Scope, c *cursor, fn applyFunc) error {
	to := c.limit
	for c.pos < to {
		c.left = replayBytes
		rd, err := e.run(sc, c)
		if err != nil {
			return fmt.Errorf("stream: replay stream %d from offset %d: %w", c.id, c.pos, err)
		}
		n := len(rd.Chunks)
		for _, ch := range rd.Chunks {
			if err := fn(ch.Base, ch.Count, ch.Data); err != nil {
				rd.Release()
				return err
			}
		}
		rd.Release()
		if n == 0 && c.pos < to {
			return &HoleError{ID: c.id, From: c.pos, To: to, Why: "replay found no entry that ends there"}
		}
	}
	return nil
}
