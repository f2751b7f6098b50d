package controller_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/sim"
)

// worldFaults strike all the time that a world has trouble.
var worldFaults = sim.Faults{
	NetStall: 2000, ConnReset: 2000, PacketRepeat: 5000, ResetMidway: 2000, HalfOpen: 300_000, AcceptHang: 5000,
	DialRefused: 10_000, DiskSlow: 3000, DiskStall: 50, SyncError: 200, TornSector: 100_000, Buggify: 20_000,
}

// settled waits until all members vote, one leads and all have applied the same.
func (x *world) settled(t *testing.T) {
	t.Helper()
	until := x.w.Now() + host.Time(time.Minute)
	require.NoError(t, x.w.Run(func() bool { return x.agreed() || x.w.Now() > until }))
	if !x.agreed() {
		for _, n := range x.nodes {
			t.Logf("%s %x, removed %v, ended with %v", n.name, n.id, n.gone, n.why)
			if n.up != nil {
				t.Logf("%+v", n.up.Status())
			}
		}
		t.Fatalf("Progress: no agreement a minute after the trouble ended")
	}
}

func (x *world) agreed() bool {
	leaders, applied, voters := 0, map[uint64]bool{}, 0
	for _, n := range x.nodes {
		if n.gone {
			continue
		}
		if n.up == nil {
			return false
		}
		s := n.up.Status()
		if s.Leads {
			leaders++
		}
		if s.Self.Voter && len(s.Members) == x.size {
			voters++
		}
		applied[s.Applied] = true
	}
	return leaders == 1 && len(applied) == 1 && voters == x.size
}

// leader is the node that leads with the highest term, nil if nobody does.
func (x *world) leader() *worldNode {
	var best *worldNode
	var most uint64
	for _, n := range x.nodes {
		if n.up != nil && !n.gone {
			if leads, term := n.up.Leads(); leads && term > most {
				best, most = n, term
			}
		}
	}
	return best
}

// trouble does something to the controllers every now and then, until a time.
func (x *world) trouble(until host.Time) {
	if x.w.Now() >= until {
		return
	}
	n := x.nodes[x.rng.IntN(len(x.nodes))]
	if l := x.leader(); l != nil && x.rng.IntN(3) == 0 {
		n = l
	}
	m, other := x.w.Machine(n.name), x.nodes[x.rng.IntN(len(x.nodes))]
	switch x.rng.IntN(11) {
	default:
		x.w.Heal()
	case 1:
		m.Kill()
	case 2:
		m.CrashAt(m.Calls()+1+x.rng.Uint64N(20), sim.When(x.rng.IntN(2)), sim.Seeded)
	case 3:
		x.w.Block(n.name, other.name) // one way
	case 4:
		var rest []string
		for _, o := range x.nodes {
			if o != n && o != other {
				rest = append(rest, o.name)
			}
		}
		x.w.Partition([]string{n.name, other.name}, rest)
	case 5:
		m.Pause(time.Duration(x.rng.IntN(3000)) * time.Millisecond)
	case 6:
		m.SetFaults(&sim.Faults{DiskSlow: 300_000})
		x.w.After(host.Time(time.Second), func() { m.SetFaults(nil) })
	case 7:
		x.w.Block(n.name, fmt.Sprint("k", x.rng.IntN(2)))
	}
	x.w.After(host.Time(200+x.rng.IntN(800))*host.Time(time.Millisecond), func() { x.trouble(until) })
}

// tend boots what is down, a while after it died.
func (x *world) tend() {
	for _, n := range x.nodes {
		if x.w.Machine(n.name).Alive() {
			n.back = 0
			continue
		}
		n.up = nil
		if n.back == 0 {
			n.back = x.w.Now() + host.Time(x.rng.IntN(2000))*host.Time(time.Millisecond)
		} else if x.w.Now() >= n.back && !n.gone {
			x.boot(n)
		}
	}
	x.w.After(host.Time(50*time.Millisecond), x.tend)
}

// judge checks the counter: every answer is some moment between call and return.
func (x *world) judge(t *testing.T) {
	t.Helper()
	slices.SortFunc(x.ops, func(a, b *worldOp) int { return cmp.Compare(a.call, b.call) })
	adds := 0
	given := map[int64]bool{}
	for _, a := range x.ops {
		if !a.read {
			require.False(t, given[a.value], "IDNeverReused: epoch %d", a.value)
			given[a.value] = true
			adds++
		}
		for _, b := range x.ops {
			switch {
			case a.ret >= b.call || a.value < b.value || a.value == b.value && b.read:
			default:
				t.Fatalf("NotLinear: %+v was answered before %+v began", *a, *b)
			}
		}
	}
	var last int64 = math.MinInt64
	x.nodes[0].up.Read(func(s *metadata.State) {
		require.NoError(t, s.Check())
		for _, b := range s.Brokers() {
			last = max(last, b.Epoch)
			delete(given, b.Epoch)
		}
	})
	for e := range given { // a broker that lived twice shows its last epoch alone
		require.True(t, slices.ContainsFunc(x.lives, func(l *worldLease) bool { return l.epoch.Epoch == e }),
			"AckedDurable: epoch %d is gone", e)
	}
	require.Greater(t, adds, 4, "the world did hardly anything")
}

// run is a world with trouble for a while and peace afterwards.
func runWorld(t *testing.T, seed uint64, size int, trouble time.Duration) uint64 {
	t.Helper()
	x := newWorld(seed, sim.Faults{}, size)
	x.tend()
	x.settled(t)
	x.w.SetFaults(worldFaults)
	x.clients(2)
	until := x.w.Now() + host.Time(trouble)
	x.trouble(until)
	require.NoError(t, x.w.RunUntil(until), "seed %d", seed)
	x.w.Calm()
	x.end = true
	require.NoError(t, x.w.Run(func() bool { return x.idle == 2 }), "seed %d: clients wait for ever", seed)
	x.settled(t)
	x.judge(t)
	require.NoError(t, x.w.Err())
	hash := x.w.Hash()
	t.Logf("seed %d: %d members, %d operations, %d terms, %d lives, %v", seed, size, len(x.ops), len(x.terms),
		len(x.lives), time.Duration(x.w.Now()))
	require.NoError(t, x.w.Close())
	return hash
}

func TestMembersAgreeAndServeThroughTrouble(t *testing.T) {
	for seed := uint64(1); seed <= 14; seed++ {
		runWorld(t, seed, []int{3, 5}[seed%2], 15*time.Second)
	}
}

func TestAWorldReplaysToTheSameHash(t *testing.T) {
	require.Equal(t, runWorld(t, 3, 3, 5*time.Second), runWorld(t, 3, 3, 5*time.Second))
}
