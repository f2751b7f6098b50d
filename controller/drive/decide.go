package drive

import (
	"cmp"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Config bounds what is done at a time, and for how long something may take. Zero fields get their defaults.
type Config struct {
	// Commands is the most that one plan has; 0 = 256.
	Commands int
	// Moves and MovesOfOne bound the moves under way, in all and from one broker; 0 = 32 and 8.
	Moves, MovesOfOne int
	// MoveDeadline is how long a living owner has to end a move; 0 = 10 s.
	MoveDeadline time.Duration
	// OwedDeadline is how long an owed range may go without getting shorter; 0 = 5 min.
	OwedDeadline time.Duration
	// Tick is how often deadlines are looked at, and how long a refused command rests; 0 = 500 ms.
	Tick time.Duration
}

func (c *Config) fill() {
	c.Commands = cmp.Or(c.Commands, 256)
	c.Moves, c.MovesOfOne = cmp.Or(c.Moves, 32), cmp.Or(c.MovesOfOne, 8)
	c.MoveDeadline = cmp.Or(c.MoveDeadline, 10*time.Second)
	c.OwedDeadline = cmp.Or(c.OwedDeadline, 5*time.Minute)
	c.Tick = cmp.Or(c.Tick, 500*time.Millisecond)
}

// Epoch names one life of a broker.
type Epoch struct {
	Broker int32
	Epoch  int64
}

// Suspect is a broker that is to get no lease any more.
type Suspect struct {
	Epoch
	Why string // for people
}

// Plan is what is to be done now.
type Plan struct {
	Commands []*metadatapb.Command // each may be proposed as it is, in any order
	Suspects []Suspect
}

// Decider makes the plans of one leadership. It remembers when it saw things first.
type Decider struct {
	cfg      Config
	last     host.Time // of the last plan
	clock    host.Time // what deadlines count by
	suspects map[Epoch]bool
	rests    map[subject]host.Time // refused commands, until when they rest
	moves    map[moveKey]host.Time // when a move was first seen
	debts    debts
}

// subject is what a command is about: one stream or one WAL.
type subject struct {
	stream uint64
	wal    metadata.UUID
}

// New returns the decider of a leadership that begins.
func New(cfg Config) *Decider {
	cfg.fill()
	return &Decider{
		cfg: cfg, suspects: map[Epoch]bool{}, rests: map[subject]host.Time{}, moves: map[moveKey]host.Time{},
		clock: 1, debts: newDebts(),
	}
}

// Decide returns what is to be done at now, as s says. It keeps nothing of s and does not block. Every command of
// the plan before must have its answer, and be applied in s unless its outcome is unknown.
func (d *Decider) Decide(now host.Time, s *metadata.State) Plan {
	d.pass(now)
	for e := range d.suspects {
		if !s.Live(e.Broker, e.Epoch) {
			delete(d.suspects, e)
		}
	}
	for x, until := range d.rests {
		if until <= d.clock {
			delete(d.rests, x)
		}
	}
	p := &planner{d: d, now: d.clock, s: s}
	p.late() // first: who is suspected now is nobody's target
	p.hall = newHall(s, d.suspects)
	p.orphans()
	p.unowned()
	p.drains()
	return p.plan
}

// Refused tells that a command of the last plan was refused: what it was about rests for a while.
func (d *Decider) Refused(cmd *metadatapb.Command) {
	if x := about(cmd); x != (subject{}) {
		d.rests[x] = d.clock.Add(d.cfg.Tick)
	}
}

// pass counts the time since the last plan. A leader that was stopped for a while has seen nothing of it, and holds
// it against nobody.
func (d *Decider) pass(now host.Time) {
	if d.last != 0 {
		d.clock += min(max(0, now-d.last), host.Time(2*d.cfg.Tick))
	}
	d.last = now
}

// about returns what a command of a plan is about.
func about(cmd *metadatapb.Command) subject {
	switch b := cmd.GetBody().(type) {
	case *metadatapb.Command_AssignRecoverer:
		var id metadata.UUID
		copy(id[:], b.AssignRecoverer.GetWal())
		return subject{wal: id}
	case *metadatapb.Command_OpenRange:
		return subject{stream: b.OpenRange.GetStream()}
	case *metadatapb.Command_BeginMove:
		return subject{stream: b.BeginMove.GetStream()}
	}
	return subject{}
}

// planner makes one plan.
type planner struct {
	d    *Decider
	now  host.Time
	s    *metadata.State
	hall *hall
	plan Plan
}

// room tells whether the plan may have one more command, about x.
func (p *planner) room(x subject) bool {
	return len(p.plan.Commands) < p.d.cfg.Commands && p.d.rests[x] == 0
}

func (p *planner) add(body any) {
	p.plan.Commands = append(p.plan.Commands, metadata.NewCommand(body))
}

// suspect ends a broker, once.
func (p *planner) suspect(e Epoch, why string) {
	if !p.d.suspects[e] {
		p.d.suspects[e] = true
		p.plan.Suspects = append(p.plan.Suspects, Suspect{e, why})
	}
}

// orphans gives each WAL that waits for its recovery to the seat that recovers the fewest; several at once, so that
// the loss of many brokers takes no longer than that of one.
func (p *planner) orphans() {
	for _, w := range p.s.Orphans() {
		if !p.room(subject{wal: w.ID}) {
			continue
		}
		r, found := p.hall.recoverer()
		if !found {
			return
		}
		p.add(&metadatapb.AssignRecoverer{Wal: w.ID[:], Broker: r.Broker, Epoch: r.Epoch})
	}
}

// unowned gives each partition whose last range is closed an owner.
func (p *planner) unowned() {
	for _, x := range p.s.Unowned() {
		if !p.room(subject{stream: x.Stream}) {
			continue
		}
		to, found := p.hall.place(x.Topic)
		if !found {
			return
		}
		p.add(&metadatapb.OpenRange{Stream: x.Stream, AfterEpoch: x.LeaderEpoch, To: to})
	}
}
