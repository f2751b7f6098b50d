package simgossip_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/gossip/simgossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

const machines = 5

// world is five machines that gossip, come and go under faults.
type world struct {
	t       *testing.T
	w       *sim.World
	rng     *rand.Rand
	members [machines]*simgossip.Gossip // of the running incarnations
	epoch   int64
	doubted int // times a machine that was up the whole time was suspect somewhere
	left    [machines]bool
	epochs  [machines]int64
}

func (x *world) machine(i int) *sim.Machine { return x.w.Machine(fmt.Sprintf("n%d", i)) }

// boot starts machine i under the next epoch; everybody joins the first two.
func (x *world) boot(i int) {
	x.epoch++
	epoch := x.epoch
	x.members[i], x.left[i], x.epochs[i] = nil, false, epoch
	x.machine(i).Boot(func(h host.Host, sc *host.Scope) {
		self := gossip.Self{Node: int32(i), Cluster: fmt.Sprintf("n%d:1", i)}
		g, err := simgossip.Start(sc, h, simgossip.Config{Self: self, Listen: ":7", Pace: pace})
		if err != nil {
			x.w.Fail(err)
			return
		}
		g.Join([]string{"n0:7", "n1:7"})
		g.SetEpoch(epoch)
		x.members[i] = g
		x.watch(h, sc, g)
	})
}

// watch judges each change of what g shows.
func (x *world) watch(h host.Host, sc *host.Scope, g *simgossip.Gossip) {
	numbers, gone := map[uint64]uint64{}, map[uint64]bool{}
	for version := uint64(0); ; {
		next, err := g.Wait(sc, version, 0)
		if err != nil {
			break
		}
		s := g.Members()
		if next <= version || s.Version < next {
			x.w.Fail(fmt.Errorf("G7: version %d after %d, members of %d", next, version, s.Version))
		}
		version = next
		for _, m := range s.Members {
			if m.Number < numbers[m.Instance] {
				x.w.Fail(fmt.Errorf("G2: node %d shows report %d after %d", m.Node, m.Number, numbers[m.Instance]))
			}
			if gone[m.Instance] && m.State != gossip.Gone {
				x.w.Fail(fmt.Errorf("G4: node %d left and is %s", m.Node, m.State))
			}
			numbers[m.Instance] = m.Number
			gone[m.Instance] = m.Leaving
			if m.State == gossip.Suspect && x.machine(int(m.Node)).Alive() {
				x.doubted++
			}
		}
		x.w.Mark("version", next, uint64(len(s.Members)))
	}
	_ = h.Sleep(sc, 1000*time.Hour)
}

// strike does one thing that goes wrong.
func (x *world) strike() {
	i := x.rng.IntN(machines)
	m := x.machine(i)
	switch x.rng.IntN(8) {
	case 0, 1:
		if m.Alive() {
			m.Kill()
		}
	case 2, 3:
		if !m.Alive() {
			x.boot(i)
		}
	case 4:
		if g := x.members[i]; m.Alive() && g != nil && !x.left[i] {
			x.left[i] = true
			h := m.Host()
			h.Go(nil, "test.leave", func(sc *host.Scope) { _ = g.Leave(sc) })
		}
	case 5:
		x.w.Partition([]string{m.Name()}, []string{x.machine((i + 1) % machines).Name()})
	case 6:
		x.w.Block(m.Name(), x.machine((i+2)%machines).Name())
	case 7:
		x.w.Heal()
	}
}

// settled tells whether every running member sees exactly those that run alive, in their last epochs.
func (x *world) settled() bool {
	for i, g := range x.members {
		if !x.machine(i).Alive() || x.left[i] {
			continue
		}
		if g == nil {
			return false
		}
		s := g.Members()
		for j := range machines {
			m := slices.DeleteFunc(slices.Clone(s.Members), func(m gossip.Member) bool { return m.Node != int32(j) })
			up := x.machine(j).Alive() && !x.left[j]
			if up && (len(m) != 1 || m[0].State != gossip.Alive || m[0].Epoch != x.epochs[j]) {
				return false
			}
			if !up && slices.ContainsFunc(m, func(m gossip.Member) bool { return m.State != gossip.Gone }) {
				return false
			}
		}
	}
	return true
}

// run carries out a seed and returns the world's hash and how often somebody was suspected falsely.
func run(t *testing.T, seed uint64) (uint64, int) {
	t.Helper()
	const rate = 20_000 // two percent
	x := &world{t: t, w: sim.New(sim.Config{Seed: seed, Faults: sim.Faults{
		NetStall: rate, ConnReset: rate, PacketRepeat: rate, ResetMidway: rate, HalfOpen: rate, AcceptHang: rate,
		DialRefused: rate, Buggify: 4 * rate,
	}})}
	x.rng = x.w.Rand("nemesis")
	for i := range machines {
		x.boot(i)
	}
	for range 60 {
		require.NoError(t, x.w.RunUntil(x.w.Now().Add(time.Duration(1+x.rng.IntN(4))*time.Second)))
		x.strike()
	}
	x.w.Heal()
	x.w.Calm()
	for i := range 2 { // by whom the others find each other
		if m := x.machine(i); x.left[i] || !m.Alive() {
			m.Kill()
			x.boot(i)
		}
	}
	limit := x.w.Now().Add(200 * pace)
	x.w.After(limit-x.w.Now()+1, func() {})
	require.NoError(t, x.w.Run(func() bool { return x.settled() || x.w.Now() > limit }))
	if !x.settled() {
		for i, g := range x.members {
			t.Logf("n%d alive %v left %v sees %+v", i, x.machine(i).Alive(), x.left[i], g.Members())
		}
		t.Fatalf("seed %d: members do not agree 200 paces after the last fault", seed)
	}
	require.NoError(t, x.w.Close())
	return x.w.Hash(), x.doubted
}

func TestMembersAgreeOnceFaultsEnd(t *testing.T) {
	doubted := 0
	for seed := range uint64(20) {
		_, n := run(t, seed)
		doubted += n
	}
	require.Positive(t, doubted, "nobody was suspected falsely: the worlds are too kind")
}

func TestASeedIsARun(t *testing.T) {
	for seed := range uint64(3) {
		one, _ := run(t, seed)
		two, _ := run(t, seed)
		require.Equal(t, one, two)
	}
}
