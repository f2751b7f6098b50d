package remote_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/sim"
)

// faults strike all the time that a world has trouble.
var faults = sim.Faults{
	NetStall: 2000, ConnReset: 2000, PacketRepeat: 5000, ResetMidway: 2000, HalfOpen: 300_000, AcceptHang: 5000,
	DialRefused: 10_000, DiskSlow: 3000, SyncError: 200, Buggify: 20_000,
}

// trouble does something every now and then, until a time.
func (x *world) trouble(until host.Time) {
	if x.w.Now() >= until {
		return
	}
	n := x.nodes[x.rng.IntN(len(x.nodes))]
	if l := x.leads(); l != nil && x.rng.IntN(3) == 0 {
		n = l
	}
	k := x.clients[x.rng.IntN(len(x.clients))]
	other := x.nodes[x.rng.IntN(len(x.nodes))]
	switch x.rng.IntN(12) {
	default:
		x.w.Heal()
	case 1, 2:
		x.w.Machine(n.name).Kill()
	case 3:
		x.w.Machine(k.name).Kill()
	case 4:
		x.w.Block(n.name, other.name) // one way
	case 5:
		var rest []string
		for _, o := range x.nodes {
			if o != n {
				rest = append(rest, o.name)
			}
		}
		x.w.Partition([]string{n.name}, rest) // clients reach all of them
	case 6:
		x.w.Machine(n.name).Pause(time.Duration(x.rng.IntN(3000)) * time.Millisecond)
	case 7:
		x.w.Machine(k.name).Pause(time.Duration(x.rng.IntN(3000)) * time.Millisecond)
	case 8:
		x.w.Block(n.name, k.name)
	case 9:
		x.w.Partition([]string{k.name}, []string{n.name, other.name})
	}
	x.w.After(host.Time(200+x.rng.IntN(800))*host.Time(time.Millisecond), func() { x.trouble(until) })
}

// runWorld is a world with trouble for a while and peace afterwards.
func runWorld(t *testing.T, seed uint64, trouble time.Duration) uint64 {
	t.Helper()
	x := newWorld(seed)
	x.tend()
	x.formed(t)
	add := func() {
		k := &client{name: fmt.Sprint("k", len(x.clients))}
		x.clients = append(x.clients, k)
		x.w.Machine(k.name).SetDrift(x.rng.Int64N(1800) - 900)
		x.start(k)
	}
	add()
	add()
	x.w.SetFaults(faults)
	until := x.w.Now() + host.Time(trouble)
	x.trouble(until)
	x.w.After(host.Time(trouble/2), add) // far behind
	require.NoError(t, x.w.RunUntil(until), "seed %d", seed)
	x.w.Calm()
	x.settle(t)
	x.end = true
	x.until(t, 30*time.Second, "the clients to end", func() bool {
		for _, k := range x.clients {
			if !k.idle {
				return false
			}
		}
		return true
	})
	x.linear(t)
	var sum remote.Stats
	for _, k := range x.clients {
		require.Zero(t, k.after.Refused, "%s refused what a controller said", k.name)
		sum.Applied += k.after.Applied
		sum.Snapshots += k.after.Snapshots
		sum.Retried += k.after.Retried
		sum.Granted += k.after.Granted
	}
	require.NotContains(t, x.w.Tasks(), "remote.", "a task is left")
	hash := x.w.Hash()
	t.Logf("seed %d: %d operations, %d lives, %+v, %v", seed, len(x.ops), x.lives, sum, time.Duration(x.w.Now()))
	require.NoError(t, x.w.Close())
	return hash
}

// settle waits until every client has what the leader has, and the lease of an epoch that is live.
func (x *world) settle(t *testing.T) {
	t.Helper()
	for i := range x.clients {
		x.until(t, 30*time.Second, "replica and lease of "+x.clients[i].name, func() bool {
			k, l := x.clients[i], x.leads()
			if l == nil || k.c == nil || k.session == nil {
				return false
			}
			want, have := l.up.Status().Applied, uint64(0)
			k.c.Read(func(s *metadata.State) { have, _ = s.Index() })
			return have >= want && k.session.Held(k.h.Now(), k.h.Wall())
		})
	}
}

func TestClientsStayRightThroughTrouble(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		runWorld(t, seed, 12*time.Second)
	}
}

func TestAWorldReplaysToTheSameHash(t *testing.T) {
	require.Equal(t, runWorld(t, 3, 4*time.Second), runWorld(t, 3, 4*time.Second))
}

func TestALeaseOutlivesItsLeader(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		x := newWorldOf(seed, lease.Config{}, 100*time.Millisecond) // as in production
		x.formed(t)
		k := &client{name: "k0"}
		x.clients = append(x.clients, k)
		x.start(k)
		x.settle(t)
		x.quiet = true
		old := x.leads()
		switch seed % 3 {
		case 0:
			x.w.Machine(old.name).Kill()
			old.up = nil
		case 1: // it hears nobody and says nothing
			x.w.Partition([]string{old.name}, []string{"c0", "c1", "c2", "k0"})
		case 2: // nor do its peers reach it, but the broker does
			x.w.Partition([]string{old.name}, []string{"c0", "c1", "c2"})
		}
		began := x.w.Now()
		x.until(t, 10*time.Second, "another leader", func() bool { l := x.leads(); return l != nil && l != old })
		led, until := x.w.Now(), k.session.Until()
		x.until(t, 10*time.Second, "a lease by it", func() bool { return k.session.Until() > until })
		require.Less(t, time.Duration(x.w.Now()-led), 300*time.Millisecond, "seed %d: the new leader is found late", seed)
		t.Logf("seed %d: a leader after %v, a lease %v later", seed, time.Duration(led-began), time.Duration(x.w.Now()-led))
		require.NoError(t, x.w.Close())
	}
}
