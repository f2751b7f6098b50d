package group

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/host"
)

// TestGroupKeepsItsPromises drives one group with clients that join, leave, sync, commit, die and come
// back late with what they knew, over a log that lags, through restarts.
func TestGroupKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"join": w.join, "sync": w.sync, "heartbeat": w.heartbeat, "leave": w.leave, "commit": w.commit,
			"durable": w.durable, "durable too": w.durable, "time": w.time, "restart": w.restart,
			"delete": w.delete, "": w.check,
		})
		w.stop(t)
	})
}

const gid = "g"

// client is what one member believes.
type client struct {
	id, instance string
	generation   int32
}

type world struct {
	c       *Coordinator
	cfg     Config
	now     Now
	token   Token
	waiting map[Token]Event
	timers  []host.Time
	queue   []Persist
	log     [][]byte
	known   []client // what clients learned, current or stale
	fresh   int
	leaders map[int32]string // of each generation: instance id, or member id
	top     int32            // largest generation seen since the group was founded or loaded
	offsets map[Part]int64   // durable, by the model
	flying  []map[Part]int64 // of records in flight; nil if it commits nothing, empty if it deletes all
}

func newWorld(t *rapid.T) *world {
	w := &world{cfg: DefaultConfig(), now: Now{1, 1}, waiting: map[Token]Event{},
		leaders: map[int32]string{}, offsets: map[Part]int64{}}
	w.cfg.InitialDelay = rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "delay")
	w.cfg.MaxMembers = 4
	w.c, _ = NewCoordinator(w.now, w.cfg, NewStore(), nil)
	return w
}

func (w *world) request(t *rapid.T, make func(Token) Event) {
	w.token++
	ev := make(w.token)
	w.waiting[w.token] = ev
	w.step(t, ev)
}

func (w *world) step(t *rapid.T, ev Event) {
	before, _ := w.c.Describe(gid)
	w.effects(t, w.c.Step(w.now, gid, ev, nil), before)
}

func (w *world) effects(t *rapid.T, es []Effect, before Description) {
	for _, e := range es {
		switch e := e.(type) {
		case Reply:
			ev, ok := w.waiting[e.Token]
			require.True(t, ok, "token %d answered twice or never asked", e.Token)
			delete(w.waiting, e.Token)
			w.answer(t, ev, e.Result)
		case Persist:
			require.Equal(t, gid, e.Group)
			w.queue = append(w.queue, e)
			w.flying = append(w.flying, nil)
			w.note(t, e, before)
		case SetTimer:
			w.timers = append(w.timers, e.At)
		}
	}
}

// note learns what a record in flight will change, and that whoever commits may.
func (w *world) note(t *rapid.T, p Persist, before Description) {
	kind, body, rest, err := open(p.Record)
	require.NoError(t, err)
	require.Empty(t, rest)
	switch kind {
	case kindDeleted:
		require.Equal(t, Empty, before.State)
		w.flying[len(w.flying)-1] = map[Part]int64{}
	case kindOffsets:
		f := fields{p: body}
		f.string()
		m := map[Part]int64{}
		for n := f.count(); n > 0; n-- {
			o := f.offset()
			m[Part{o.Topic, o.Partition}] = o.Offset
		}
		w.flying[len(w.flying)-1] = m
		c := w.waiting[w.token].(Commit)
		if c.Generation < 0 {
			require.Contains(t, []State{Empty, Dead}, before.State, "a simple commit beside members")
			return
		}
		require.Equal(t, before.Generation, c.Generation, "a commit of another generation")
		require.NotEqual(t, CompletingRebalance, before.State)
		require.True(t, hasMember(before, c.MemberID), "a commit of a stranger")
	}
}

func hasMember(d Description, id string) bool {
	for _, m := range d.Members {
		if m.MemberID == id {
			return true
		}
	}
	return false
}

func (w *world) answer(t *rapid.T, ev Event, r Result) {
	switch r := r.(type) {
	case JoinResult:
		j := ev.(Join)
		switch r.Kind {
		case MemberIDRequired:
			require.Empty(t, j.MemberID)
			w.known = append(w.known, client{id: r.MemberID})
		case OK:
			w.joined(t, j, r)
		}
	case SyncResult:
		if r.Kind == OK {
			s := ev.(Sync)
			if len(r.Assignment) > 0 {
				require.Equal(t, fmt.Sprintf("%d for %s", s.Generation, owner(s.MemberID, s.InstanceID)),
					string(r.Assignment))
			}
		}
	case CommitResult:
		for _, k := range r.Kinds {
			if c := ev.(Commit); k == OK {
				o, ok := w.c.Store().Offset(gid, Part{c.Offsets[0].Topic, c.Offsets[0].Partition})
				require.True(t, ok, "answered and not stored")
				require.Equal(t, c.Offsets[0].Offset, o.Offset)
			}
		}
	}
}

// owner is who a place in the group belongs to, whatever its member id.
func owner(id, instance string) string {
	if instance != "" {
		return instance
	}
	return id
}

func (w *world) joined(t *rapid.T, j Join, r JoinResult) {
	w.known = append(w.known, client{r.MemberID, j.InstanceID, r.Generation})
	require.LessOrEqual(t, r.Generation, w.generation(r.Generation))
	if len(r.Members) == 0 {
		return
	}
	require.Equal(t, r.Leader, r.MemberID, "the roster is the leader's")
	o := owner(r.MemberID, j.InstanceID)
	if was, ok := w.leaders[r.Generation]; ok {
		require.Equal(t, was, o, "two leaders of generation %d", r.Generation)
	}
	w.leaders[r.Generation] = o
}

func (w *world) generation(g int32) int32 {
	w.top = max(w.top, g)
	return w.top
}

func (w *world) freshID() string {
	w.fresh++
	return fmt.Sprintf("m%d", w.fresh)
}

func (w *world) pick(t *rapid.T) client {
	if len(w.known) == 0 {
		return client{id: "nobody"}
	}
	recent := w.known[max(0, len(w.known)-6):]
	return recent[rapid.IntRange(0, len(recent)-1).Draw(t, "client")]
}

func (w *world) join(t *rapid.T) {
	j := Join{FreshID: w.freshID(), SessionTimeout: 10 * time.Second, RebalanceTimeout: 20 * time.Second,
		ProtocolType: "consumer", SkipAssignment: rapid.Bool().Draw(t, "v9"),
		RequireKnownID: rapid.Bool().Draw(t, "v4")}
	for _, p := range rapid.SampledFrom([]string{"ab", "a", "ba", "b"}).Draw(t, "protocols") {
		j.Protocols = append(j.Protocols, Protocol{string(p), []byte("same")})
	}
	switch rapid.IntRange(0, 3).Draw(t, "who") {
	case 0:
		j.InstanceID = rapid.SampledFrom([]string{"i", "k"}).Draw(t, "instance")
	case 1, 2:
		c := w.pick(t)
		j.MemberID, j.InstanceID = c.id, c.instance
	}
	w.request(t, func(k Token) Event { j.Token = k; return j })
}

func (w *world) sync(t *rapid.T) {
	c := w.pick(t)
	s := Sync{MemberID: c.id, InstanceID: c.instance, Generation: c.generation}
	if d, _ := w.c.Describe(gid); rapid.Bool().Draw(t, "assigns") {
		for _, m := range d.Members {
			data := fmt.Sprintf("%d for %s", c.generation, owner(m.MemberID, m.InstanceID))
			s.Assignments = append(s.Assignments, Assignment{m.MemberID, []byte(data)})
		}
		s.Assignments = append(s.Assignments, Assignment{"ghost", []byte("x")})
	}
	w.request(t, func(k Token) Event { s.Token = k; return s })
}

func (w *world) heartbeat(t *rapid.T) {
	c := w.pick(t)
	w.request(t, func(k Token) Event { return Heartbeat{k, c.id, c.instance, c.generation} })
}

func (w *world) leave(t *rapid.T) {
	c := w.pick(t)
	w.request(t, func(k Token) Event { return Leave{k, []Leaver{{c.id, c.instance}}} })
}

func (w *world) commit(t *rapid.T) {
	c := w.pick(t)
	if rapid.IntRange(0, 3).Draw(t, "simple") == 0 {
		c = client{generation: -1}
	}
	o := Offset{Topic: "t", Partition: rapid.Int32Range(0, 2).Draw(t, "partition"), Offset: int64(w.token)}
	w.request(t, func(k Token) Event { return Commit{k, c.id, c.instance, c.generation, []Offset{o}} })
}

func (w *world) delete(t *rapid.T) {
	w.request(t, func(k Token) Event { return Delete{k} })
}

func (w *world) durable(t *rapid.T) {
	if len(w.queue) == 0 {
		return // nothing is in flight
	}
	p, m := w.queue[0], w.flying[0]
	w.queue, w.flying = w.queue[1:], w.flying[1:]
	w.log = append(w.log, p.Record)
	if m != nil && len(m) == 0 { // deleted: the next group of this name counts from the start
		clear(w.offsets)
		clear(w.leaders)
		w.top = 0
		w.known = nil
	}
	maps.Copy(w.offsets, m)
	w.step(t, Persisted{p.ID})
}

func (w *world) time(t *rapid.T) {
	w.now.Time += host.Time(rapid.Int64Range(1, 12).Draw(t, "seconds")) * host.Time(time.Second)
	w.now.Wall++
	kept := w.timers[:0]
	for _, at := range w.timers {
		if at > w.now.Time {
			kept = append(kept, at)
		}
	}
	due := len(kept) < len(w.timers)
	if w.timers = kept; due {
		w.step(t, Tick{})
	}
}

func (w *world) restart(t *rapid.T) {
	w.stop(t)
	store := NewStore()
	for i, r := range w.log {
		require.NoError(t, store.Apply(r))
		if i%3 == 0 {
			var err error
			store, err = Restore(store.Snapshot())
			require.NoError(t, err)
		}
	}
	require.Equal(t, w.c.Store().Snapshot(), store.Snapshot(), "a replay of the log")
	w.queue, w.flying, w.timers, w.top = nil, nil, nil, 0
	clear(w.leaders)
	w.known = nil
	w.stale(store)
	var es []Effect
	w.c, es = NewCoordinator(w.now, w.cfg, store, nil)
	w.effects(t, es, Description{})
}

// stale lets clients of the last stored generation go on.
func (w *world) stale(s *Store) {
	if g := s.groups[gid]; g != nil && g.membership != nil {
		for _, m := range g.membership.Members {
			w.known = append(w.known, client{m.ID, m.InstanceID, g.membership.Generation})
		}
	}
}

func (w *world) stop(t *rapid.T) {
	w.effects(t, w.c.Stop(nil), Description{})
	require.Empty(t, w.waiting, "requests without an answer")
}

func (w *world) check(t *rapid.T) {
	d, k := w.c.Describe(gid)
	if k == OK && d.State != Dead {
		require.GreaterOrEqual(t, d.Generation, w.top, "the generation fell")
		w.generation(d.Generation)
	}
	require.LessOrEqual(t, len(d.Members), w.cfg.MaxMembers)
	got := map[Part]int64{}
	for _, o := range w.c.Store().Offsets(gid) {
		got[Part{o.Topic, o.Partition}] = o.Offset
	}
	require.Equal(t, w.offsets, got, "only durable commits show, all of them")
	w.checkTimers(t)
	if d.State != Stable || len(w.queue) > 0 {
		return
	}
	stored := w.c.Store().groups[gid].membership
	require.Equal(t, stored.Generation, d.Generation)
	require.Len(t, d.Members, len(stored.Members))
	for i, m := range stored.Members {
		require.Equal(t, m.ID, d.Members[i].MemberID)
		require.Equal(t, string(m.Assignment), string(d.Members[i].Assignment), "the log says otherwise")
	}
}

// checkTimers holds that a tick comes no later than whatever ends next.
func (w *world) checkTimers(t *rapid.T) {
	g := w.c.groups[gid]
	if g == nil {
		return
	}
	ends := []host.Time{g.joinEnds, g.syncEnds}
	for _, m := range g.members {
		ends = append(ends, m.expires)
	}
	for _, p := range g.promised {
		ends = append(ends, p.expires)
	}
	for _, end := range ends {
		due := end == 0
		for _, at := range w.timers {
			due = due || at <= end
		}
		require.True(t, due, "%v ends at %v, no timer", g.state, end)
	}
}
