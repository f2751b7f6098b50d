package gossiptest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
)

// Rig runs members, each on a machine of its own.
type Rig interface {
	// Start starts a member; at is where it listens, "" = anywhere.
	Start(self gossip.Self, at string, join ...string) *Node
	// Do runs fn as a task on the member's machine and waits for it.
	Do(n *Node, fn func(h host.Host, sc *host.Scope) error) error
	// Await waits until what n sees fulfils cond, and tells whether it did so within so many paces.
	Await(n *Node, paces int, cond func(gossip.Snapshot) bool) bool
	// Pass lets so many paces pass.
	Pass(paces int)
	// Kill ends the member without a word.
	Kill(n *Node)
	// Cut cuts off members from others, both ways, until Heal.
	Cut(a, b []*Node)
	Heal()
}

// Node is a running member.
type Node struct {
	Self gossip.Self
	M    gossip.Membership
	ID   int // the rig's
}

// Run runs the suite, each claim with a fresh rig.
func Run(t *testing.T, newRig func(t *testing.T) Rig) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, r Rig)
	}{
		{"members that join see each other", joins},
		{"a join is tried until it succeeds", joinsLater},
		{"the last load and epoch spread", spreads},
		{"a leave is seen by all", leaves},
		{"a crash is suspected, then gone, then forgotten by nobody who is there", crashes},
		{"a rejoin with a later epoch replaces the old life", rejoins},
		{"two nodes with one id are both reported", conflicts},
		{"a partition heals", heals},
		{"a long partition heals without whom they joined by", healsLater},
		{"waits end", waits},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newRig(t)) })
	}
}

// self is what the node of an id says of itself; place tells machines apart.
func self(id int32, place string) gossip.Self {
	return gossip.Self{
		Node: id, Roles: gossip.RoleBroker | gossip.RoleController, Name: fmt.Sprintf("node-%d", id), Rack: "r1",
		Cluster: place + ":9093", Kafka: place + ":9092",
	}
}

// three starts three members that see each other: the second joins the first, the third the second.
func three(t *testing.T, r Rig) []*Node {
	t.Helper()
	a := r.Start(self(1, "a"), "")
	b := r.Start(self(2, "b"), "", a.M.Addr())
	c := r.Start(self(3, "c"), "", b.M.Addr())
	nodes := []*Node{a, b, c}
	allAlive(t, r, nodes)
	return nodes
}

func allAlive(t *testing.T, r Rig, nodes []*Node) {
	t.Helper()
	for _, n := range nodes {
		await(t, r, n, 60, "everybody alive", func(s gossip.Snapshot) bool {
			return len(s.Members) == len(nodes) && !slices.ContainsFunc(s.Members, func(m gossip.Member) bool {
				return m.State != gossip.Alive
			})
		})
	}
}

func await(t *testing.T, r Rig, n *Node, paces int, what string, cond func(gossip.Snapshot) bool) {
	t.Helper()
	if !r.Await(n, paces, cond) {
		t.Fatalf("node %d does not see in %d paces: %s; it sees %s", n.Self.Node, paces, what, show(n.M.Members()))
	}
}

func show(s gossip.Snapshot) string {
	text := fmt.Sprintf("version %d", s.Version)
	for _, m := range s.Members {
		text += fmt.Sprintf("\n  node %d instance %x epoch %d %s, report %d, load %+v, conflict %v, local %v",
			m.Node, m.Instance, m.Epoch, m.State, m.Number, m.Load, m.Conflict, m.Local)
	}
	return text
}

// of returns the members with a node id.
func of(s gossip.Snapshot, id int32) []gossip.Member {
	return slices.DeleteFunc(slices.Clone(s.Members), func(m gossip.Member) bool { return m.Node != id })
}

// is tells whether node id is seen once, in one of the states.
func is(id int32, states ...gossip.State) func(gossip.Snapshot) bool {
	return func(s gossip.Snapshot) bool {
		m := of(s, id)
		return len(m) == 1 && slices.Contains(states, m[0].State)
	}
}

func do(t *testing.T, r Rig, n *Node, fn func(h host.Host, sc *host.Scope) error) {
	t.Helper()
	if err := r.Do(n, fn); err != nil {
		t.Fatal(err)
	}
}

func joins(t *testing.T, r Rig) {
	nodes := three(t, r)
	for _, n := range nodes {
		s := n.M.Members()
		for i, m := range s.Members {
			if m.Self != nodes[i].Self || m.Local != (nodes[i] == n) || m.Conflict || m.Instance == 0 {
				t.Errorf("node %d sees %s", n.Self.Node, show(s))
			}
		}
	}
}

func joinsLater(t *testing.T, r Rig) {
	a := r.Start(self(1, "a"), "")
	at := a.M.Addr()
	r.Kill(a)
	b := r.Start(self(2, "b"), "", at)
	if r.Await(b, 8, func(s gossip.Snapshot) bool { return len(s.Members) > 1 }) {
		t.Fatalf("who is dead is seen: %s", show(b.M.Members()))
	}
	a = r.Start(self(1, "a"), at)
	allAlive(t, r, []*Node{a, b})
}

func spreads(t *testing.T, r Rig) {
	nodes := three(t, r)
	last := gossip.Load{BytesIn: 1 << 40, BytesOut: 7, Requests: 100, AppendMicros: 900, PartitionsLed: 64}
	do(t, r, nodes[0], func(host.Host, *host.Scope) error {
		for i := range uint64(100) {
			nodes[0].M.SetLoad(gossip.Load{BytesIn: i})
		}
		nodes[0].M.SetLoad(last)
		nodes[0].M.SetEpoch(5)
		return nil
	})
	for _, n := range nodes {
		await(t, r, n, 40, "the load and epoch of node 1", func(s gossip.Snapshot) bool {
			m := of(s, 1)
			return len(m) == 1 && m[0].Load == last && m[0].Epoch == 5
		})
	}
}

func leaves(t *testing.T, r Rig) {
	nodes := three(t, r)
	for range 2 { // the second call does nothing
		do(t, r, nodes[1], func(_ host.Host, sc *host.Scope) error { return nodes[1].M.Leave(sc) })
	}
	for _, n := range []*Node{nodes[0], nodes[2]} {
		await(t, r, n, 30, "node 2 gone by its own word", func(s gossip.Snapshot) bool {
			return is(2, gossip.Gone)(s) && of(s, 2)[0].Leaving
		})
	}
}

func crashes(t *testing.T, r Rig) {
	nodes := three(t, r)
	r.Kill(nodes[2])
	for _, n := range nodes[:2] {
		await(t, r, n, 30, "node 3 suspect", is(3, gossip.Suspect, gossip.Gone))
	}
	for _, n := range nodes[:2] {
		await(t, r, n, 80, "node 3 gone", is(3, gossip.Gone))
		if s := n.M.Members(); of(s, 3)[0].Leaving {
			t.Errorf("node %d sees %s", n.Self.Node, show(s))
		}
		await(t, r, n, 60, "the others alive", func(s gossip.Snapshot) bool {
			return is(1, gossip.Alive)(s) && is(2, gossip.Alive)(s)
		})
	}
}

func rejoins(t *testing.T, r Rig) {
	nodes := three(t, r)
	epoch := func(n *Node, e int64) {
		do(t, r, n, func(host.Host, *host.Scope) error { n.M.SetEpoch(e); return nil })
	}
	has := func(e int64) func(gossip.Snapshot) bool {
		return func(s gossip.Snapshot) bool { return is(3, gossip.Alive)(s) && of(s, 3)[0].Epoch == e }
	}
	epoch(nodes[2], 7)
	for _, n := range nodes {
		await(t, r, n, 40, "node 3 in epoch 7", has(7))
	}
	old := nodes[2].M.Members()
	r.Kill(nodes[2])
	again := r.Start(self(3, "elsewhere"), "", nodes[0].M.Addr())
	epoch(again, 8)
	for _, n := range []*Node{nodes[0], nodes[1], again} {
		await(t, r, n, 60, "node 3 once, in epoch 8", has(8))
		m := of(n.M.Members(), 3)[0]
		if m.Instance == of(old, 3)[0].Instance || m.Self != again.Self {
			t.Errorf("node %d still sees the old life: %s", n.Self.Node, show(n.M.Members()))
		}
	}
}

func conflicts(t *testing.T, r Rig) {
	nodes := three(t, r)
	twin := r.Start(self(3, "d"), "", nodes[0].M.Addr())
	for _, n := range append(nodes, twin) {
		await(t, r, n, 60, "two nodes 3, in conflict", func(s gossip.Snapshot) bool {
			m := of(s, 3)
			return len(s.Members) == 4 && len(m) == 2 && m[0].Conflict && m[1].Conflict
		})
		if of(n.M.Members(), 1)[0].Conflict {
			t.Errorf("node %d sees %s", n.Self.Node, show(n.M.Members()))
		}
	}
}

func heals(t *testing.T, r Rig) {
	nodes := three(t, r)
	r.Cut(nodes[:2], nodes[2:])
	for _, n := range nodes[:2] {
		await(t, r, n, 80, "node 3 gone", is(3, gossip.Gone))
		await(t, r, n, 80, "the rest alive", is(3-n.Self.Node, gossip.Alive))
	}
	for _, id := range []int32{1, 2} {
		await(t, r, nodes[2], 80, "the others gone", is(id, gossip.Gone))
	}
	r.Heal()
	for _, n := range nodes {
		for id := range int32(3) {
			await(t, r, n, 200, "everybody alive again", is(id+1, gossip.Alive))
		}
	}
}

// healsLater: the sides have forgotten each other as far as the library goes, and nobody is left of those joined.
func healsLater(t *testing.T, r Rig) {
	first := r.Start(self(9, "first"), "")
	var nodes []*Node
	for id := range int32(4) {
		nodes = append(nodes, r.Start(self(id, fmt.Sprint("m", id)), "", first.M.Addr()))
	}
	allAlive(t, r, append([]*Node{first}, nodes...))
	r.Kill(first)
	r.Cut(nodes[:2], nodes[2:])
	for i, n := range nodes {
		for j := range nodes {
			if i/2 != j/2 {
				await(t, r, n, 80, "the other side gone", is(int32(j), gossip.Gone))
			}
		}
	}
	r.Pass(40)
	r.Heal()
	for _, n := range nodes {
		for j := range nodes {
			await(t, r, n, 200, "the other side again", is(int32(j), gossip.Alive))
		}
	}
}

func waits(t *testing.T, r Rig) {
	a := r.Start(self(1, "a"), "")
	do(t, r, a, func(h host.Host, sc *host.Scope) error {
		version := a.M.Members().Version
		if _, err := a.M.Wait(sc, version, h.Now().Add(time.Millisecond)); !errors.Is(err, host.ErrTimeout) {
			return fmt.Errorf("nothing changed, and Wait says %w", err)
		}
		a.M.SetLoad(gossip.Load{Requests: 9})
		next, err := a.M.Wait(sc, version, 0)
		if err != nil || next <= version {
			return fmt.Errorf("version %d after %d: %w", next, version, err)
		}
		if got := a.M.Members(); got.Version != next || got.Members[0].Load.Requests != 9 {
			return fmt.Errorf("version %d shows %s", next, show(got))
		}
		if err := a.M.Leave(sc); err != nil {
			return err
		}
		if _, err := a.M.Wait(sc, a.M.Members().Version, 0); !errors.Is(err, host.ErrClosed) {
			return fmt.Errorf("a wait after leave says %w", err)
		}
		return nil
	})
}
