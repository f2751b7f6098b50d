package sim

import (
	"math/rand/v2"

	"github.com/weirmq/weir/fault"
)

// Rate is a probability in parts per million of the opportunities it applies to.
type Rate uint32

// Always is the rate of a fault that strikes at every opportunity.
const Always Rate = 1_000_000

func (r Rate) hits(rng *rand.Rand) bool {
	return r > 0 && (r >= Always || rng.Uint32N(uint32(Always)) < uint32(r))
}

// Faults says how often each kind of fault strikes. The zero value injects none. Kinds that are not here last for a
// while or belong to the workload: they come from Config.Plan, World.Inject and World.CountFault alone.
type Faults struct {
	TornSector    Rate // D1.torn-write: a crash of a volume tears some of the sectors that it loses
	LostWrites    Rate // D2.lost-writes: a crash of a volume loses unsynced state, whatever its fate was to be
	MisdirectRead Rate // D3.misdirected-read
	Misdirect     Rate // D3.misdirected-write
	BitFlip       Rate // D4.bit-rot
	StaleChunk    Rate // D5.stale-chunk, of the boots of a machine, for each of its volumes
	Truncate      Rate // D5.truncated, likewise
	FileMissing   Rate // D5.file-missing, likewise
	ReadError     Rate // D6.read-error: File.ReadAt fails with ErrIO
	WriteError    Rate // D6.write-error: File.WriteAt fails with ErrIO after any part of it was applied
	DirError      Rate // D6.dir-error: SyncDir fails; its entries stay pending
	SyncError     Rate // D7.sync-error: what was unsynced is kept or lost at random, and the File is dead
	NoSpace       Rate // D8.no-space: a write or create fails with ErrNoSpace
	ShortWrite    Rate // D8.short-write
	ShortRead     Rate // D8.short-read
	DiskSlow      Rate // D9.slow: a disk call takes up to a second more
	DiskStall     Rate // D9.stall: a disk call takes between 1 and 30 s more

	NetStall     Rate // N1.delay: a message takes up to Net.Stall/2 more; what is behind it waits
	ConnReset    Rate // N1.drop: a Write breaks its connection at both ends, and nothing of it arrives
	PacketRepeat Rate // N1.repeat: what a dialer wrote arrives once more, on a new connection; see Config.Repeat
	ResetMidway  Rate // N4.reset: a Write breaks its connection after a part of it
	HalfOpen     Rate // N4.half-open: at a kill a connection's peer is told nothing
	AcceptHang   Rate // N4.accept-hang
	DialRefused  Rate // N4.refused: a Dial is refused although somebody listens

	StoreThrottle     Rate // O1.throttle
	StoreStorm        Rate // O1.storm: a store call starts one: for a while nine of ten calls fail
	StoreError        Rate // O2.not-applied: a store call fails and had no effect
	StoreAppliedError Rate // O2.applied: a put or delete fails and took effect
	StoreLate         Rate // O2.applied-late: … takes effect later, even after its caller's death
	StoreConflict     Rate // O3.conflict
	StoreOwnExists    Rate // O3.own-retry
	PartLost          Rate // O4.part-lost
	PartUnknown       Rate // O4.complete-unknown
	StaleList         Rate // O5.stale-list: a List shows the keys as they were up to Store.StaleMax ago
	PartialList       Rate // O5.partial-list
	GhostGet          Rate // O5.ghost-get
	DeleteLost        Rate // O5.delete-lost
	DeleteLate        Rate // O5.delete-late
	StoreTruncated    Rate // O6.truncated: a get fails after filling a part of dst
	BodyFlipped       Rate // O6.flipped
	WrongRange        Rate // O6.wrong-range
	Expired           Rate // O6.expired
	SkewRefused       Rate // O6.clock-skew
	StoreSlow         Rate // O7.slow

	Crash       Rate // P1.crash, of a machine's I/O calls
	CrashLoop   Rate // P1.crash-loop, likewise
	Wipe        Rate // P2.wipe, of the boots of a machine, for each of its volumes
	SwapVolumes Rate // P2.swap, likewise
	Usurp       Rate // C2.usurp, of the pauses of a machine; see Config.Usurp
	Buggify     Rate // P7.buggify: the highest rate of a site; see simHost.Buggify
}

// Of returns the field that holds the rate of a kind, nil for a kind that strikes at no rate.
func (f *Faults) Of(kind fault.Kind) *Rate {
	for i := range fields {
		if fields[i].kind == kind {
			return fields[i].of(f)
		}
	}
	return nil
}

// fields are the kinds that strike at a rate.
var fields = [...]struct {
	kind fault.Kind
	of   func(*Faults) *Rate
}{
	{fault.TornWrite, func(f *Faults) *Rate { return &f.TornSector }},
	{fault.LostWrites, func(f *Faults) *Rate { return &f.LostWrites }},
	{fault.MisdirectRead, func(f *Faults) *Rate { return &f.MisdirectRead }},
	{fault.MisdirectWrite, func(f *Faults) *Rate { return &f.Misdirect }},
	{fault.BitRot, func(f *Faults) *Rate { return &f.BitFlip }},
	{fault.StaleChunk, func(f *Faults) *Rate { return &f.StaleChunk }},
	{fault.Truncated, func(f *Faults) *Rate { return &f.Truncate }},
	{fault.FileMissing, func(f *Faults) *Rate { return &f.FileMissing }},
	{fault.ReadError, func(f *Faults) *Rate { return &f.ReadError }},
	{fault.WriteError, func(f *Faults) *Rate { return &f.WriteError }},
	{fault.DirError, func(f *Faults) *Rate { return &f.DirError }},
	{fault.SyncError, func(f *Faults) *Rate { return &f.SyncError }},
	{fault.NoSpace, func(f *Faults) *Rate { return &f.NoSpace }},
	{fault.ShortWrite, func(f *Faults) *Rate { return &f.ShortWrite }},
	{fault.ShortRead, func(f *Faults) *Rate { return &f.ShortRead }},
	{fault.DiskSlow, func(f *Faults) *Rate { return &f.DiskSlow }},
	{fault.DiskStall, func(f *Faults) *Rate { return &f.DiskStall }},
	{fault.PacketDelay, func(f *Faults) *Rate { return &f.NetStall }},
	{fault.PacketDrop, func(f *Faults) *Rate { return &f.ConnReset }},
	{fault.PacketRepeat, func(f *Faults) *Rate { return &f.PacketRepeat }},
	{fault.ResetMidway, func(f *Faults) *Rate { return &f.ResetMidway }},
	{fault.HalfOpen, func(f *Faults) *Rate { return &f.HalfOpen }},
	{fault.AcceptHang, func(f *Faults) *Rate { return &f.AcceptHang }},
	{fault.DialRefused, func(f *Faults) *Rate { return &f.DialRefused }},
	{fault.StoreThrottle, func(f *Faults) *Rate { return &f.StoreThrottle }},
	{fault.StoreStorm, func(f *Faults) *Rate { return &f.StoreStorm }},
	{fault.StoreNotApplied, func(f *Faults) *Rate { return &f.StoreError }},
	{fault.StoreApplied, func(f *Faults) *Rate { return &f.StoreAppliedError }},
	{fault.StoreLate, func(f *Faults) *Rate { return &f.StoreLate }},
	{fault.StoreConflict, func(f *Faults) *Rate { return &f.StoreConflict }},
	{fault.StoreOwnExists, func(f *Faults) *Rate { return &f.StoreOwnExists }},
	{fault.PartLost, func(f *Faults) *Rate { return &f.PartLost }},
	{fault.PartUnknown, func(f *Faults) *Rate { return &f.PartUnknown }},
	{fault.StaleList, func(f *Faults) *Rate { return &f.StaleList }},
	{fault.PartialList, func(f *Faults) *Rate { return &f.PartialList }},
	{fault.GhostGet, func(f *Faults) *Rate { return &f.GhostGet }},
	{fault.DeleteLost, func(f *Faults) *Rate { return &f.DeleteLost }},
	{fault.DeleteLate, func(f *Faults) *Rate { return &f.DeleteLate }},
	{fault.BodyTruncated, func(f *Faults) *Rate { return &f.StoreTruncated }},
	{fault.BodyFlipped, func(f *Faults) *Rate { return &f.BodyFlipped }},
	{fault.WrongRange, func(f *Faults) *Rate { return &f.WrongRange }},
	{fault.Expired, func(f *Faults) *Rate { return &f.Expired }},
	{fault.SkewRefused, func(f *Faults) *Rate { return &f.SkewRefused }},
	{fault.StoreSlow, func(f *Faults) *Rate { return &f.StoreSlow }},
	{fault.Crash, func(f *Faults) *Rate { return &f.Crash }},
	{fault.CrashLoop, func(f *Faults) *Rate { return &f.CrashLoop }},
	{fault.Wipe, func(f *Faults) *Rate { return &f.Wipe }},
	{fault.SwapVolumes, func(f *Faults) *Rate { return &f.SwapVolumes }},
	{fault.Usurp, func(f *Faults) *Rate { return &f.Usurp }},
	{fault.Buggify, func(f *Faults) *Rate { return &f.Buggify }},
}

// kindCount is the size of the catalogue.
const kindCount = int(fault.StaleMetadata) + 1

// rates are Faults by kind.
type rates [kindCount]Rate

func (f *Faults) rates() rates {
	var r rates
	for i := range fields {
		r[fields[i].kind] = *fields[i].of(f)
	}
	return r
}

// SetFaults replaces the rates from now on, for every machine that has none of its own.
func (w *World) SetFaults(f Faults) { w.rates = f.rates() }

// SetFaults gives m rates of its own; nil returns it to the world's.
func (m *Machine) SetFaults(f *Faults) {
	m.rates = &m.w.rates
	if f != nil {
		r := f.rates()
		m.rates = &r
	}
}
