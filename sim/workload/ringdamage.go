package workload

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
)

// RingDamage spoils one frame of the WAL while the node is down: one with records that were acknowledged and are in no
// object, and behind which another frame says that it was durable. Whoever starts again and does not say so has lost
// them in silence.
type RingDamage struct {
	At   time.Duration `json:"at_ns"` // of the kill, or later, since the world began; of a recorded plan: of the kill
	Pick uint64        `json:"pick"`  // which frame, and how
}

// ringEvery is how often it is looked for a frame to spoil.
const ringEvery = 50 * time.Millisecond

// What is written over a frame.
const (
	spoilBit   = iota // one bit of it is another
	spoilHead         // its first block is blank
	spoilAll          // all of it is blank
	spoilBody         // all but its first block is blank: of a frame of one block, what lies behind its header
	spoilStray        // its first block holds the block before it
	spoils
)

// The layout of a ring, docs/format/wal.md.
const (
	ringBlock   = 4096
	ringMagic   = "WEIRWALS"
	frameHeader = 128
	frameLength = 56 // offset of a frame's length in its header
)

// ringDue tells whether it is time for the next of the ring's damage.
func (r *run) ringDue() bool {
	list, n := r.settings.Ring, r.crash.spoilt
	return n < len(list) && r.w.Now() >= host.Time(list[n].At) && r.ripe() && !r.calm && !r.over
}

// ringCrash tells whether the node is to be killed now, within a commit: there is something in the ring to spoil.
func (c *crashes) ringCrash() bool {
	now := c.r.w.Now()
	if c.r.replay || now < c.ringNext || !c.r.ringDue() {
		return false
	}
	c.ringNext = now.Add(ringEvery)
	return len(c.r.owedFrames()) > 0
}

// damageRing carries out what is due of the ring's damage, at a kill. With nothing to spoil it waits for the next one.
func (r *run) damageRing() {
	if !r.ringDue() {
		return
	}
	rng := rand.New(rand.NewPCG(r.settings.Ring[r.crash.spoilt].Pick, 0))
	frames := r.owedFrames()
	if len(frames) == 0 {
		return
	}
	if how, ok := r.spoilFrame(rng, frames[rng.IntN(len(frames))]); ok {
		r.rings = append(r.rings, RingDamage{r.w.Now().Sub(0), r.settings.Ring[r.crash.spoilt].Pick})
		r.crash.spoilt++
		r.damaged = true
		r.damages++
		r.said = append(r.said, "damage: "+how)
	}
}

// owedFrames returns the positions of the frames that a RingDamage may spoil, rising.
func (r *run) owedFrames() []uint64 {
	type found struct {
		partition int32
		base, end int64
		at        uint64
	}
	var list []found
	last := uint64(0)
	report := r.audits.look(fsck.Options{Cache: &r.audits.cache, Batch: func(b fsck.Batch) {
		if b.Place.Key != "" {
			return
		}
		last = max(last, b.Place.At)
		if b.Topic == topicName {
			list = append(list, found{b.Partition, b.Base, b.Base + int64(b.Count), b.Place.At})
		}
	}})
	var frames []uint64
	for _, f := range list {
		s := report.Stream(topicName, f.partition)
		if f.at < last && s != nil && f.base >= s.Committed && r.wasAcknowledged(f.partition, f.base, f.end) {
			frames = append(frames, f.at)
		}
	}
	slices.Sort(frames)
	return slices.Compact(frames)
}

// wasAcknowledged tells whether a client knows of records at these offsets.
func (r *run) wasAcknowledged(partition int32, base, end int64) bool {
	return slices.ContainsFunc(r.audits.acked, func(b ackedBatch) bool {
		return b.partition == partition && b.offset < end && b.offset+int64(len(b.values)) > base
	})
}

// spoilFrame writes over the frame at a position of the ring, and tells what it did; false if the frame is not there in
// one piece.
func (r *run) spoilFrame(rng *rand.Rand, pos uint64) (string, bool) {
	v, capacity := r.m.Volume(walVolume), r.settings.Node.WALCapacity
	for _, path := range v.Files() {
		ring, ok := v.Durable(path)
		if !ok || !strings.HasPrefix(string(ring), ringMagic) {
			continue
		}
		at := (int64(len(ring))-capacity)/2 + int64(pos%uint64(capacity))
		n := int64(binary.LittleEndian.Uint32(ring[at+frameLength:]))
		if at+n > int64(len(ring))-(int64(len(ring))-capacity)/2 {
			return "", false // it goes on at the ring's beginning
		}
		frame := slices.Clone(ring[at : at+n])
		how := rng.IntN(spoils)
		switch how {
		case spoilBit:
			frame[rng.Int64N(n/ringBlock*ringBlock)] ^= 1 << rng.IntN(8)
		case spoilHead:
			clear(frame[:ringBlock])
		case spoilAll:
			clear(frame)
		case spoilBody:
			from := int64(ringBlock)
			if n == ringBlock {
				from = frameHeader
			}
			clear(frame[from:])
		case spoilStray:
			copy(frame[:ringBlock], ring[at-ringBlock:at])
		}
		v.Overwrite(path, at, frame)
		return fmt.Sprintf("frame of %d bytes at position %d of %s spoilt (%d)", n, pos, path, how), true
	}
	return "", false
}
