package workload

import (
	"slices"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim"
)

// FaultRate says how often a fault strikes.
type FaultRate struct {
	Kind fault.Kind `json:"kind"`
	Rate sim.Rate   `json:"rate"` // parts of a million of its opportunities
}

// usual are the rates of the faults that strike at opportunities: such that one that is on fires between about once
// and a few dozen times in a run, and work gets done. A seed turns about half of them off and bends the others.
var usual = []FaultRate{
	{fault.TornWrite, 300_000}, {fault.LostWrites, 200_000}, {fault.MisdirectRead, 350}, {fault.BitRot, 6_000},
	{fault.ReadError, 110}, {fault.WriteError, 220}, {fault.DirError, 20_000}, {fault.SyncError, 320},
	{fault.NoSpace, 800}, {fault.ShortWrite, 1_100}, {fault.ShortRead, 2_000},
	{fault.DiskSlow, 200}, {fault.DiskStall, 70},

	{fault.PacketDelay, 500}, {fault.PacketDrop, 800}, {fault.PacketRepeat, 1_000}, {fault.ResetMidway, 500},
	{fault.HalfOpen, 400_000}, {fault.AcceptHang, 10_000}, {fault.DialRefused, 10_000},

	{fault.StoreThrottle, 20_000}, {fault.StoreStorm, 1_000}, {fault.StoreNotApplied, 30_000},
	{fault.StoreApplied, 30_000}, {fault.StoreLate, 15_000}, {fault.StoreConflict, 100_000},
	{fault.StoreOwnExists, 200_000}, {fault.PartLost, 50_000}, {fault.PartUnknown, 50_000},
	{fault.StaleList, 100_000}, {fault.PartialList, 150_000}, {fault.GhostGet, 90_000},
	{fault.DeleteLost, 50_000}, {fault.DeleteLate, 50_000}, {fault.BodyTruncated, 8_000}, {fault.BodyFlipped, 5_000},
	{fault.WrongRange, 5_000}, {fault.Expired, 3_000}, {fault.SkewRefused, 3_000}, {fault.StoreSlow, 4_000},

	{fault.Usurp, 400_000}, {fault.Buggify, 20_000},
}

// Usual returns plain settings under the faults that every run had before there was a swarm: a fixed load to measure.
func Usual() Settings {
	s := Plain()
	s.Rates = []FaultRate{
		{fault.PacketDrop, 800}, {fault.DialRefused, 5_000}, {fault.PacketDelay, 500}, {fault.TornWrite, 100_000},
		{fault.StoreNotApplied, 30_000}, {fault.StoreApplied, 20_000}, {fault.StoreLate, 10_000},
		{fault.StoreStorm, 1_000}, {fault.BodyTruncated, 5_000},
	}
	return s
}

// faults are the rates as the simulator takes them.
func (s *Settings) faults() sim.Faults {
	var f sim.Faults
	rates := s.Rates
	if s.Beyond != nil {
		rates = append(slices.Clone(rates), s.Beyond.Rates...)
	}
	for _, r := range rates {
		if field := f.Of(r.Kind); field != nil {
			*field = r.Rate
		}
	}
	return f
}

// ends tells whether a fault may end the node's process, as PROTOCOL has it: the medium failed, or is not its own
// any more. Trouble of the store and the network may not.
func ends(kind fault.Kind) bool {
	switch kind {
	case fault.ReadError, fault.WriteError, fault.SyncError, fault.DirError, fault.NoSpace, fault.ShortWrite,
		fault.ShortRead, fault.MisdirectRead, fault.Usurp:
		return true
	}
	return kind.Info().Promise == fault.Beyond
}

// onFault is called with each fault that is carried out.
func (r *run) onFault(s fault.Step) {
	r.faults = append(r.faults, s)
	if s.Kind.Info().Promise == fault.Beyond && r.settings.Beyond != nil {
		r.damaged = true
		r.damages++
		r.said = append(r.said, "damage: "+s.String())
		if s.Kind == fault.MisdirectWrite {
			r.tails.astray()
		} else {
			r.lookAtTails()
		}
	}
	if ends(s.Kind) {
		r.excuses++
	}
	switch s.Kind {
	case fault.StaleList, fault.PartialList, fault.GhostGet, fault.BodyFlipped, fault.WrongRange, fault.DeleteLost,
		fault.DeleteLate:
		r.lies++ // the server's probe of the store may refuse such a store
	}
	if r.durableUnanswered() {
		r.between[s.Kind]++
	}
	if s.Kind == fault.Crash || s.Kind == fault.CrashLoop {
		r.crash.struck(s)
	}
}

// FaultCount is how often one kind of fault happened in a run.
type FaultCount struct {
	Kind    fault.Kind `json:"kind"`
	Fired   uint64     `json:"fired"`
	Between uint64     `json:"between"` // while some batch was durable and its client had not heard
}
