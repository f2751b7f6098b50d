package sim

import "math/rand/v2"

// Rate is a probability in parts per million of the calls it applies to.
type Rate uint32

// Always is the rate of a fault that hits every call.
const Always Rate = 1_000_000

func (r Rate) hits(rng *rand.Rand) bool {
	return r > 0 && (r >= Always || rng.Uint32N(uint32(Always)) < uint32(r))
}

// Faults says how often each fault is injected. The zero value injects none.
type Faults struct {
	ReadError  Rate // File.ReadAt fails with ErrIO
	WriteError Rate // File.WriteAt fails with ErrIO after any part of it was applied
	SyncError  Rate // Sync fails: what was unsynced is kept or lost at random, and the File is dead
	DirError   Rate // SyncDir fails; its entries stay pending
	NoSpace    Rate // a write or create fails with ErrNoSpace
	DiskStall  Rate // a disk call takes between 1 and 30 s more
	BitFlip    Rate // one durable bit in the range of a read flips, for good, before the read
	TornSector Rate // at a crash: an unsynced sector keeps only its first bytes

	ConnReset   Rate // a Write breaks its connection, at both ends
	DialRefused Rate // a Dial is refused although somebody listens
	HalfOpen    Rate // at a kill: a connection's peer is told nothing
	NetStall    Rate // a message takes up to Net.Stall/2 more; what is behind it waits

	StoreError        Rate // a store call fails and had no effect
	StoreAppliedError Rate // a store call fails and took effect
	StoreLate         Rate // a put or delete fails and takes effect later, even after its caller's death
	StoreStorm        Rate // a store call starts a storm: for a while nine of ten calls fail
	StoreTruncated    Rate // a get fails after filling a part of dst
	StaleList         Rate // a List shows the keys as they were up to Store.StaleMax ago
}

// Fault names a field of Faults.
type Fault uint8

// The faults, in the order of the fields of Faults.
const (
	FaultReadError Fault = iota
	FaultWriteError
	FaultSyncError
	FaultDirError
	FaultNoSpace
	FaultDiskStall
	FaultBitFlip
	FaultTornSector
	FaultConnReset
	FaultDialRefused
	FaultHalfOpen
	FaultNetStall
	FaultStoreError
	FaultStoreAppliedError
	FaultStoreLate
	FaultStoreStorm
	FaultStoreTruncated
	FaultStaleList
	faultCount
)

var faultNames = [faultCount]string{
	"read error", "write error", "sync error", "dir error", "no space", "disk stall", "bit flip", "torn sector",
	"conn reset", "dial refused", "half open", "net stall",
	"store error", "store applied error", "store late", "store storm", "store truncated", "stale list",
}

// String returns the fault's name as it shows in reports.
func (f Fault) String() string {
	if f < faultCount {
		return faultNames[f]
	}
	return "unknown fault"
}

// rates returns the fields in the order of the Fault constants.
func (f *Faults) rates() [faultCount]Rate {
	return [faultCount]Rate{
		f.ReadError, f.WriteError, f.SyncError, f.DirError, f.NoSpace, f.DiskStall, f.BitFlip, f.TornSector,
		f.ConnReset, f.DialRefused, f.HalfOpen, f.NetStall,
		f.StoreError, f.StoreAppliedError, f.StoreLate, f.StoreStorm, f.StoreTruncated, f.StaleList,
	}
}

// FaultCount is how often one fault was injected.
type FaultCount struct {
	Fault Fault
	Count uint64
}

// Fired returns how often each fault was injected so far, in the order of the constants.
func (w *World) Fired() []FaultCount {
	list := make([]FaultCount, faultCount)
	for i := range list {
		list[i] = FaultCount{Fault(i), w.fired[i]}
	}
	return list
}

// SetFaults replaces the rates from now on, for every machine that has none of its own.
func (w *World) SetFaults(f Faults) { w.rates = f.rates() }

// SetFaults gives m rates of its own; nil returns it to the world's.
func (m *Machine) SetFaults(f *Faults) {
	m.rates = nil
	if f != nil {
		r := f.rates()
		m.rates = &r
	}
}

// hit decides whether fault f strikes a call of machine m (nil: of nobody in particular). Each fault
// draws from its own stream.
func (w *World) hit(m *Machine, f Fault) bool {
	rates := &w.rates
	if m != nil && m.rates != nil {
		rates = m.rates
	}
	if !rates[f].hits(w.faultRand[f]) {
		return false
	}
	w.fired[f]++
	var who uint64
	if m != nil {
		who = m.id
	}
	w.note(KindFault, who, uint64(f), w.fired[f])
	return true
}
