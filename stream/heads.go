package stream

import "github.com/weirmq/weir/internal/probe"

// head is the beginning of an entry that recovery found, kept so that the owner's state is built without
// reading the log a second time.
type head struct {
	base  int64
	count uint32
	size  uint32 // bytes of the entry
	bytes []byte
}

// applyHeads moves shadow from offset from towards at over the recovered entries of a stream, and returns how
// far it came. What is in objects, or not told by a head, is the caller's to replay.
func (e *Engine) applyHeads(id ID, shadow HeadShadow, from, at int64) int64 {
	for _, list := range e.headsOf(id) {
		for _, h := range list {
			end := h.base + int64(h.count)
			if end <= from {
				continue
			}
			if h.base != from || end > at || !shadow.ApplyHead(h.base, h.count, h.bytes, int(h.size)) {
				probe.Hit(probe.StreamHeadsEndEarly)
				return from
			}
			from = end
		}
	}
	return from
}

// headsOf returns the heads of a stream's ranges, in the order of offsets. They are never written again.
func (e *Engine) headsOf(id ID) [][]head {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out [][]head
	if st := e.streams[id]; st != nil {
		for _, r := range st.ranges {
			if len(r.heads) > 0 {
				out = append(out, r.heads)
			}
		}
	}
	return out
}

// dropHeads forgets the heads of a stream whose state was built.
func (e *Engine) dropHeads(id ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if st := e.streams[id]; st != nil {
		for _, r := range st.ranges {
			r.heads = nil
		}
	}
}
