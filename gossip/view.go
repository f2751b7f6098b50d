package gossip

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
)

// Patience says after how much silence a member is what. Zero = never by silence.
type Patience struct {
	Suspect time.Duration
	Gone    time.Duration
	Forget  time.Duration // from gone on
}

// View is what one node sees of the members. Implementations of [Membership] tell it what they hear.
type View struct {
	h host.Host

	mu       host.Mutex // guards the fields below
	changed  host.Cond  // version moved or closed
	patience Patience
	version  uint64
	closed   bool
	self     Report
	since    host.Time        // that self is there
	lives    map[uint64]*Life // of others, by instance
	stats    Stats            // what was refused
}

// Life is what a View keeps of one life of another node.
type Life struct {
	Report
	State State
	Since host.Time
	Heard host.Time // when the newest sign of life was given, as far as known
	Left  bool      // it said so
	Addr  string    // its gossip address, "" if the implementation does not say
}

// Stats counts what a View refused.
type Stats struct {
	Stale   uint64 // reports that told nothing new
	TooMany uint64 // reports of lives beyond MembersMax
}

// NewView returns a view in which only self is there. Its instance is drawn here.
func NewView(h host.Host, self Self, p Patience) *View {
	v := &View{h: h, patience: p, version: 1, since: h.Now(), lives: map[uint64]*Life{}}
	v.self = Report{Self: self, Instance: newInstance(h), Number: 1}
	v.mu.Init(h)
	v.changed.Init(h, &v.mu)
	return v
}

// newInstance draws the number of a life.
func newInstance(h host.Host) uint64 {
	for {
		var p [8]byte
		h.Secret(p[:])
		n := uint64(0)
		for _, b := range p {
			n = n<<8 | uint64(b)
		}
		if n != 0 {
			return n
		}
	}
}

// SetPatience changes how long silence is borne.
func (v *View) SetPatience(p Patience) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.patience = p
}

// SetLoad changes this node's own load.
func (v *View) SetLoad(load Load) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.self.Load != load {
		v.self.Load = load
		v.move()
	}
}

// SetEpoch changes this node's own broker epoch and reports whether it is another one.
func (v *View) SetEpoch(epoch int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.self.Epoch == epoch {
		return false
	}
	v.self.Epoch = epoch
	v.move()
	return true
}

// Report returns this node's next report: each call counts its number up.
func (v *View) Report(leaving bool) Report {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.self.Number++
	if leaving && !v.self.Leaving {
		v.self.Leaving, v.since = true, v.h.Now()
		v.move()
	}
	return v.self
}

// Self returns this node's newest report.
func (v *View) Self() Report {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.self
}

// Hear takes a report of another life that was given age ago at the latest, and says whether it was news (G2, G3). addr
// is where that life's gossip is reached, "" if nobody asks.
func (v *View) Hear(r *Report, addr string, age time.Duration) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.lives[r.Instance]
	now := v.h.Now()
	switch {
	case r.Instance == v.self.Instance:
		return false
	case l == nil && !v.admit(r, age):
		return false
	case l == nil:
		l = &Life{}
		v.lives[r.Instance] = l
	case r.Number <= l.Number || l.Left:
		v.stats.Stale++
		return false
	}
	before := *l
	before.Number = r.Number // a number alone is no change that shows
	l.Report, l.Addr = *r, addr
	l.Heard = max(l.Heard, now.Add(-age))
	if r.Leaving {
		l.Left = true
		l.become(Gone, now)
	} else if v.patience.of(now.Sub(l.Heard)) == Alive {
		l.become(Alive, now)
	} else if l.State == 0 {
		l.become(Suspect, now)
	}
	if l.Report != before.Report || l.State != before.State {
		v.move()
	}
	return true
}

// admit tells whether a life that is not known may be added: it is there, as far as r tells, and there is room. What
// was gone long ago is not news: others would hear of it for ever from those who forget it last.
func (v *View) admit(r *Report, age time.Duration) bool {
	if !r.Leaving && v.patience.of(age) == Gone || r.Leaving && v.patience.Forget > 0 && age >= v.patience.Forget/2 {
		v.stats.Stale++
		return false
	}
	if len(v.lives)+1 >= MembersMax {
		v.stats.TooMany++
		return false
	}
	return true
}

// of is the state of a member of which nothing was heard for so long.
func (p *Patience) of(silence time.Duration) State {
	switch {
	case p.Gone > 0 && silence >= p.Gone:
		return Gone
	case p.Suspect > 0 && silence >= p.Suspect:
		return Suspect
	}
	return Alive
}

func (l *Life) become(s State, now host.Time) {
	if l.State != s {
		l.State, l.Since = s, now
	}
}

// Answered notes that the member itself has just answered.
func (v *View) Answered(instance uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.lives[instance]
	if l == nil || l.Left {
		return
	}
	now := v.h.Now()
	l.Heard = max(l.Heard, now)
	if l.State == Suspect {
		l.become(Alive, now)
		v.move()
	}
}

// Doubt makes a member suspect that nothing speaks against.
func (v *View) Doubt(instance uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l := v.lives[instance]; l != nil && l.State == Alive && v.patience.Suspect > 0 {
		now := v.h.Now()
		l.Heard = min(l.Heard, now.Add(-v.patience.Suspect))
		l.become(Suspect, now)
		v.move()
	}
}

// Lose makes a member gone, on the word of a library that looks after it.
func (v *View) Lose(instance uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l := v.lives[instance]; l != nil && l.State != Gone {
		l.become(Gone, v.h.Now())
		v.move()
	}
}

// Tick judges silence: call it a few times in the shortest patience.
func (v *View) Tick() {
	v.mu.Lock()
	defer v.mu.Unlock()
	now, moved := v.h.Now(), false
	for _, l := range v.sorted() {
		if s := v.patience.of(now.Sub(l.Heard)); !l.Left && s > l.State {
			l.become(s, now)
			moved = true
		}
		if l.State == Gone && v.patience.Forget > 0 && now.Sub(l.Since) >= v.patience.Forget {
			delete(v.lives, l.Instance)
			moved = true
		}
	}
	if moved {
		v.move()
	}
}

// move tells those who wait that something changed.
func (v *View) move() {
	v.version++
	v.changed.Broadcast()
}

// sorted returns the lives by node id and instance.
func (v *View) sorted() []*Life {
	lives := make([]*Life, 0, len(v.lives))
	for _, l := range v.lives {
		lives = append(lives, l)
	}
	slices.SortFunc(lives, func(a, b *Life) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Instance, b.Instance))
	})
	return lives
}

// Lives returns copies of all that is kept of others, hidden ones too, by node id and instance.
func (v *View) Lives() []Life {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []Life
	for _, l := range v.sorted() {
		out = append(out, *l)
	}
	return out
}

// Stats returns what was refused so far.
func (v *View) Stats() Stats {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stats
}

// Wait is [Membership].Wait.
func (v *View) Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.version <= after {
		if v.closed {
			return v.version, host.ErrClosed
		}
		if err := v.changed.Wait(sc, until); err != nil && v.version <= after {
			return v.version, err
		}
	}
	return v.version, nil
}

// Close has every Wait return.
func (v *View) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	v.changed.Broadcast()
}
