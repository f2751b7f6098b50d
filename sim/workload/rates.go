package workload

import (
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim"
)

// FaultRate says how often a fault strikes.
type FaultRate struct {
	Kind fault.Kind `json:"kind"`
	Rate sim.Rate   `json:"rate"` // parts of a million of its opportunities
}

// rateOf returns the field of f that holds the rate of a kind, nil if the simulator has none.
func rateOf(f *sim.Faults, kind fault.Kind) *sim.Rate {
	switch kind {
	case fault.TornWrite:
		return &f.TornSector
	case fault.PacketDrop:
		return &f.ConnReset
	case fault.DialRefused:
		return &f.DialRefused
	case fault.PacketDelay:
		return &f.NetStall
	case fault.StoreNotApplied:
		return &f.StoreError
	case fault.StoreApplied:
		return &f.StoreAppliedError
	case fault.StoreLate:
		return &f.StoreLate
	case fault.StoreStorm:
		return &f.StoreStorm
	case fault.BodyTruncated:
		return &f.StoreTruncated
	}
	return nil
}

// faults are the rates as the simulator takes them.
func (s *Settings) faults() sim.Faults {
	var f sim.Faults
	for _, r := range s.Rates {
		if field := rateOf(&f, r.Kind); field != nil {
			*field = r.Rate
		}
	}
	return f
}

// defaultRates are enough that each fault fires in most seeds, few enough that work gets done.
func defaultRates() []FaultRate {
	return []FaultRate{
		{fault.PacketDrop, 800}, {fault.DialRefused, 5_000}, {fault.PacketDelay, 500}, {fault.TornWrite, 100_000},
		{fault.StoreNotApplied, 30_000}, {fault.StoreApplied, 20_000}, {fault.StoreLate, 10_000},
		{fault.StoreStorm, 1_000}, {fault.BodyTruncated, 5_000},
	}
}

// healCore ends every fault.
func (r *run) healCore() {
	r.w.SetFaults(sim.Faults{})
	r.m.CrashAt(0, sim.BeforeEffect, sim.Seeded)
}

// excused counts the faults so far that may end the node's process.
func (r *run) excused() uint64 {
	var n uint64
	for _, f := range r.w.Fired() {
		switch f.Fault {
		case sim.FaultReadError, sim.FaultWriteError, sim.FaultSyncError, sim.FaultDirError, sim.FaultNoSpace:
			n += f.Count
		}
	}
	return n
}

// Draw returns what a seed decides before anything runs.
func Draw(seed uint64) Settings {
	s := Plain()
	s.Rates = defaultRates()
	return s
}

// count counts a fault that a client carried out.
func (r *run) count(fault.Kind) {}
