package report

import (
	"slices"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim/run"
)

// faultRows is the catalogue of faults with what was counted of each.
func faultRows(e *Evidence) []faultRow {
	var list []faultRow
	for _, k := range fault.Kinds() {
		info := k.Info()
		row := faultRow{CanReal: info.Real, What: e.What[info.ID]}
		row.Fault, row.Promise = info.ID, "survived"
		if info.Promise == fault.Beyond {
			row.Promise = "reported"
		}
		if e.Sweep != nil {
			row.Sim = find(e.Sweep.Faults, info.ID)
		}
		if e.Real != nil {
			row.Real = find(e.Real.Faults, info.ID)
		}
		list = append(list, row)
	}
	return list
}

func find(rows []run.FaultRow, id string) *run.FaultRow {
	if i := slices.IndexFunc(rows, func(r run.FaultRow) bool { return r.Fault == id }); i >= 0 {
		return &rows[i]
	}
	return nil
}

// demanded reports whether a sweep is long enough for the demands on how often each fault fires.
func demanded(s *run.SweepFile) bool { return s.Count >= run.SweepDemands.From }

// realTally says how much of the catalogue was carried out on real processes.
func realTally(e *Evidence) string {
	kinds, times := 0, uint64(0)
	for _, r := range e.Real.Faults {
		if r.Fired > 0 {
			kinds, times = kinds+1, times+r.Fired
		}
	}
	return count(kinds) + plural(kinds, " kind") + ", " + count(times) + " times"
}

// simCell says where a fault stands in the simulation.
func simCell(r faultRow) string {
	if r.Sim == nil {
		return "not measured"
	}
	return count(r.Sim.Fired)
}

// realCell says where a fault stands with a real process.
func realCell(r faultRow) string {
	switch {
	case r.Real != nil && r.Real.Fired > 0:
		return count(r.Real.Fired) + " in " + count(r.Real.Seeds) + plural(r.Real.Seeds, " test")
	case r.CanReal:
		return "not done here"
	default:
		return "simulation only"
	}
}
