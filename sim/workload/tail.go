package workload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// Damage that takes the end of a log, all of what was synced since the superblock was written last, leaves what a
// crash leaves that came before those writes. Nobody can tell the two apart, and weir does not promise to
// (docs/guarantees.md): the offsets that it held are given out again. A run in which that may have happened and which
// then fails is judged up to there.
//
// The last frame of a ring says by its KD that all before it was durable. So the end is known while that frame is
// whole, or a superblock knows of it.

// ringTails knows the last frame of each ring that was synced. It is told by the simulated disk. Only runs whose
// damage is beyond the promise keep one.
type ringTails struct {
	rings map[string]*ringTail // by volume and path
	asked [2]fileByte          // that the atlas was asked about last
	lost  host.Time            // when a start first met a ring whose end cannot be known; 0 = none did
}

type ringTail struct {
	volume, path string
	parts        []ringPart // of the frame: two if it crosses the ring's end
	rest         int        // bytes of it still to come
	end          uint64     // position behind it
	astray       bool       // a write behind it went astray
}

type fileByte struct {
	volume, path string
	off          int64
}

type ringPart struct {
	off   int64
	bytes []byte
}

// More of the layout of a ring, docs/format/wal.md.
const (
	frameMagic    = "WEIRFRAM"
	framePosition = 40 // offset of a frame's position in its header
	superDurable  = 136
	superClean    = 152 // the clean mark's end
)

// synced is called with each write to a file that became durable.
func (t *ringTails) synced(v *sim.Volume, path string, off int64, b []byte) {
	key := v.Name() + "/" + path
	x := t.rings[key]
	switch {
	case len(b) >= frameHeader && string(b[:len(frameMagic)]) == frameMagic:
		n := int(binary.LittleEndian.Uint32(b[frameLength:]))
		if t.rings == nil {
			t.rings = map[string]*ringTail{}
		}
		t.rings[key] = &ringTail{volume: v.Name(), path: path, rest: max(0, n-len(b)),
			end: binary.LittleEndian.Uint64(b[framePosition:]) + uint64(n), parts: []ringPart{{off, bytes.Clone(b)}}}
	case x != nil && x.rest > 0 && x.rest == len(b):
		x.parts, x.rest = append(x.parts, ringPart{off, bytes.Clone(b)}), 0
	}
}

// ask notes what the atlas is asked about. Of a write that goes astray it is asked about the place that it was sent to
// and then about the one where it lands.
func (t *ringTails) ask(volume, path string, off int64) {
	t.asked[0], t.asked[1] = t.asked[1], fileByte{volume, path, off}
}

// astray is called when a write went astray. Where the first byte of a file should be written lies a superblock.
func (t *ringTails) astray() {
	to := t.asked[0]
	if x := t.rings[to.volume+"/"+to.path]; x != nil && to.off > 0 {
		x.astray = true
	}
}

// known tells whether a file still shows how far the ring in it was durable. One of another size is refused anyway.
func (x *ringTail) known(file []byte) bool {
	end := x.end
	if x.astray {
		end++ // the frame that is missing ended behind that
	}
	if len(file) < 2*slotBytes {
		return true
	}
	for _, slot := range [][]byte{file[:slotBytes], file[len(file)-slotBytes:]} {
		if wholeSlot(slot) && max(binary.LittleEndian.Uint64(slot[superDurable:]),
			binary.LittleEndian.Uint64(slot[superClean:])) >= end {
			return true
		}
	}
	return !x.astray && !slices.ContainsFunc(x.parts, func(p ringPart) bool {
		return p.off+int64(len(p.bytes)) <= int64(len(file)) && !bytes.Equal(file[p.off:][:len(p.bytes)], p.bytes)
	})
}

// lookAtTails notes, before a start reads its rings or while it does, whether one of them lost its end.
func (r *run) lookAtTails() {
	if !r.damaged || r.tails.lost != 0 || r.node != nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(r.tails.rings)) {
		x := r.tails.rings[key]
		for _, place := range []string{walVolume, metaVolume, nodeVolume} { // volumes may have been swapped
			v := r.m.Volume(place)
			if v.Name() != x.volume {
				continue
			}
			if file, ok := v.Current(x.path); ok && !x.known(file) {
				r.tails.lost = max(1, r.w.Now())
				r.said = append(r.said, "damage: the end of "+key+", of which nothing else tells")
			}
		}
	}
}

// leaveOutWhatIsLost looks at a run in which damage took the end of a ring. If it would fail, what came after that
// proves nothing: the history ends there, as if the node had refused to start.
func (r *run) leaveOutWhatIsLost() {
	if r.tails.lost == 0 {
		return
	}
	v := check.Judge(&r.history, r.least())
	if v.OK() {
		return
	}
	r.said = append(r.said, fmt.Sprintf("judged up to there; what came of it: %s", v))
	r.history = before(&r.history, int64(r.tails.lost))
	r.history.Logs = r.known()
}

// before is a history up to an instant.
func before(h *check.History, at int64) check.History {
	out := *h
	out.Ops, out.Recoveries = nil, nil
	for _, op := range h.Ops {
		switch {
		case op.Call >= at:
		case op.Outcome == check.Unknown || op.Return < at:
			out.Ops = append(out.Ops, op)
		case op.Kind == check.Produce || op.Kind == check.Commit || op.Kind == check.CreateTopic ||
			op.Kind == check.DeleteTopic || op.Kind == check.CreatePartitions:
			op.Outcome, op.Return = check.Unknown, check.NoReturn
			out.Ops = append(out.Ops, op)
		}
	}
	for _, t := range h.Recoveries {
		if t < at {
			out.Recoveries = append(out.Recoveries, t)
		}
	}
	return out
}
