package drive_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/controller/drive"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// life does to brokers and partitions what happens to them.
type life struct {
	*rig
	t   *rapid.T
	cfg drive.Config
}

func (l *life) n(most int, what string) int { return rapid.IntRange(0, most).Draw(l.t, what) }

// pick returns one of the brokers that are live, or false.
func (l *life) pick() (metadata.Broker, bool) {
	var live []metadata.Broker
	for _, b := range l.s.Brokers() {
		if b.Live {
			live = append(live, b)
		}
	}
	if len(live) == 0 {
		return metadata.Broker{}, false
	}
	return live[l.n(len(live)-1, "broker")], true
}

func (l *life) step() {
	switch l.n(9, "event") {
	case 0:
		l.broker(int32(1+l.n(4, "id")), []string{"", "a", "b"}[l.n(2, "rack")])
	case 1:
		if b, ok := l.pick(); ok {
			l.fence(b.ID)
		}
	case 2:
		if b, ok := l.pick(); ok {
			l.drain(b.ID)
		}
	case 3:
		if b, ok := l.pick(); ok {
			l.do(&metadatapb.CreateTopic{Name: string(rune('a'+l.n(25, "name"))) + "t", Id: l.fresh(), Nonce: l.fresh(),
				Owners: []int32{b.ID, b.ID, b.ID}})
		}
	case 4, 5:
		if moves := l.s.Moves(); len(moves) > 0 {
			if m := moves[l.n(len(moves)-1, "move")]; !m.Recovering {
				l.seal(m.Stream, int64(l.n(5, "records"))+l.start(m.Stream))
			}
		}
	case 6:
		l.recover()
	case 7:
		if b, ok := l.pick(); ok {
			l.do(&metadatapb.Deregister{Broker: b.ID, Epoch: b.Epoch})
		}
	case 8:
		l.now = l.now.Add(time.Duration(l.n(3000, "ms")) * time.Millisecond)
	}
}

// broker is the rig's, of a broker that may be live.
func (l *life) broker(id int32, rack string) {
	if b, known := l.s.Broker(id); !known || !b.Live {
		l.rig.broker(id, rack)
	}
}

func (l *life) start(stream uint64) int64 {
	p, _ := l.s.PartitionOf(stream)
	return p.Start
}

// recover seals some of what a recoverer holds, without owners.
func (l *life) recover() {
	for _, w := range l.s.WALs() {
		if w.State != metadatapb.WalState_WAL_STATE_RECOVERING || !w.Held || len(l.s.OpenOn(w.ID)) == 0 {
			continue
		}
		c := &metadatapb.SealRecovered{Wal: w.ID[:], Generation: w.Generation}
		for _, o := range l.s.OpenOn(w.ID) {
			p, _ := l.s.PartitionOf(o.Stream)
			c.Entries = append(c.Entries, &metadatapb.SealEntry{Stream: o.Stream, LeaderEpoch: p.LeaderEpoch, End: p.Start + 1})
		}
		l.ok(c)
		return
	}
}

// judge holds a plan against the state it was made from.
func (l *life) judge(p drive.Plan) {
	seats := map[int32]bool{}
	for _, x := range l.s.Seats() {
		seats[x.Broker] = true
	}
	about := map[string]bool{}
	once := func(what string) {
		require.False(l.t, about[what], "OneAtATime: two commands for %s", what)
		about[what] = true
	}
	from := map[int32]int{}
	for _, m := range l.s.Moves() {
		from[m.From]++
	}
	all := len(l.s.Moves())
	for _, c := range p.Commands {
		switch b := c.GetBody().(type) {
		case *metadatapb.Command_AssignRecoverer:
			once(string(b.AssignRecoverer.GetWal()))
			require.True(l.t, seats[b.AssignRecoverer.GetBroker()], "MoveTarget")
		case *metadatapb.Command_OpenRange:
			once(string(rune(b.OpenRange.GetStream())))
			require.True(l.t, seats[b.OpenRange.GetTo()], "MoveTarget")
		case *metadatapb.Command_BeginMove:
			once(string(rune(b.BeginMove.GetStream())))
			require.True(l.t, b.BeginMove.To != nil && seats[b.BeginMove.GetTo()], "MoveTarget")
			x, _ := l.s.PartitionOf(b.BeginMove.GetStream())
			from[x.Owner]++
			all++
			require.True(l.t, from[x.Owner] <= l.cfg.MovesOfOne && all <= l.cfg.Moves, "Bounded")
		default:
			require.Fail(l.t, "no such decision", "%v", c)
		}
	}
	for _, x := range p.Suspects {
		require.True(l.t, l.s.Live(x.Broker, x.Epoch.Epoch), "only who lives is suspected")
	}
}

func TestWhateverHappensPlansAreTakenAndComeToAnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drive.Config{
			Commands: 3, Moves: 4, MovesOfOne: 2, MoveDeadline: 5 * time.Second, OwedDeadline: 10 * time.Second,
			Tick: time.Second,
		}
		l := &life{rig: newRig(t, cfg), t: t, cfg: cfg}
		for id := int32(1); id <= 3; id++ {
			l.broker(id, "")
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			l.step()
			if l.n(2, "plan") == 0 {
				p := l.d.Decide(l.now, l.s)
				l.judge(p)
				require.LessOrEqual(t, len(p.Commands), 3)
				for _, c := range p.Commands {
					res := l.apply(c)
					require.Equal(t, metadatapb.Refusal_REFUSAL_NONE, res.GetRefusal(), res.GetDetail())
				}
			}
		}
		l.settle()
	})
}

// settle lets everybody do its part, and asks for the end: nothing waits that somebody could take.
func (l *life) settle() {
	for range 500 {
		p := l.plan()
		done := len(p.Commands) == 0
		for _, m := range l.s.Moves() {
			if !m.Recovering {
				l.seal(m.Stream, l.start(m.Stream)+1)
				done = false
			}
		}
		for _, w := range l.s.WALs() {
			done = done && (w.State != metadatapb.WalState_WAL_STATE_RECOVERING || !w.Held || len(l.s.OpenOn(w.ID)) == 0)
		}
		l.recover()
		if done {
			l.ended()
			return
		}
		l.now += host.Time(100 * time.Millisecond)
	}
	require.Fail(l.t, "Quiescent: it does not come to an end")
}

func (l *life) ended() {
	if len(l.s.Seats()) == 0 {
		return
	}
	suspects := false // a seat that is suspected takes nothing until it is fenced
	for range 100 {
		l.now += host.Time(time.Second)
		suspects = suspects || len(l.plan().Suspects) > 0
	}
	if suspects {
		return
	}
	require.Empty(l.t, l.s.Orphans())
	require.Empty(l.t, l.s.Unowned())
	for _, b := range l.s.Draining() {
		for _, w := range l.s.WALs() {
			if w.Held && w.Holder == b.ID && w.State == metadatapb.WalState_WAL_STATE_OPEN {
				require.Empty(l.t, l.s.OpenOn(w.ID), "broker %d drains and keeps partitions", b.ID)
			}
		}
	}
}
