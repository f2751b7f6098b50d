package run

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/internal/probe"
)

// FaultRow is what a sweep did of one kind of fault.
type FaultRow struct {
	Fault   string `json:"fault"` // its ID
	Promise string `json:"promise,omitempty"`
	Fired   uint64 `json:"fired"`
	Seeds   int    `json:"seeds"`   // in which it fired
	Between uint64 `json:"between"` // times that it fired between an effect and its acknowledgement
}

// ProbeRow is what a sweep reached of one rare place.
type ProbeRow struct {
	Probe string `json:"probe"`
	Hits  uint64 `json:"hits"`
	Seeds int    `json:"seeds"` // that reached it
}

// faultTable sums up the faults of results: every kind of the catalogue, in its order.
type faultTable struct {
	rows   map[string]*FaultRow
	combos map[string]bool
}

func (t *faultTable) add(r *Result) {
	if t.rows == nil {
		t.rows, t.combos = map[string]*FaultRow{}, map[string]bool{}
	}
	var kinds []string
	for _, f := range r.Fired {
		row := t.row(f.Fault)
		row.Fired += f.Count
		if f.Count > 0 {
			row.Seeds++
			kinds = append(kinds, f.Fault)
		}
	}
	for _, f := range r.Between {
		t.row(f.Fault).Between += f.Count
	}
	slices.Sort(kinds)
	t.combos[strings.Join(kinds, " ")] = true
}

func (t *faultTable) row(id string) *FaultRow {
	if t.rows[id] == nil {
		t.rows[id] = &FaultRow{Fault: id}
	}
	return t.rows[id]
}

func (t *faultTable) list() []FaultRow {
	list := make([]FaultRow, 0, len(t.rows))
	for _, k := range fault.Kinds() {
		row := FaultRow{Fault: k.String()}
		if have := t.rows[row.Fault]; have != nil {
			row = *have
		}
		row.Promise = "survived"
		if k.Info().Promise == fault.Beyond {
			row.Promise = "reported"
		}
		list = append(list, row)
	}
	return list
}

// probeTable sums up the rare places that results reached.
type probeTable map[string]*ProbeRow

func (t probeTable) add(r *Result) {
	for _, p := range r.Probes {
		if t[p.Name] == nil {
			t[p.Name] = &ProbeRow{Probe: p.Name}
		}
		t[p.Name].Hits += p.Hits
		t[p.Name].Seeds++
	}
}

// list returns every rare place that this program knows, by name.
func (t probeTable) list() []ProbeRow {
	var list []ProbeRow
	for _, c := range probe.Counts() {
		if row := t[c.Name]; row != nil {
			list = append(list, *row)
		} else {
			list = append(list, ProbeRow{Probe: c.Name})
		}
	}
	return list
}

// Demands are what a sweep must have done to each kind of fault. Nobody can ask that of a short sweep.
type Demands struct {
	From  int    // seeds from which on they are demanded
	Fired uint64 // times, for 1,000 seeds
	Seeds int    // in which it fired, for 1,000 seeds
}

// SweepDemands are the demands on a sweep of this repository.
var SweepDemands = Demands{From: 1000, Fired: 100, Seeds: 20}

// unmet lists what rows lack of the demands, scaled to a number of seeds.
func (d Demands) unmet(rows []FaultRow, seeds int) []string {
	var list []string
	for _, r := range rows {
		fired, in := d.Fired*uint64(seeds)/1000, d.Seeds*seeds/1000
		switch {
		case r.Fault == fault.Misaligned.String(): // counts calls that were refused: each is a bug of weir
		case r.Fired < fired || r.Seeds < in:
			list = append(list, fmt.Sprintf("%s fired %d times in %d seeds; %d times in %d are needed",
				r.Fault, r.Fired, r.Seeds, fired, in))
		case betweenWanted(r.Fault) && r.Between == 0 && seeds >= d.From:
			list = append(list, fmt.Sprintf("%s never fired between an effect and its acknowledgement", r.Fault))
		}
	}
	return list
}

// alone are the kinds that cannot fire between an effect and its acknowledgement: they strike what is not running, or
// are no events but conditions.
var alone = []fault.Kind{
	fault.StaleChunk, fault.Truncated, fault.FileMissing, fault.Wipe, fault.SwapVolumes, fault.TinySettings,
}

func betweenWanted(id string) bool {
	return !slices.ContainsFunc(alone, func(k fault.Kind) bool { return k.String() == id })
}

// tally sorts names by how often each was counted, the most frequent first.
func tally(counts map[string]int) []Tally {
	list := make([]Tally, 0, len(counts))
	for name, n := range counts {
		list = append(list, Tally{name, n})
	}
	slices.SortFunc(list, func(x, y Tally) int { return cmp.Or(y.Count-x.Count, cmp.Compare(x.Name, y.Name)) })
	return list
}
