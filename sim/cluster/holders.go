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

// holders know who holds each WAL, from what was written into its fence word and by whom, and how each record first
// became durable. They are told by the simulated disks, not by the brokers.
type holders struct {
	r     *run
	file  string // the one whose bytes become durable now
	late  bool   // … although metadata has taken it from its broker
	made  map[check.Value]made
	rings map[string]*ring  // by the names of their files
	takes int               // WALs taken over by another broker than their own
	wrote map[string]string // by the name of a ring: the machine that made it
}

// ring is one WAL with its takeovers.
type ring struct {
	generation int64
	taken      host.Time       // another broker's fence word became durable, and its own none since; 0 = never
	words      map[string]bool // machines whose fence word became durable
}

// made says how a record became durable: which process synced it into which WAL.
type made struct {
	file string
	m    *sim.Machine
	life int  // the machine's incarnation
	late bool // the WAL was not its broker's any more, as metadata has it
}

func (h *holders) init(r *run) {
	h.r, h.made, h.rings, h.wrote = r, map[check.Value]made{}, map[string]*ring{}, map[string]string{}
	r.crowd.OnDurable(func(v check.Value) {
		// What a recoverer's own sync makes durable is in what it reads (rule 18).
		if m := r.w.Running(); m != nil && m.Name() == h.wrote[h.file] {
			h.made[v] = made{h.file, m, m.Incarnation(), h.late}
		}
	})
}

// syncs is told of bytes of a ring that are durable now.
func (h *holders) syncs(v *sim.Volume, path string, b []byte) {
	h.file, h.late = path, false
	if n := h.r.on(h.r.w.Running()); n != nil && !n.drifted { // clocks that run so badly no lease promises to survive
		h.late = h.r.takenAway(path)
	}
	h.r.crowd.Synced(v.Name()+"/"+path, b)
	h.file = ""
}

// word is told that a fence word became durable. A WAL's own broker may take it over too: when it starts again.
func (h *holders) word(b []byte) {
	if len(b) < fenceBytes || !strings.HasPrefix(string(b), fenceMagic) {
		return
	}
	name := walFile(metadata.UUID(b[fenceUUID : fenceUUID+16]))
	g := int64(binary.LittleEndian.Uint64(b[fenceGeneration:]))
	w := h.rings[name]
	if w == nil {
		w = &ring{words: map[string]bool{}}
		h.rings[name] = w
	}
	w.words[h.r.w.Running().Name()] = true
	if g <= w.generation {
		return
	}
	w.generation = g
	switch {
	case h.r.w.Running().Name() == h.wrote[name]: // its recoverer died, and its own broker goes on with proof (rule 8)
		w.taken = 0
	case w.taken == 0 && h.r.foreign(b[fenceUUID:fenceUUID+16], g):
		w.taken = max(1, h.r.w.Now())
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
		by := h.made[v]
		n := h.r.on(by.m)
		if n == nil || n.kafka() != h.r.crowd.Answerer() || by.life != by.m.Incarnation() {
			continue // whoever answers found it in the WAL of another
		}
		if w := h.rings[by.file]; w != nil && w.taken > 0 && at > w.taken {
			h.r.crowd.Fail("online:AckedFenced", "%s of %s at offset %d was acknowledged: durable in %s at %v, which another "+
				"broker had taken over at %v with generation %d", v, op.Partition, op.Offset, by.file, at.Sub(0),
				w.taken.Sub(0), w.generation)
			return
		}
		if by.late {
			h.r.crowd.Fail("online:LeaseNested", "%s of %s at offset %d was acknowledged by %s: durable in %s at %v, when its "+
				"epoch was fenced already", v, op.Partition, op.Offset, n.Name, by.file, at.Sub(0))
			return
		}
	}
}

// called is told of an I/O call. A ring is written where it was made and nowhere else: who recovers it for another
// writes the fence word beside it alone (PROTOCOL rule 8), and does not read the ring before that is durable (rule 7).
func (h *holders) called(c sim.Call) {
	name := c.Target[strings.LastIndexAny(c.Target, ":/")+1:]
	if !strings.HasPrefix(name, "ring-") || strings.HasSuffix(name, ".fence") {
		return
	}
	maker, w := h.wrote[name], h.rings[name]
	switch {
	case c.Machine == maker:
	case c.Op == sim.OpWrite && maker == "":
		h.wrote[name] = c.Machine
	case c.Op == sim.OpWrite:
		h.r.crowd.Fail("online:NoForeignWrite", "%s writes %s at %d, which %s made", c.Machine, name, c.Off, maker)
	case c.Op == sim.OpRead && maker != "" && (w == nil || !w.words[c.Machine]):
		h.r.crowd.Fail("online:FenceWord", "%s reads %s of %s before its fence word is durable", c.Machine, name, maker)
	}
}
