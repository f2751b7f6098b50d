package lease

import (
	"slices"

	"github.com/weirmq/weir/host"
)

// Why a heartbeat is refused.
type Why uint8

const (
	// WhyNone is no refusal.
	WhyNone Why = iota
	// WhyNotLeader tells that this member does not lead, or has not applied the first entry of its term yet.
	WhyNotLeader
	// WhyUnknown tells that the epoch is not a live one of the broker: it was fenced, or never was.
	WhyUnknown
	// WhyEnding tells that the fence of the epoch was decided, or that it is suspected.
	WhyEnding
	// WhyBusy tells that too many heartbeats wait.
	WhyBusy
)

var whyNames = [...]string{"none", "not the leader", "no live epoch", "about to be fenced", "too many heartbeats wait"}

// String implements fmt.Stringer.
func (w Why) String() string {
	if int(w) < len(whyNames) {
		return whyNames[w]
	}
	return "an unknown refusal"
}

// Answer is what one heartbeat gets.
type Answer struct {
	Epoch  Epoch
	Number uint64 // the heartbeat's
	Why    Why    // WhyNone: the lease is granted
}

// ask is a heartbeat that waits for a quorum round.
type ask struct {
	epoch  Epoch
	number uint64
	round  uint64 // 0: it has not begun
}

// granted is what a leader knows of one live epoch.
type granted struct {
	epoch   Epoch
	last    host.Time // of this leader's last grant, or when it learned of the epoch
	suspect bool
	decided bool
}

// asksMax bounds the heartbeats that wait: several of each broker of the largest cluster.
const asksMax = 10_000

// Grants is the leader's side. Rules 2 and 3 of the protocol are its.
type Grants struct {
	cfg   Config
	leads bool
	began host.Time // of this leadership
	round uint64    // the last that began
	live  []granted // sorted by epoch
	asks  []ask     // in the order in which they came
}

// NewGrants returns the side of a member that does not lead. cfg is filled in.
func NewGrants(cfg Config) *Grants { return &Grants{cfg: cfg} }

// Lead begins a leadership: now is when the first entry of its term was applied, live the epochs that are live
// as of it. Whatever a former leader granted ends within a lease from now: no round of an older term can be
// done any more.
func (g *Grants) Lead(now host.Time, live []Epoch) {
	g.leads, g.began, g.live, g.asks = true, now, g.live[:0], g.asks[:0]
	for _, e := range live {
		g.live = append(g.live, granted{epoch: e, last: now})
	}
	slices.SortFunc(g.live, byEpoch)
}

// Deposed ends the leadership. Heartbeats that wait are refused.
func (g *Grants) Deposed() []Answer {
	g.leads, g.live = false, g.live[:0]
	return g.refuse(WhyNotLeader, func(ask) bool { return true })
}

// Leads tells whether this member grants.
func (g *Grants) Leads() bool { return g.leads }

// Born is called when an epoch was registered, by an applied entry: its first lease may count from now.
func (g *Grants) Born(e Epoch, now host.Time) {
	if !g.leads {
		return
	}
	if i, known := g.find(e); !known {
		g.live = slices.Insert(g.live, i, granted{epoch: e, last: now})
	}
}

// Gone is called when an epoch was fenced, by an applied entry. Its heartbeats that wait are refused.
func (g *Grants) Gone(e Epoch) []Answer {
	if i, known := g.find(e); known {
		g.live = slices.Delete(g.live, i, i+1)
	}
	return g.refuse(WhyUnknown, func(a ask) bool { return a.epoch == e })
}

// Ask takes a heartbeat. WhyNone: it waits for a round.
func (g *Grants) Ask(e Epoch, number uint64) Why {
	if why := g.judge(e); why != WhyNone {
		return why
	}
	if len(g.asks) == asksMax {
		return WhyBusy
	}
	g.asks = append(g.asks, ask{epoch: e, number: number})
	return WhyNone
}

// Begin takes every heartbeat that waits into a new quorum round, and returns its number; 0 if none waits for
// one. The caller begins the round after Begin, so it began after each of them had arrived.
func (g *Grants) Begin() uint64 {
	waits := false
	for i := range g.asks {
		if g.asks[i].round == 0 {
			g.asks[i].round = g.round + 1
			waits = true
		}
	}
	if !waits {
		return 0
	}
	g.round++
	return g.round
}

// Done is called when a round is done, in the term in which it began: every heartbeat that it or an earlier one
// took is answered. What was decided meanwhile is refused.
func (g *Grants) Done(round uint64, now host.Time) []Answer {
	var answers []Answer
	left := g.asks[:0]
	for _, a := range g.asks {
		if a.round == 0 || a.round > round {
			left = append(left, a)
			continue
		}
		why := g.judge(a.epoch)
		if why == WhyNone {
			i, _ := g.find(a.epoch)
			g.live[i].last = later(g.live[i].last, now)
		}
		answers = append(answers, Answer{a.epoch, a.number, why})
	}
	g.asks = left
	return answers
}

// Failed is called when a round will never be done while this member still leads: its heartbeats wait for the next.
func (g *Grants) Failed(round uint64) {
	for i := range g.asks {
		if g.asks[i].round <= round {
			g.asks[i].round = 0
		}
	}
}

// Suspect ends an epoch in time: it gets no lease any more, and falls due when its last one has run out.
func (g *Grants) Suspect(e Epoch) {
	if i, known := g.find(e); known {
		g.live[i].suspect = true
	}
}

// Proven decides an epoch at once: its broker is proven dead, by a lock acquired or a detach confirmed.
func (g *Grants) Proven(e Epoch) bool {
	i, known := g.find(e)
	if known {
		g.live[i].decided = true
	}
	return known
}

// Due decides which epochs are to be fenced now: their leases have run out, whoever granted them. Each is
// decided once; the caller proposes it until it is applied or the term ends.
func (g *Grants) Due(now host.Time) []Epoch {
	var due []Epoch
	for i := range g.live {
		if e := &g.live[i]; !e.decided && now >= g.ends(e) {
			e.decided = true
			due = append(due, e.epoch)
		}
	}
	return due
}

// Next is when the next epoch falls due if nothing is granted any more; false if none can.
func (g *Grants) Next() (host.Time, bool) {
	next, any := host.Time(0), false
	for i := range g.live {
		if e := &g.live[i]; !e.decided && (!any || g.ends(e) < next) {
			next, any = g.ends(e), true
		}
	}
	return next, any
}

// Left is how long the last lease of an epoch still runs at most, for people; 0 if it has none.
func (g *Grants) Left(e Epoch, now host.Time) host.Time {
	i, known := g.find(e)
	if !known || g.live[i].decided {
		return 0
	}
	return later(0, g.live[i].last.Add(g.cfg.Length)-now)
}

// ends is the first time at which an epoch may be fenced: L + margin after the last grant, of this leader or
// of the one before it.
func (g *Grants) ends(e *granted) host.Time {
	return later(e.last, g.began).Add(g.cfg.Length + g.cfg.Margin)
}

func (g *Grants) judge(e Epoch) Why {
	if !g.leads {
		return WhyNotLeader
	}
	i, known := g.find(e)
	switch {
	case !known:
		return WhyUnknown
	case g.live[i].decided || g.live[i].suspect:
		return WhyEnding
	}
	return WhyNone
}

// refuse answers and drops the heartbeats that fit.
func (g *Grants) refuse(why Why, fits func(ask) bool) []Answer {
	var answers []Answer
	left := g.asks[:0]
	for _, a := range g.asks {
		if fits(a) {
			answers = append(answers, Answer{a.epoch, a.number, why})
		} else {
			left = append(left, a)
		}
	}
	g.asks = left
	return answers
}

func (g *Grants) find(e Epoch) (int, bool) {
	return slices.BinarySearchFunc(g.live, granted{epoch: e}, byEpoch)
}

func byEpoch(a, b granted) int {
	switch {
	case a.epoch == b.epoch:
		return 0
	case a.epoch.after(b.epoch):
		return 1
	}
	return -1
}
