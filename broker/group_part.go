package broker

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/stream"
)

// groupPart is one partition of the offsets topic: the groups that hash to it (group.Coordinator), and the
// stream that holds their records, one record an entry. It has one task, which appends records and lets
// timers fire.
type groupPart struct {
	b     *Broker
	index int32
	id    stream.ID

	// Of the range it serves, as metadata says.
	epoch    int32
	start    int64
	logStart int64
	stream   *stream.Stream // set by open

	opened gate          // open has ended
	phase  atomic.Uint32 // a partPhase

	next int64 // offset of the next record; touched by Place only, which the WAL's lock serialises

	mu       host.Mutex // guards the fields below
	coord    *group.Coordinator
	token    group.Token
	waiting  map[group.Token]*groupAnswer
	appends  []*groupDraft // to be appended, oldest first
	timers   []groupTimer  // by time
	effects  []group.Effect
	asked    uint64    // records the coordinator asked for
	kept     uint64    // of those, durable
	quiet    host.Cond // broadcast when kept grows, and by stop
	stopped  bool
	wake     host.Parker // the task's, while it runs
	cancel   func()      // ends an opening under way, nil before it begins
	quit     func()      // ends what the task waits for, in a cluster
	finished gate
}

type groupAnswer struct {
	done host.Future[group.Result]
}

type groupTimer struct {
	at    host.Time
	group string
}

// errStopped is returned to requests whose coordinator partition is not served any more.
var errStopped = errors.New("broker: the group's coordinator has stopped")

func (b *Broker) now() group.Now {
	return group.Now{Time: b.h.Now(), Wall: b.h.Wall().UnixMilli()}
}

// isOpen reports whether the part can be asked.
func (g *groupPart) isOpen() bool { return g.phase.Load() == partOpen }

func (g *groupPart) isBroken() bool { return g.phase.Load() == partBroken }

// open begins the range with the groups' state and starts the task.
func (g *groupPart) open(sc *host.Scope) error {
	b := g.b
	sc, cancel := sc.Child(0)
	defer cancel()
	if !g.begin(cancel) {
		return g.ended(partFailed, nil)
	}
	err := g.openRange(sc)
	if unreadable(err) {
		b.h.Log().Error("a partition is offline", "topic", offsetsTopic, "partition", g.index, "why", err)
		return g.ended(partBroken, nil) // its groups have no coordinator until the next start
	}
	if err != nil {
		return g.ended(partFailed, fmt.Errorf("open partition %d of topic %s: %w", g.index, offsetsTopic, err))
	}
	return g.ended(partOpen, nil)
}

// begin lets end cancel the opening; it reports false if the part has ended before.
func (g *groupPart) begin(cancel func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cancel = cancel
	return !g.stopped
}

// ended tells that the opening has.
func (g *groupPart) ended(phase partPhase, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cancel = nil
	g.phase.Store(phase)
	g.opened.open(err)
	return err
}

func (g *groupPart) openRange(sc *host.Scope) error {
	b := g.b
	snapshot, err := b.stateFor(sc, g.id, g.epoch, g.start)
	if err != nil {
		return err
	}
	store, err := group.Restore(snapshot)
	if err != nil {
		return err
	}
	opened, err := b.engine.Open(sc, stream.OpenRange{
		ID: g.id, Epoch: stream.Epoch(g.epoch), Start: g.start, LogStart: g.logStart, State: snapshot,
	})
	if err != nil {
		return err
	}
	absent := b.absent(store)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stream, g.next = opened, g.start
	g.waiting = map[group.Token]*groupAnswer{}
	g.coord, g.effects = group.NewCoordinator(b.now(), b.groupConfig(), store, g.effects[:0])
	for _, name := range absent {
		g.effects = g.coord.DropTopic(b.now(), name, g.effects)
	}
	g.carryOut()
	g.wake = b.h.Parker()
	b.h.Go(b.root, "broker.group", g.run)
	return nil
}

func (b *Broker) groupConfig() group.Config {
	c := group.DefaultConfig()
	c.InitialDelay = b.cfg.GroupInitialDelay
	c.MaxRecordBytes = min(c.MaxRecordBytes, b.log.MaxEntry())
	return c
}

// ask lets an event happen to a group and waits for the reply.
func (g *groupPart) ask(sc *host.Scope, id string, ev func(group.Token) group.Event) (group.Result, error) {
	a := &groupAnswer{}
	a.done.Init(g.b.h)
	if err := g.step(id, a, ev); err != nil {
		return nil, err
	}
	return a.done.Wait(sc, 0)
}

func (g *groupPart) step(id string, a *groupAnswer, ev func(group.Token) group.Event) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return errStopped
	}
	g.token++
	if a != nil {
		g.waiting[g.token] = a
	}
	g.effects = g.coord.Step(g.b.now(), id, ev(g.token), g.effects[:0])
	g.carryOut()
	return nil
}

// act lets the coordinator do something of its own accord; nothing if the part has stopped: whoever
// coordinates next does it.
func (g *groupPart) act(do func(*group.Coordinator, group.Now, []group.Effect) []group.Effect) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	g.effects = do(g.coord, g.b.now(), g.effects[:0])
	g.carryOut()
}

// carryOut does what the coordinator asked for, in order; g.mu is held.
func (g *groupPart) carryOut() {
	wake := false
	for _, e := range g.effects {
		switch e := e.(type) {
		case group.Reply:
			if a := g.waiting[e.Token]; a != nil {
				delete(g.waiting, e.Token)
				a.done.Complete(e.Result, nil)
			}
		case group.Persist:
			g.asked++
			g.appends = append(g.appends, &groupDraft{part: g, group: e.Group, id: e.ID, record: e.Record})
			wake = true
		case group.SetTimer:
			at, _ := slices.BinarySearchFunc(g.timers, e.At, func(t groupTimer, at host.Time) int { return int(t.at - at) })
			g.timers = slices.Insert(g.timers, at, groupTimer{e.At, e.Group})
			wake = wake || at == 0
		}
	}
	clear(g.effects)
	if wake && g.wake != nil {
		g.wake.Unpark()
	}
}

// run appends records and lets timers fire until the part stops.
func (g *groupPart) run(sc *host.Scope) {
	defer g.finished.open(nil)
	if g.b.cfg.Cluster != nil { // what waits for room in the log is for the next coordinator's members to ask for again
		var cancel func()
		sc, cancel = sc.Child(0)
		defer cancel()
		if !g.endsWith(cancel) {
			return
		}
	}
	for {
		if host.Buggify(g.b.h, "broker.group.tick") {
			g.tickAll()
		}
		g.b.dawdle(sc, "broker.group.late")
		drafts, until, stopped := g.due()
		if stopped {
			return
		}
		for _, d := range drafts {
			if err := g.stream.Append(sc, 0, d); err != nil {
				g.stop()
				return
			}
		}
		if len(drafts) > 0 {
			continue
		}
		if err := g.wake.Park(sc, until); err != nil && !errors.Is(err, host.ErrTimeout) {
			return
		}
	}
}

// endsWith has stop end what the task waits for; it reports false if the part has stopped.
func (g *groupPart) endsWith(cancel func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quit = cancel
	return !g.stopped
}

// due fires the timers whose time has come and returns the records to append and when the next timer is.
func (g *groupPart) due() ([]*groupDraft, host.Time, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.b.now()
	for len(g.timers) > 0 && g.timers[0].at <= now.Time && !g.stopped {
		t := g.timers[0]
		g.timers = slices.Delete(g.timers, 0, 1)
		g.effects = g.coord.Step(now, t.group, group.Tick{}, g.effects[:0])
		g.carryOut()
	}
	drafts := g.appends
	g.appends = nil
	var until host.Time
	if len(g.timers) > 0 {
		until = g.timers[0].at
	}
	return drafts, until, g.stopped
}

// tickAll lets every group look at its time limits, which is right at any moment.
func (g *groupPart) tickAll() {
	g.act(func(c *group.Coordinator, now group.Now, out []group.Effect) []group.Effect {
		for _, id := range c.Store().Groups() {
			out = c.Step(now, id, group.Tick{}, out)
		}
		return out
	})
}

// stop ends the part: everyone who waits hears NotCoordinator.
func (g *groupPart) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	g.stopped = true
	if g.cancel != nil {
		g.cancel()
	}
	if g.coord == nil {
		return // it never began
	}
	if g.quit != nil {
		g.quit()
	}
	if len(g.waiting) > 0 {
		probe.Hit(probe.BrokerGroupStopped)
	}
	g.effects = g.coord.Stop(g.effects[:0])
	g.carryOut()
	g.quiet.Broadcast()
	if g.wake != nil {
		g.wake.Unpark()
	}
}

// groupDraft is one record on its way into the log; it implements stream.Draft.
type groupDraft struct {
	part   *groupPart
	group  string
	id     uint64
	record []byte
}

// Size implements stream.Draft.
func (d *groupDraft) Size() int { return len(d.record) }

// Place implements stream.Draft.
func (d *groupDraft) Place(dst []byte) (stream.Meta, error) {
	copy(dst, d.record)
	base := d.part.next
	d.part.next++
	return stream.Meta{Base: base, Count: 1, MaxTimestamp: d.part.b.h.Wall().UnixMilli()}, nil
}

// Durable implements stream.Draft: replies that depend on the record leave now (rule 29).
func (d *groupDraft) Durable(err error) {
	g := d.part
	if err != nil {
		g.stop()
		return
	}
	if e := g.step(d.group, nil, func(group.Token) group.Event { return group.Persisted{ID: d.id} }); e != nil {
		return // stopped meanwhile: the next coordinator reads the record from the log
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kept++
	g.quiet.Broadcast()
}

// settle waits until every record that was asked for so far is durable. It fails if the part has stopped, as it does
// when the WAL dies: nobody may be told then that something is kept.
func (g *groupPart) settle(sc *host.Scope) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for target := g.asked; g.kept < target && !g.stopped; {
		if err := g.quiet.Wait(sc, 0); err != nil {
			return err
		}
	}
	if g.stopped {
		return errStopped
	}
	return nil
}
