package cluster

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// Draw returns what a seed decides before anything runs: the shape of the cluster, clients, sizes and latencies, and
// which of the things that go wrong do so.
func Draw(seed uint64) workload.Settings {
	s := workload.Load(workload.Stream(seed, "load", 0))
	s.Cluster = drawCluster(workload.Stream(seed, "cluster", 0))
	s.Rates, s.Nemesis = nil, nil
	rng := workload.Stream(seed, "strikes", 0)
	if rng.IntN(8) > 0 { // some runs have nothing but clients
		drawStrikes(rng, &s)
	}
	if rng = workload.Stream(seed, "moves", 0); rng.IntN(3) > 0 {
		drawMoves(rng, &s)
	}
	drawZombies(workload.Stream(seed, "zombies", 0), &s)
	drawLosses(workload.Stream(seed, "losses", 0), &s)
	drawDrains(workload.Stream(seed, "drains", 0), &s)
	drawFrozen(workload.Stream(seed, "frozen", 0), &s)
	strikes := s.Cluster.Strikes
	slices.SortStableFunc(strikes, func(a, b workload.Strike) int { return cmp.Compare(a.At, b.At) })
	rng = workload.Stream(seed, "nemesis", 0)
	if rng.IntN(3) > 0 {
		s.Nemesis = drawNemesis(rng, &s)
	}
	rng = workload.Stream(seed, "rates", 0)
	if rng.IntN(3) == 0 {
		s.DrawRates(rng)
		s.Rates = slices.DeleteFunc(s.Rates, func(f workload.FaultRate) bool { return f.Kind == fault.Usurp })
	}
	return s
}

// Plain returns the settings of three nodes with both roles, one client of each kind, and nothing that goes wrong.
func Plain() workload.Settings {
	s := workload.Plain()
	s.Crash, s.Rates, s.Nemesis = workload.CrashSettings{}, nil, nil
	s.Disk.Sync = sim.Latency{Min: 200 * time.Microsecond, Max: 2 * time.Millisecond}
	c := &workload.ClusterSettings{Lease: 3 * time.Second}
	for i := range int32(3) {
		c.Nodes = append(c.Nodes, workload.ClusterNode{Name: name(i), ID: i + 1, Broker: true, Controller: true})
	}
	s.Cluster = c
	return s
}

func name(i int32) string { return fmt.Sprint("n", i+1) }

// drawCluster draws nodes: both roles on all of them, or controllers and brokers apart, or anything between.
func drawCluster(rng *rand.Rand) *workload.ClusterSettings {
	c := &workload.ClusterSettings{Hints: rng.IntN(2) == 0, Gossip: rng.IntN(2) == 0}
	c.Lease = pick(rng, 1500*time.Millisecond, 3*time.Second, 3*time.Second)
	controllers := pick[int32](rng, 1, 3, 3, 3, 5)
	brokers := 1 + rng.Int32N(8)
	if rng.IntN(3) > 0 {
		brokers = 2 + rng.Int32N(3)
	}
	both := min(controllers, brokers) // so many nodes have both roles
	if rng.IntN(3) == 0 {
		both = rng.Int32N(both + 1)
	}
	racks := 1 + rng.IntN(3)
	for i := range controllers + brokers - both {
		n := workload.ClusterNode{Name: name(i), ID: i + 1, Controller: i < controllers, Broker: i < both || i >= controllers}
		if racks > 1 {
			n.Rack = fmt.Sprint("zone-", rng.IntN(racks))
		}
		c.Nodes = append(c.Nodes, n)
	}
	return c
}

func pick[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// drawStrikes draws what befalls nodes.
func drawStrikes(rng *rand.Rand, s *workload.Settings) {
	c := s.Cluster
	at := func() time.Duration { return time.Duration(rng.Int64N(int64(s.Duration))) }
	back := func() time.Duration { return 1 + workload.Between(rng, 10*time.Millisecond, 3*c.Lease) }
	kill := func(when time.Duration, names ...string) {
		c.Strikes = append(c.Strikes, workload.Strike{At: when, Kind: workload.StrikeKill, Nodes: names, Back: back(),
			Calls: uint64(rng.IntN(60)), After: rng.IntN(2) == 0})
	}
	for range rng.IntN(5) {
		kill(at(), c.Nodes[rng.IntN(len(c.Nodes))].Name)
	}
	for range rng.IntN(3) {
		c.Strikes = append(c.Strikes, workload.Strike{At: at(), Kind: workload.StrikeStop,
			Nodes: []string{c.Nodes[rng.IntN(len(c.Nodes))].Name}, Back: back()})
	}
	switch rng.IntN(6) {
	case 0: // all brokers at once
		kill(at(), names(c, func(n *workload.ClusterNode) bool { return n.Broker })...)
	case 1: // a zone
		rack := c.Nodes[rng.IntN(len(c.Nodes))].Rack
		kill(at(), names(c, func(n *workload.ClusterNode) bool { return n.Rack == rack })...)
	case 2: // a rolling restart
		from := at() / 2
		for i := range c.Nodes {
			c.Strikes = append(c.Strikes, workload.Strike{At: from + time.Duration(i)*time.Second, Kind: workload.StrikeStop,
				Nodes: []string{c.Nodes[i].Name}, Back: 1 + time.Duration(rng.Int64N(int64(time.Second)))})
		}
	}
}

// drawZombies draws pauses in the middle of commits, about as long as a lease or longer.
func drawZombies(rng *rand.Rand, s *workload.Settings) {
	c := s.Cluster
	brokers := names(c, func(n *workload.ClusterNode) bool { return n.Broker })
	for range rng.IntN(4) {
		z := workload.Strike{At: time.Duration(rng.Int64N(int64(s.Duration))), Kind: workload.StrikeZombie,
			Nodes: []string{pick(rng, brokers...)}, After: rng.IntN(2) == 0, Slow: rng.IntN(2) == 0,
			Grace: c.Lease/2 + time.Duration(rng.Int64N(int64(3*c.Lease)))}
		if z.Slow { // longer than the lease, and to its clock shorter
			z.Grace = c.Lease*5/4 + time.Duration(rng.Int64N(int64(c.Lease/4)))
		}
		c.Strikes = append(c.Strikes, z)
	}
}

// drawLosses draws nodes that go for ever, with a notice or without: at most half of the brokers, and never most of the
// controllers.
func drawLosses(rng *rand.Rand, s *workload.Settings) {
	c := s.Cluster
	if rng.IntN(2) == 0 {
		return
	}
	brokers := len(names(c, func(n *workload.ClusterNode) bool { return n.Broker }))
	controllers := len(names(c, func(n *workload.ClusterNode) bool { return n.Controller }))
	mayBrokers, mayControllers := brokers/2, (controllers-1)/2
	for _, i := range rng.Perm(len(c.Nodes)) {
		n := &c.Nodes[i]
		if n.Broker && mayBrokers == 0 || n.Controller && mayControllers == 0 || rng.IntN(2) == 0 {
			continue
		}
		if n.Broker {
			mayBrokers--
		}
		if n.Controller {
			mayControllers--
		}
		strike := workload.Strike{At: time.Duration(rng.Int64N(int64(s.Duration))), Nodes: []string{n.Name},
			Kind: workload.StrikeKill, Calls: uint64(rng.IntN(60)), After: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			strike.Kind, strike.Calls, strike.After = workload.StrikeNotice, 0, false
			strike.Grace = workload.Between(rng, 100*time.Millisecond, 20*time.Second)
		}
		c.Strikes = append(c.Strikes, strike)
	}
}

// drawMoves draws what an operator asks for.
func drawMoves(rng *rand.Rand, s *workload.Settings) {
	c := s.Cluster
	brokers := names(c, func(n *workload.ClusterNode) bool { return n.Broker })
	for range rng.IntN(16) {
		c.Strikes = append(c.Strikes, workload.Strike{At: time.Duration(rng.Int64N(int64(s.Duration))),
			Kind: workload.StrikeMove, Nodes: []string{pick(rng, brokers...)}, Partition: rng.Int32N(s.Partitions),
			After: rng.IntN(2) == 0})
	}
}

// drawFrozen draws which nodes stay in trouble when the others are healed.
func drawFrozen(rng *rand.Rand, s *workload.Settings) {
	for i := range s.Cluster.Nodes {
		if rng.IntN(6) == 0 {
			s.Cluster.Frozen = append(s.Cluster.Frozen, workload.Frozen{Node: s.Cluster.Nodes[i].Name,
				How: pick(rng, workload.FreezePaused, workload.FreezeCut, workload.FreezeDeaf, workload.FreezeMute)})
		}
	}
}

// drawDrains draws brokers that an operator has drained, and stops a while later.
func drawDrains(rng *rand.Rand, s *workload.Settings) {
	c := s.Cluster
	brokers := names(c, func(n *workload.ClusterNode) bool { return n.Broker })
	for range rng.IntN(3) {
		at, name := time.Duration(rng.Int64N(int64(s.Duration))), pick(rng, brokers...)
		c.Strikes = append(c.Strikes, workload.Strike{At: at, Kind: workload.StrikeDrain, Nodes: []string{name}},
			workload.Strike{At: at + workload.Between(rng, 10*time.Millisecond, 10*time.Second), Kind: workload.StrikeStop,
				Nodes: []string{name}, Back: 1 + workload.Between(rng, 10*time.Millisecond, c.Lease)})
	}
}

func names(c *workload.ClusterSettings, want func(*workload.ClusterNode) bool) (list []string) {
	for i := range c.Nodes {
		if want(&c.Nodes[i]) {
			list = append(list, c.Nodes[i].Name)
		}
	}
	return list
}

// drawNemesis draws what goes wrong at a time and for a while: cuts between any two, clogs, pauses longer than a lease,
// clocks, outages of the store.
func drawNemesis(rng *rand.Rand, s *workload.Settings) fault.Plan {
	kinds := []fault.Kind{
		fault.Partition, fault.Partition, fault.CutOneWay, fault.CutOneWay, fault.Clog, fault.SlowLink, fault.StoreStorm,
		fault.StoreOutage, fault.ClockSkew, fault.ClockDrift, fault.ClockStep, fault.ClockStrobe, fault.Pause, fault.Pause,
	}
	rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	var p fault.Plan
	for _, k := range kinds[:rng.IntN(len(kinds)*2/3)] {
		for range 1 + rng.IntN(3) {
			p = append(p, drawStep(rng, k, s))
		}
	}
	slices.SortStableFunc(p, func(a, b fault.Step) int { return cmp.Compare(a.At, b.At) })
	return p
}

func drawStep(rng *rand.Rand, k fault.Kind, s *workload.Settings) fault.Step {
	step := fault.Step{At: host.Time(rng.Int64N(int64(s.Duration))), Nth: 1, Kind: k, Arg: rng.Uint64()}
	step.For = workload.Between(rng, 20*time.Millisecond, 3*s.Cluster.Lease)
	any := func() string { return s.Cluster.Nodes[rng.IntN(len(s.Cluster.Nodes))].Name }
	switch k.Info().On {
	case fault.OnLink:
		from, to := any(), pick(rng, any(), any(), workload.StoreSide, workload.CoreClients)
		if from == to {
			to = workload.StoreSide
		}
		if rng.IntN(2) == 0 {
			from, to = to, from
		}
		step.Target = from + ">" + to
	case fault.OnStore:
		step.Target = workload.StoreSide
	default:
		step.Target = any()
	}
	switch k {
	case fault.ClockStep:
		step.For = 0
	case fault.ClockSkew, fault.ClockDrift:
		step.For = workload.Between(rng, time.Second, s.Duration)
	}
	return step
}
