package gossip_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

const second = time.Second

var patience = gossip.Patience{Suspect: 3 * second, Gone: 10 * second, Forget: 60 * second}

// with runs fn with a view of node 1 on a simulated machine.
func with(t testing.TB, fn func(h host.Host, sc *host.Scope, v *gossip.View)) {
	t.Helper()
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		fn(h, sc, gossip.NewView(h, gossip.Self{Node: 1, Cluster: "a:1"}, patience))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// life is a report of node id's life, in an epoch, at an address.
func life(id int32, instance, number uint64, epoch int64, cluster string) *gossip.Report {
	return &gossip.Report{
		Self: gossip.Self{Node: id, Cluster: cluster}, Instance: instance, Number: number, Epoch: epoch,
	}
}

// seen is instance and state of the others that a view shows.
func seen(v *gossip.View) map[uint64]gossip.State {
	out := map[uint64]gossip.State{}
	for _, m := range v.Members().Members {
		if !m.Local {
			out[m.Instance] = m.State
		}
	}
	return out
}

type states = map[uint64]gossip.State

func TestSilenceIsSuspectedThenGoneThenForgotten(t *testing.T) {
	with(t, func(h host.Host, sc *host.Scope, v *gossip.View) {
		require.True(t, v.Hear(life(2, 20, 1, 0, "b:1"), "b:7", 0))
		for _, step := range []struct {
			pass time.Duration
			want states
		}{
			{2 * second, states{20: gossip.Alive}}, {second, states{20: gossip.Suspect}},
			{7 * second, states{20: gossip.Gone}}, {59 * second, states{20: gossip.Gone}}, {second, states{}},
		} {
			_ = h.Sleep(sc, step.pass)
			v.Tick()
			require.Equal(t, step.want, seen(v))
		}
	})
}

func TestOnlyNewsMakesAlive(t *testing.T) {
	with(t, func(h host.Host, sc *host.Scope, v *gossip.View) {
		v.Hear(life(2, 20, 5, 0, "b:1"), "", 0)
		_ = h.Sleep(sc, 4*second)
		v.Tick()
		require.False(t, v.Hear(life(2, 20, 5, 0, "b:1"), "", 0), "a copy")
		require.False(t, v.Hear(life(2, 20, 4, 9, "b:1"), "", 0), "older")
		require.Equal(t, states{20: gossip.Suspect}, seen(v))
		require.True(t, v.Hear(life(2, 20, 6, 0, "b:1"), "", 5*second), "news, but old")
		require.Equal(t, states{20: gossip.Suspect}, seen(v))
		v.Answered(20)
		require.Equal(t, states{20: gossip.Alive}, seen(v))
		v.Lose(20)
		v.Answered(20)
		require.Equal(t, states{20: gossip.Gone}, seen(v), "the library's word")
		require.True(t, v.Hear(life(2, 20, 7, 0, "b:1"), "", 0))
		require.Equal(t, states{20: gossip.Alive}, seen(v))
		v.Doubt(20)
		require.Equal(t, states{20: gossip.Suspect}, seen(v))
	})
}

func TestALifeThatLeftStaysSo(t *testing.T) {
	with(t, func(_ host.Host, _ *host.Scope, v *gossip.View) {
		v.Hear(life(2, 20, 1, 0, "b:1"), "", 0)
		bye := life(2, 20, 2, 0, "b:1")
		bye.Leaving = true
		require.True(t, v.Hear(bye, "", 0))
		require.False(t, v.Hear(life(2, 20, 3, 0, "b:1"), "", 0))
		v.Answered(20)
		require.Equal(t, states{20: gossip.Gone}, seen(v))
	})
}

func TestWhoIsLongGoneIsNoNews(t *testing.T) {
	with(t, func(_ host.Host, _ *host.Scope, v *gossip.View) {
		require.False(t, v.Hear(life(2, 20, 1, 0, "b:1"), "", 10*second))
		bye := life(2, 20, 2, 0, "b:1")
		bye.Leaving = true
		require.False(t, v.Hear(bye, "", 30*second))
		require.Empty(t, seen(v))
		require.EqualValues(t, 2, v.Stats().Stale)
	})
}

func TestLivesOfOneNode(t *testing.T) {
	for _, c := range []struct {
		name      string
		first     *gossip.Report // becomes suspect, if quiet
		quiet     bool
		second    *gossip.Report
		want      states
		conflicts int
	}{
		{"a later epoch", life(2, 20, 1, 5, "b:1"), false, life(2, 21, 1, 6, "c:1"), states{21: gossip.Alive}, 0},
		{"an earlier epoch", life(2, 20, 1, 6, "b:1"), false, life(2, 21, 1, 5, "c:1"), states{20: gossip.Alive}, 0},
		{"the later one is silent", life(2, 20, 1, 6, "b:1"), true, life(2, 21, 1, 5, "c:1"),
			states{20: gossip.Suspect}, 0},
		{"no epoch yet", life(2, 20, 1, 5, "b:1"), false, life(2, 21, 1, 0, "c:1"),
			states{20: gossip.Alive, 21: gossip.Alive}, 2},
		{"one epoch", life(2, 20, 1, 5, "b:1"), false, life(2, 21, 1, 5, "c:1"),
			states{20: gossip.Alive, 21: gossip.Alive}, 2},
		{"no epoch, the first is silent", life(2, 20, 1, 0, "b:1"), true, life(2, 21, 1, 0, "c:1"),
			states{20: gossip.Suspect, 21: gossip.Alive}, 0},
		{"restarted in place", life(2, 20, 1, 5, "b:1"), true, life(2, 21, 1, 0, "b:1"), states{21: gossip.Alive}, 0},
		{"restarted in place, too quickly to tell", life(2, 20, 1, 5, "b:1"), false, life(2, 21, 1, 0, "b:1"),
			states{20: gossip.Alive, 21: gossip.Alive}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			with(t, func(h host.Host, sc *host.Scope, v *gossip.View) {
				v.Hear(c.first, "", 0)
				if c.quiet {
					_ = h.Sleep(sc, 4*second)
					v.Tick()
				}
				v.Hear(c.second, "", 0)
				require.Equal(t, c.want, seen(v))
				conflicts := 0
				for _, m := range v.Members().Members {
					if m.Conflict {
						conflicts++
					}
				}
				require.Equal(t, c.conflicts, conflicts)
			})
		})
	}
}

func TestANodeSeesItsOwnIDElsewhere(t *testing.T) {
	with(t, func(_ host.Host, _ *host.Scope, v *gossip.View) {
		v.Hear(life(1, 10, 1, 0, "elsewhere:1"), "", 0)
		s := v.Members()
		require.Len(t, s.Members, 2)
		require.True(t, s.Members[0].Conflict && s.Members[1].Conflict)
	})
}

func TestAViewIsBounded(t *testing.T) {
	with(t, func(_ host.Host, _ *host.Scope, v *gossip.View) {
		for i := range 2 * gossip.MembersMax {
			v.Hear(life(int32(i+2), uint64(i+1), 1, 0, ""), "", 0)
		}
		require.Len(t, v.Members().Members, gossip.MembersMax)
		require.EqualValues(t, gossip.MembersMax+1, v.Stats().TooMany)
	})
}

// step is one thing that a view is told.
type step struct {
	what   int
	report *gossip.Report
	age    time.Duration
	pass   time.Duration
}

func drawStep(t *rapid.T) step {
	instance := rapid.Uint64Range(1, 4).Draw(t, "instance")
	r := life(int32(2+instance%2), instance, rapid.Uint64Range(1, 9).Draw(t, "number"),
		rapid.Int64Range(0, 3).Draw(t, "epoch"), "")
	r.Leaving = rapid.IntRange(0, 9).Draw(t, "leaving") == 0
	return step{
		what: rapid.IntRange(0, 6).Draw(t, "what"), report: r,
		age:  time.Duration(rapid.IntRange(0, 12).Draw(t, "age")) * second,
		pass: time.Duration(rapid.IntRange(1, 12).Draw(t, "pass")) * second,
	}
}

// said is what was news to a view, by instance.
type said struct {
	newest map[uint64]*gossip.Report
	left   map[uint64]bool
}

// take carries out a step on v and notes what was news.
func (s *said) take(h host.Host, sc *host.Scope, v *gossip.View, st step) error {
	r := st.report
	switch st.what {
	case 0, 1, 2:
		if v.Hear(r, "", st.age) {
			if old := s.newest[r.Instance]; old != nil && old.Number >= r.Number {
				return fmt.Errorf("G2: report %d was news after %d", r.Number, old.Number)
			}
			s.newest[r.Instance], s.left[r.Instance] = r, r.Leaving
		}
	case 3:
		v.Answered(r.Instance)
	case 4:
		v.Lose(r.Instance)
	case 5:
		v.Doubt(r.Instance)
	case 6:
		_ = h.Sleep(sc, st.pass)
		v.Tick()
		kept := map[uint64]bool{}
		for _, l := range v.Lives() {
			kept[l.Instance] = true
		}
		for i := range s.newest {
			if !kept[i] { // forgotten
				delete(s.newest, i)
				delete(s.left, i)
			}
		}
	}
	return nil
}

// TestViewKeepsItsInvariants drives a view with reports in any order and compares with what was said.
func TestViewKeepsItsInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := sim.New(sim.Config{Seed: 1})
		defer w.Close()
		var v *gossip.View
		do := func(fn func(h host.Host, sc *host.Scope) error) {
			if err := w.Do(w.Machine("a"), fn); err != nil {
				t.Fatal(err)
			}
		}
		do(func(h host.Host, _ *host.Scope) error {
			v = gossip.NewView(h, gossip.Self{Node: 1}, patience)
			return nil
		})
		s := &said{map[uint64]*gossip.Report{}, map[uint64]bool{}}
		before := v.Members()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			st := drawStep(t)
			do(func(h host.Host, sc *host.Scope) error { return s.take(h, sc, v, st) })
			after := v.Members()
			judge(t, before, after, s.newest, s.left)
			before = after
		}
	})
}

func judge(
	t *rapid.T, before, after gossip.Snapshot, newest map[uint64]*gossip.Report, left map[uint64]bool,
) {
	if after.Version < before.Version {
		t.Fatal("G7: the version fell")
	}
	plain := func(s gossip.Snapshot) (out []gossip.Member) {
		for _, m := range s.Members {
			m.Number = 0
			out = append(out, m)
		}
		return out
	}
	if after.Version == before.Version {
		require.Equal(t, plain(before), plain(after), "G7")
	}
	highest := map[int32]int64{}
	for _, m := range after.Members {
		if m.State != gossip.Gone {
			highest[m.Node] = max(highest[m.Node], m.Epoch)
		}
	}
	for _, m := range after.Members {
		if m.Local {
			continue
		}
		require.Equal(t, *newest[m.Instance], m.Report, "G2")
		if left[m.Instance] && m.State != gossip.Gone {
			t.Fatalf("G4: instance %d left and is %s", m.Instance, m.State)
		}
		if m.Epoch > 0 && m.Epoch < highest[m.Node] {
			t.Fatalf("G5: epoch %d is shown beside %d", m.Epoch, highest[m.Node])
		}
	}
}
