package workload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// A run beyond the promise damages the only copy of something. Nobody survives that; weir must say so. What is then
// demanded: the node refuses to start and names what is damaged, or a partition answers with an error where it is
// damaged. Nothing wrong is ever given out, other partitions go on, and what is not damaged is there.

// BeyondSettings say what is damaged. Nil in Settings: nothing.
type BeyondSettings struct {
	Rates []FaultRate `json:"rates,omitempty"` // of the node's disks, in a run that is no replay
	// At is when an object in the store is damaged by itself, since the clients' work began; 0 = none is.
	At     host.Time `json:"object_at_ns,omitempty"`
	Pick   uint64    `json:"object_pick,omitempty"` // which one, and which of its bits
	Delete bool      `json:"object_delete,omitempty"`
}

// drawBeyond draws up to five kinds of damage.
func drawBeyond(rng *rand.Rand, d time.Duration) *BeyondSettings {
	b := &BeyondSettings{}
	kinds := []FaultRate{
		{fault.BitRot, 2_000}, {fault.MisdirectWrite, 30_000}, {fault.StaleChunk, 1_000_000}, {fault.Truncated, 900_000},
		{fault.FileMissing, 1_000_000}, {fault.Wipe, 800_000}, {fault.SwapVolumes, 800_000},
	}
	rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	if n := rng.IntN(6); n > 0 {
		b.Rates = kinds[:n]
	}
	if len(b.Rates) == 0 || rng.IntN(5) == 0 {
		b.At = 1 + host.Time(rng.Int64N(int64(d)))
		b.Pick, b.Delete = rng.Uint64(), rng.IntN(3) == 0
	}
	return b
}

// beyond tells whether more damage was done than weir promises to survive.
func (r *run) beyond() bool { return r.damaged }

// spare is the atlas: it tells whether the only copy of something may be damaged. Beyond the promise all may, once
// there is something to lose, but not both volumes that know of the cluster: who loses everything cannot know that
// there was anything.
// Within it one superblock slot of a ring may, always the same, while a crash has not torn the other: either slot
// alone starts a right scan.
func (r *run) spare(volume, path string, off, n int64) bool {
	if r.settings.Beyond != nil {
		r.tails.ask(volume, path, off)
		return r.ripe() && !r.calm && r.damages < damagesMax && r.leavesAWitness(volume)
	}
	if path == "" || strings.HasSuffix(path, ".fence") {
		return false
	}
	for _, name := range []string{walVolume, metaVolume} {
		v := r.m.Volume(name)
		if v.Name() != volume {
			continue
		}
		ring, ok := v.Current(path)
		if !ok || len(ring) <= 2*slotBytes || off < int64(len(ring))-slotBytes || n > slotBytes {
			return false
		}
		durable, ok := v.Durable(path)
		return ok && wholeSlot(ring) && wholeSlot(durable)
	}
	return false
}

const slotBytes = 4096

// wholeSlot tells whether the superblock slot that a file begins with can be believed.
func wholeSlot(ring []byte) bool {
	const sum = slotBytes - 4
	return len(ring) >= slotBytes && string(ring[:8]) == "WEIRWALS" &&
		crc32.Checksum(ring[:sum], crc32.MakeTable(crc32.Castagnoli)) == binary.LittleEndian.Uint32(ring[sum:])
}

// ripe tells whether there is something to damage. A replay damages what its plan says, however little it has done.
func (r *run) ripe() bool { return r.replay || r.ops > opsLeast/4 }

// leavesAWitness tells whether one of the two volumes that know of the cluster stays whole if this one is damaged.
func (r *run) leavesAWitness(volume string) bool {
	place := nodeVolume // what lies there may have been swapped
	if volume != r.m.Volume(place).Name() {
		place = metaVolume
	}
	if volume != r.m.Volume(place).Name() {
		return true
	}
	if r.unwitnessed == "" {
		r.unwitnessed = place
	}
	return r.unwitnessed == place
}

// damagesMax bounds the damage of a run.
const damagesMax = 12

// damageObject spoils an object at rest.
func (r *run) damageObject() {
	b, keys := r.settings.Beyond, r.keys()
	if len(keys) == 0 {
		return
	}
	rng := rand.New(rand.NewPCG(b.Pick, 0))
	key := keys[rng.IntN(len(keys))]
	r.damaged = true
	r.damages++
	if b.Delete {
		r.w.DeleteObject(key)
		r.said = append(r.said, "damage: object "+key+" was deleted")
		return
	}
	bytes, _ := r.w.Object(key)
	at := rng.IntN(len(bytes))
	r.w.FlipObject(key, at, 1<<rng.IntN(8))
	r.said = append(r.said, fmt.Sprintf("damage: a bit of byte %d of object %s was flipped", at, key))
}

// finishBeyond is the second phase of a run that was damaged.
func (r *run) finishBeyond() error {
	r.flush()
	r.history.Beyond = true
	var refused error
	for p := range r.settings.Partitions {
		log := check.Log{Partition: check.Partition{Topic: topicName, Index: p}}
		err := r.eventually(fmt.Sprintf("read what is left of %s/%d", topicName, p),
			func(a *actor, sc *host.Scope) (err error) {
				log, err = a.readLeft(sc, p)
				return err
			})
		if err != nil {
			refused = err
			break
		}
		r.history.Logs = append(r.history.Logs, log)
	}
	if refused == nil {
		return nil
	}
	if errors.Is(refused, r.w.Err()) && r.w.Err() != nil {
		return refused
	}
	if r.node != nil || len(r.ends) == 0 {
		return refused // it is up, or never said anything: silence is no answer
	}
	last := r.ends[len(r.ends)-1]
	r.said = append(r.said, "refused: "+last)
	r.history.Logs = r.known()
	return nil
}

// known are logs made of what was acknowledged, for a node that refuses to start: what was read can be held against
// them.
func (r *run) known() []check.Log {
	logs := make([]check.Log, r.settings.Partitions)
	for p := range logs {
		logs[p].Partition = check.Partition{Topic: topicName, Index: int32(p)}
	}
	put := func(p int32, at int64, v check.Value) {
		log := &logs[p]
		for log.End() <= at {
			log.Values = append(log.Values, 0)
		}
		if log.Values[at] == 0 {
			log.Values[at] = v
		}
	}
	for i := range r.history.Ops {
		op := &r.history.Ops[i]
		for j, v := range op.Values {
			if op.Kind == check.Produce && op.Outcome == check.OK {
				put(op.Index, op.Offset+int64(j), v)
			}
		}
		for _, rec := range op.Records {
			put(op.Index, rec.Offset, rec.Value)
		}
	}
	for p := range logs {
		logs[p].Offline = []check.Span{{From: 0, To: 1 << 40}}
	}
	return logs
}

// readLeft reads a partition as far as it can be read. Where an answer is an error the rest is what weir reports as
// damaged.
func (a *actor) readLeft(sc *host.Scope, p int32) (check.Log, error) {
	log := check.Log{Partition: check.Partition{Topic: topicName, Index: p}}
	for at := int64(0); ; {
		r, err := a.sendFetch(sc, topicName, p, at, readBackBytes, 100)
		if err != nil {
			return log, err
		}
		if r.ErrorCode != 0 {
			a.c.said = append(a.c.said, fmt.Sprintf("answered: %s at offset %d: error code %d", log.Partition, at, r.ErrorCode))
			next, end, err := a.behind(sc, p, at)
			if err != nil {
				return log, err
			}
			log.Offline = append(log.Offline, check.Span{From: at, To: next})
			for log.End() < next {
				log.Values = append(log.Values, 0)
			}
			if next >= end {
				return log, nil
			}
			at = next
			continue
		}
		records, next, err := parseRecords(r.RecordBatches, at)
		if err != nil {
			a.c.fail(oracleAnswer, "read %s at offset %d after damage: %w", log.Partition, at, err)
			return log, err
		}
		for _, rec := range records {
			for log.End() < rec.Offset {
				log.Values = append(log.Values, 0)
			}
			log.Values = append(log.Values, rec.Value)
		}
		if next == at {
			if at < r.HighWatermark {
				return log, fmt.Errorf("read %s at offset %d of %d: nothing came", log.Partition, at, r.HighWatermark)
			}
			return log, nil
		}
		at = next
	}
}

// behind looks for the next offset that can be read behind damage, and the end of what is known of the partition.
func (a *actor) behind(sc *host.Scope, p int32, at int64) (next, end int64, err error) {
	var starts []int64
	end = at + 1
	for i := range a.c.history.Ops {
		op := &a.c.history.Ops[i]
		switch {
		case op.Index != p || op.Topic != topicName || op.Outcome != check.OK:
		case op.Kind == check.Produce:
			end = max(end, op.Offset+int64(len(op.Values)))
			if op.Offset > at {
				starts = append(starts, op.Offset)
			}
		case op.Kind == check.ListEnd:
			end = max(end, op.Offset)
		case op.Kind == check.Fetch:
			end = max(end, op.HighWatermark)
			if n := len(op.Records); n > 0 {
				end = max(end, op.Records[n-1].Offset+1) // after damage no mark is kept
			}
		}
	}
	slices.Sort(starts)
	for len(starts) > probesMax { // every second one
		for i := range len(starts) / 2 {
			starts[i] = starts[2*i]
		}
		starts = starts[:len(starts)/2]
	}
	for _, from := range starts {
		r, err := a.sendFetch(sc, topicName, p, from, 1, 100)
		if err != nil {
			return 0, 0, err
		}
		if r.ErrorCode == 0 && len(r.RecordBatches) > 0 {
			return from, end, nil
		}
	}
	return end, end, nil
}

// probesMax is how many offsets behind damage are tried.
const probesMax = 64
