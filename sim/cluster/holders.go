package cluster

import (
	"encoding/binary"
	"strings"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/sim"
)

// The fence word, docs/format/wal.md.
const (
	fenceMagic      = "WEIRFENC"
	fenceUUID       = 16
	fenceGeneration = 32
	fenceBytes      = 64
)

// holders know who holds each WAL, from what was written into its fence word and by whom, and which WAL each record
// first became durable in. They are told by the simulated disks, not by the brokers.
type holders struct {
	r     *run
	file  string // the one whose bytes become durable now
	in    map[check.Value]string
	wals  map[string]*ring // by the names of their rings
	takes int              // WALs taken over by another broker than their own
}

// ring is one WAL with its takeovers.
type ring struct {
	generation int64
	taken      host.Time // another broker's fence word became durable; 0 = never
	taker      *sim.Machine
}

func (h *holders) init(r *run) {
	h.r, h.in, h.wals = r, map[check.Value]string{}, map[string]*ring{}
	r.crowd.OnDurable(func(v check.Value) {
		// What the recoverer's own sync makes durable is in what it reads (rule 18).
		if w := h.wals[h.file]; w != nil && (w.taken == 0 || w.taker != r.w.Running()) {
			h.in[v] = h.file
		}
	})
}

// word is told that a fence word became durable. A WAL's own broker may take it over too: when it starts again.
func (h *holders) word(b []byte) {
	if len(b) < fenceBytes || !strings.HasPrefix(string(b), fenceMagic) {
		return
	}
	name := "ring-" + metadata.UUID(b[fenceUUID:fenceUUID+16]).String()
	g := int64(binary.LittleEndian.Uint64(b[fenceGeneration:]))
	w := h.wals[name]
	if w == nil {
		w = &ring{}
		h.wals[name] = w
	}
	if g <= w.generation {
		return
	}
	w.generation = g
	if w.taken == 0 && h.r.foreign(b[fenceUUID:fenceUUID+16], g) {
		w.taken, w.taker = max(1, h.r.w.Now()), h.r.w.Running()
		h.takes++
	}
}

// acked is told that a client heard that its batch is in the log: it must be durable, and in a WAL that nobody else had
// taken over by then.
func (h *holders) acked(op *check.Op) {
	for _, v := range op.Values {
		at := h.r.crowd.DurableAt(v)
		if at == 0 {
			h.r.crowd.Fail("online:AckedDurable", "%s of %s at offset %d was acknowledged and is on no synced medium", v,
				op.Partition, op.Offset)
			return
		}
		if w := h.wals[h.in[v]]; w != nil && w.taken > 0 && at > w.taken {
			h.r.crowd.Fail("online:AckedFenced", "%s of %s at offset %d was acknowledged: durable in %s at %v, which another "+
				"broker had taken over at %v with generation %d", v, op.Partition, op.Offset, h.in[v], at.Sub(0),
				w.taken.Sub(0), w.generation)
			return
		}
	}
}
