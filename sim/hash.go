package sim

import (
	"hash/crc32"
	"math/bits"

	"github.com/weirmq/weir/host"
)

// Kind says what happened in an Event.
type Kind uint8

// The kinds of events that enter the hash.
const (
	KindPick   Kind = iota + 1 // the scheduler chose a task to run
	KindSpawn                  // a task was created
	KindExit                   // a task ended
	KindTimer                  // a timer fired or a message arrived
	KindBoot                   // an incarnation began
	KindKill                   // an incarnation ended
	KindDisk                   // a disk call took effect
	KindNet                    // bytes were sent or a connection changed state
	KindStore                  // an object store call took effect
	KindFault                  // a fault was injected
	KindCrash                  // unsynced state was resolved at a crash
	KindMark                   // World.Mark: a fact of the workload
	KindRandom                 // a seeded secret was drawn
)

var kindNames = [...]string{
	"none", "pick", "spawn", "exit", "timer", "boot", "kill", "disk", "net", "store", "fault", "crash",
	"mark", "random",
}

// String returns the kind's name as it shows in traces.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Event is one logical fact that entered the hash. Who, A and B depend on the kind: task, machine or
// file ids, offsets, lengths, checksums. None of them is an address or a wall time.
type Event struct {
	N    uint64    // ordinal, from 1
	At   host.Time // virtual time
	Kind Kind
	Who  uint64
	A, B uint64
	Hash uint64 // rolling hash including this event

	Machine string // name of the machine that boots or is killed; else ""
}

// Checkpoint is the hash after a number of events, for finding the first event in which two runs differ.
type Checkpoint struct {
	Events uint64
	Hash   uint64
}

const (
	checkpointEvery = 1024 // events
	mixA            = 0x9E3779B97F4A7C15
	mixB            = 0xD6E8FEB86659FD93
)

func mix(h, x uint64) uint64 {
	hi, lo := bits.Mul64(h^x^mixA, mixB)
	return hi ^ bits.RotateLeft64(lo, 29) ^ h*mixA
}

// hashString is FNV-1a: names enter the hash through it, never through an address.
func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// note adds one event to the hash. It is called for every decision and every effect, so that two runs
// with the same hash did the same things in the same order.
func (w *World) note(k Kind, who, a, b uint64) {
	w.events++
	h := mix(w.hash, uint64(k)<<56^who)
	h = mix(h, a)
	h = mix(h, b^uint64(w.now))
	w.hash = h
	w.pulse.events.Store(w.events)
	if w.events == w.cfg.StopAt {
		w.stopped = true
	}
	if w.events%checkpointEvery == 0 {
		w.checkpoints = append(w.checkpoints, Checkpoint{w.events, h})
	}
	if w.cfg.OnEvent != nil {
		e := Event{N: w.events, At: w.now, Kind: k, Who: who, A: a, B: b, Hash: h}
		if k == KindBoot || k == KindKill {
			e.Machine = w.machines[who-1].name
		}
		w.cfg.OnEvent(e)
	}
}

// Mark adds a fact of the workload, such as a client's observed offset, to the hash.
func (w *World) Mark(what string, a, b uint64) { w.note(KindMark, hashString(what), a, b) }

// Hash returns the rolling hash over all events so far. Equal configurations give equal hashes, in
// whatever process and with whatever GOMAXPROCS.
func (w *World) Hash() uint64 { return w.hash }

// Events returns how many events entered the hash.
func (w *World) Events() uint64 { return w.events }

// Checkpoints returns the hash after every 1,024 events. The slice belongs to the world.
func (w *World) Checkpoints() []Checkpoint { return w.checkpoints }

// Diverged compares the checkpoints of two runs of one configuration. If they differ it returns the
// range of events that holds the first difference: after from, up to upto.
func Diverged(a, b []Checkpoint) (from, upto uint64, differ bool) {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return from, a[i].Events, true
		}
		from = a[i].Events
	}
	return from, from, len(a) != len(b)
}

// checksum is what of a byte string enters the hash.
func checksum(p []byte) uint64 {
	return uint64(crc32.Checksum(p, castagnoli))<<32 | uint64(len(p))
}
