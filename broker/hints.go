package broker

import (
	"encoding/binary"
	"slices"
)

// hint tells a client that asked the wrong broker, or with an old leader epoch, who leads (KIP-951). The zero hint says
// nothing.
type hint struct {
	known  bool
	leader int32
	epoch  int32
}

// hintFor is who leads a partition, if that answers a request refused with code.
func (b *Broker) hintFor(t *topic, partition int32, code Code) hint {
	if code != codeNotLeaderOrFollower && code != codeFencedLeaderEpoch || b.cfg.Cluster == nil || t == nil ||
		partition < 0 || int(partition) >= len(t.parts) {
		return hint{}
	}
	ref := &t.parts[partition]
	if ref.leader < 0 || ref.leader == b.cfg.NodeID && code == codeNotLeaderOrFollower { // not yet: ask again
		return hint{}
	}
	return hint{known: true, leader: ref.leader, epoch: ref.leaderEpoch}
}

// endpoints returns where the leaders are that an answer names. Hints of those that are not live are taken back.
func (b *Broker) endpoints(hints []*hint) []neighbour {
	if !slices.ContainsFunc(hints, func(h *hint) bool { return h.known }) {
		return nil
	}
	live := b.neighbours()
	var list []neighbour
	for _, h := range hints {
		if !h.known {
			continue
		}
		n, there := neighbourOf(live, h.leader)
		if !there {
			*h = hint{}
		} else if _, listed := neighbourOf(list, n.id); !listed {
			list = append(list, n)
		}
	}
	return list
}

// hintTag is the tagged field CurrentLeader: four bytes each for leader and epoch, and no tags of its own.
func (w *wire) hintTag(tag uint64, h hint) {
	w.buf = binary.AppendUvarint(w.buf, tag)
	w.buf = binary.AppendUvarint(w.buf, 4+4+1)
	w.i32(h.leader)
	w.i32(h.epoch)
	w.tags()
}

// endTagged ends a partition that may carry a hint, and nothing else, as a tagged field.
func (w *wire) endTagged(tag uint64, h hint) {
	if !h.known {
		w.tags()
		return
	}
	w.buf = binary.AppendUvarint(w.buf, 1)
	w.hintTag(tag, h)
}

// endWithEndpoints ends a response that may carry NodeEndpoints, its tagged field 0.
func (w *wire) endWithEndpoints(list []neighbour) {
	if len(list) == 0 {
		w.tags()
		return
	}
	f := wire{flexible: true}
	f.arrayLen(len(list))
	for _, n := range list {
		f.i32(n.id)
		f.str(n.host)
		f.i32(n.port)
		if n.rack == nil {
			f.buf = append(f.buf, 0)
		} else {
			f.str(*n.rack)
		}
		f.tags()
	}
	w.buf = binary.AppendUvarint(w.buf, 1)
	w.buf = binary.AppendUvarint(w.buf, 0)
	w.buf = binary.AppendUvarint(w.buf, uint64(len(f.buf)))
	w.buf = append(w.buf, f.buf...)
}
