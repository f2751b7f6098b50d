package shrink

import (
	"reflect"
	"slices"
	"time"

	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// otherNoise returns a function that gives n copies of a plan other seeds: its latencies and the order of its tasks are
// drawn anew, what its clients do and what goes wrong stays.
func otherNoise(n int) func(workload.Plan) []workload.Plan {
	return func(p workload.Plan) []workload.Plan {
		list := make([]workload.Plan, n)
		for i := range list {
			list[i] = p
			list[i].Seed = p.Seed + uint64(i+1)
		}
		return list
	}
}

// stillness takes the chance out of latencies before anything else goes. While they are drawn, a plan without one
// operation draws others for all that follow, and a failure that needs two things at once is gone; when each call
// takes as long as every other of its kind, what is left happens nearly when it did.
func stillness(s *Search[workload.Plan]) {
	const name = "latencies"
	all := func(sync time.Duration) func(workload.Plan) workload.Plan {
		return func(p workload.Plan) workload.Plan { return stillStore(stillNet(stillDisk(sync)(p))) }
	}
	try := func(changes ...func(workload.Plan) workload.Plan) bool {
		return slices.ContainsFunc(changes, func(change func(workload.Plan) workload.Plan) bool {
			return s.varied(name, len(changes), change(s.best))
		})
	}
	if try(all(time.Millisecond), all(slowSync)) {
		return
	}
	try(stillNet)
	try(stillStore)
	try(stillDisk(time.Millisecond), stillDisk(slowSync))
}

// slowSync leaves room for something else between a write and its sync.
const slowSync = 20 * time.Millisecond

func still(d time.Duration) sim.Latency { return sim.Latency{Min: d, Max: d} }

func stillDisk(sync time.Duration) func(workload.Plan) workload.Plan {
	return func(p workload.Plan) workload.Plan {
		d := &p.Settings.Disk
		d.Attach, d.Read, d.Write = still(2*time.Millisecond), still(100*time.Microsecond), still(50*time.Microsecond)
		d.Sync, d.Names = still(sync), still(20*time.Microsecond)
		return p
	}
}

func stillNet(p workload.Plan) workload.Plan {
	p.Settings.Net.Latency, p.Settings.Net.Local = still(200*time.Microsecond), still(10*time.Microsecond)
	return p
}

func stillStore(p workload.Plan) workload.Plan {
	p.Settings.Store.Latency = still(5 * time.Millisecond)
	return p
}

// smallNode makes the node about as small as a swarm draws it: what happens when something is full then needs fewer
// operations.
func smallNode(p workload.Plan) workload.Plan {
	const slab = 64 << 10
	n := &p.Settings.Node
	n.SlabBytes, n.Memory, n.WALCapacity = slab, 16*slab, min(n.WALCapacity, 4*slab)
	n.UploadBytes = min(n.UploadBytes, n.WALCapacity/4)
	return p
}

// plainest are the settings of the run that everything is a variation of, without chance.
func plainest() workload.Settings {
	p := stillStore(stillNet(stillDisk(time.Millisecond)(workload.Plan{Settings: workload.Plain()})))
	return p.Settings
}

// needed are the settings that the operations of a plan refer to, and those that are taken away as lists.
var needed = []string{"Duration", "Partitions", "Clients", "Ring"}

// plainer are changes that leave less in a plan to think about: every setting as in the plainest run, all at once, then
// one by one, then the parts of each; and batches of one small record.
func plainer() []func(workload.Plan) (workload.Plan, bool) {
	settings := reflect.TypeFor[workload.Settings]()
	var drawn, parts [][]int
	for i := range settings.NumField() {
		f := settings.Field(i)
		if slices.Contains(needed, f.Name) {
			continue
		}
		drawn = append(drawn, []int{i})
		for j := 0; f.Type.Kind() == reflect.Struct && j < f.Type.NumField(); j++ {
			parts = append(parts, []int{i, j})
		}
	}
	changes := []func(workload.Plan) (workload.Plan, bool){plain(drawn...)}
	for _, field := range append(drawn, parts...) {
		changes = append(changes, plain(field))
	}
	return append(changes,
		func(p workload.Plan) (_ workload.Plan, differs bool) { // no object is damaged
			if p.Settings.Beyond == nil || p.Settings.Beyond.At == 0 {
				return p, false
			}
			p.Settings.Beyond = &workload.BeyondSettings{}
			return p, true
		},
		func(p workload.Plan) (workload.Plan, bool) {
			return eachBatch(p, func(records []int) []int { return records[:min(1, len(records))] })
		},
		func(p workload.Plan) (workload.Plan, bool) {
			return eachBatch(p, func(records []int) []int { return make([]int, len(records)) })
		})
}

// plain gives some fields of the settings, or fields of their fields, the values of the plainest run.
func plain(fields ...[]int) func(workload.Plan) (workload.Plan, bool) {
	return func(p workload.Plan) (_ workload.Plan, differs bool) {
		values := plainest()
		from, to := reflect.ValueOf(values), reflect.ValueOf(&p.Settings).Elem()
		for _, i := range fields {
			x, y := to.FieldByIndex(i), from.FieldByIndex(i)
			differs = differs || !reflect.DeepEqual(x.Interface(), y.Interface())
			x.Set(y)
		}
		return p, differs
	}
}
