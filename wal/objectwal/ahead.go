package objectwal

import (
	"github.com/weirmq/weir/host"
)

// fetched is an object that was read ahead and is whole.
type fetched struct {
	h     header
	bytes []byte
}

// readAhead reads the next objects at the same time, so that a walk does not take a round trip for each. What is not
// there, is no object, or is not whole, it leaves to the walk: a gap is found only where the walk has come to.
func (w *walk) readAhead(sc *host.Scope) error {
	if w.at < w.tried || sc == nil {
		return nil
	}
	found := make([]*fetched, w.window)
	g := host.NewGroup(w.h, sc)
	for i := range found {
		g.Go("objectwal.ahead", func(sc *host.Scope) error {
			found[i] = w.fetch(sc, w.at+uint64(i))
			return sc.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	w.tried = w.at + uint64(w.window)
	w.ahead = map[uint64]*fetched{}
	for i, f := range found {
		if f != nil {
			w.ahead[w.at+uint64(i)] = f
		}
	}
	return nil
}

// fetch returns the object of a sequence, nil if it is not there or not whole.
func (w *walk) fetch(sc *host.Scope, sequence uint64) *fetched {
	h, err := w.header(sc, sequence)
	if err != nil || h.tombstone() {
		return nil
	}
	p, err := w.object(sc, sequence, &h)
	if err != nil {
		return nil
	}
	_, sums, listed := h.decodeTrailer(p[h.place:])
	if !listed || len(mismatch(p, &h, sums)) > 0 {
		return nil
	}
	return &fetched{h, p}
}

// object reads the object with header h but for the header.
func (c *client) object(sc *host.Scope, sequence uint64, h *header) ([]byte, error) {
	p := make([]byte, h.length)
	for off := headerSize; off < len(p); off += readPiece {
		if err := c.get(sc, Key(c.log, sequence), off, p[off:min(off+readPiece, len(p))]); err != nil {
			return nil, err
		}
	}
	return p, nil
}
