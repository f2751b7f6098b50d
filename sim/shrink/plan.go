package shrink

import (
	"slices"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/workload"
)

// Plan makes a failing plan of the workload small: it cuts what comes after the failure, takes the chance out of
// latencies, then takes away damage, faults,
// clients and operations, shortens what lasts, and makes settings plain, until nothing more goes. failed tells when the
// failure was found in the run of the smallest plan so far.
func Plan(p workload.Plan, failed func() host.Time, test Test[workload.Plan], o Options) *Search[workload.Plan] {
	s := New(p, test, o)
	s.noise = otherNoise(2)
	cut := func(s *Search[workload.Plan]) { Simplify(s, "what comes after the failure", after(failed)) }
	cut(s)
	stillness(s)
	if p := smallNode(s.best); p.Settings.Node != s.best.Settings.Node {
		s.varied("the node's sizes", 1, p)
	}
	s.Rounds(
		cut,
		func(s *Search[workload.Plan]) { Drop(s, ring) },
		func(s *Search[workload.Plan]) { Drop(s, faults) },
		func(s *Search[workload.Plan]) { Drop(s, clients) },
		func(s *Search[workload.Plan]) { Drop(s, operations) },
		func(s *Search[workload.Plan]) { Simplify(s, "the clients' time", shortRun) },
		shorten,
		func(s *Search[workload.Plan]) { Simplify(s, "settings", plainer()...) },
	)
	return s
}

// ring are the frames of the WAL that are damaged by themselves.
var ring = List[workload.Plan, workload.RingDamage]{
	Name: "damaged frames",
	Get:  func(p workload.Plan) []workload.RingDamage { return p.Settings.Ring },
	Set:  func(p workload.Plan, l []workload.RingDamage) workload.Plan { p.Settings.Ring = l; return p },
}

var faults = List[workload.Plan, fault.Step]{
	Name: "faults",
	Get:  func(p workload.Plan) []fault.Step { return p.Faults },
	Set:  func(p workload.Plan, l []fault.Step) workload.Plan { p.Faults = l; return p },
}

var operations = List[workload.Plan, workload.Op]{
	Name: "operations",
	Get:  func(p workload.Plan) []workload.Op { return p.Ops },
	Set:  func(p workload.Plan, l []workload.Op) workload.Plan { p.Ops = l; return p },
}

// clients takes a client away with its operations.
var clients = List[workload.Plan, workload.Client]{
	Name: "clients",
	Get:  func(p workload.Plan) []workload.Client { return p.Settings.Clients },
	Set: func(p workload.Plan, l []workload.Client) workload.Plan {
		kept := map[int32]bool{}
		for _, c := range l {
			kept[c.ID] = true
		}
		p.Settings.Clients = l
		p.Ops = slices.DeleteFunc(slices.Clone(p.Ops), func(op workload.Op) bool { return !kept[op.Client] })
		return p
	},
}

// after cuts operations and faults that could not have to do with a failure found at an instant. Operations count
// from the beginning of the clients' work, which is later than the world's: all that is cut came after.
func after(when func() host.Time) func(workload.Plan) (workload.Plan, bool) {
	return func(p workload.Plan) (workload.Plan, bool) {
		failed := when()
		n, m := len(p.Ops), len(p.Faults)
		p.Ops = slices.DeleteFunc(slices.Clone(p.Ops), func(op workload.Op) bool { return op.At > failed })
		p.Faults = slices.DeleteFunc(slices.Clone(p.Faults), func(s fault.Step) bool { return s.At > failed })
		return p, len(p.Ops) < n || len(p.Faults) < m
	}
}

const second = host.Time(time.Second)

// shortRun ends the clients' work a second after its last operation begins.
func shortRun(p workload.Plan) (workload.Plan, bool) {
	last := host.Time(0)
	for _, op := range p.Ops {
		last = max(last, op.At)
	}
	for _, s := range p.Faults {
		last = max(last, s.At)
	}
	until := time.Duration(last + second).Truncate(time.Millisecond)
	if until >= p.Settings.Duration {
		return p, false
	}
	p.Settings.Duration = until
	return p, true
}

// shorten makes windows and delays that are given shorter, one after another, in whole milliseconds.
func shorten(s *Search[workload.Plan]) {
	for i := range s.Best().Faults {
		Lower(s, Number[workload.Plan]{
			Name: "how long a fault lasts", Least: 1,
			Get: func(p workload.Plan) int64 { return p.Faults[i].For.Milliseconds() },
			Set: func(p workload.Plan, ms int64) workload.Plan {
				p.Faults = slices.Clone(p.Faults)
				p.Faults[i].For = time.Duration(ms) * time.Millisecond
				return p
			},
		})
	}
}

// eachBatch changes the sizes of the records of every batch.
func eachBatch(p workload.Plan, change func([]int) []int) (_ workload.Plan, differs bool) {
	p.Ops = slices.Clone(p.Ops)
	for i := range p.Ops {
		op := &p.Ops[i]
		op.Batches = slices.Clone(op.Batches)
		for j := range op.Batches {
			records := change(op.Batches[j].Records)
			differs = differs || !slices.Equal(records, op.Batches[j].Records)
			op.Batches[j].Records = records
		}
	}
	return p, differs
}
