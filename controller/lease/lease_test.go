package lease_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
)

var (
	cfg = lease.Config{Length: 3 * time.Second, Every: 500 * time.Millisecond, Margin: 106 * time.Millisecond}
	b5  = lease.Epoch{Broker: 5, Epoch: 9}
	b6  = lease.Epoch{Broker: 6, Epoch: 2}
	ms  = func(n int64) host.Time { return host.Time(n * int64(time.Millisecond)) }
)

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for _, c := range []struct {
		cfg lease.Config
		ok  bool
	}{
		{lease.Config{}, true},
		{lease.Config{Length: 1500 * time.Millisecond}, true},
		{lease.Config{Length: -1}, false},
		{lease.Config{Margin: -1}, false},
		{lease.Config{Every: 2 * time.Second}, false},
	} {
		require.Equal(t, c.ok, c.cfg.Fill() == nil, "%+v", c.cfg)
	}
	var c lease.Config
	require.NoError(t, c.Fill())
	require.Equal(t, cfg, c)
}

func TestAGrantNeedsARoundThatBeganAfterTheHeartbeat(t *testing.T) {
	g := lease.NewGrants(cfg)
	require.Equal(t, lease.WhyNotLeader, g.Ask(b5, 1))
	g.Lead(ms(100), []lease.Epoch{b6, b5})

	require.Equal(t, lease.WhyNone, g.Ask(b5, 1))
	first := g.Begin()
	require.Equal(t, lease.WhyNone, g.Ask(b6, 1)) // after it began
	require.Equal(t, []lease.Answer{{Epoch: b5, Number: 1}}, g.Done(first, ms(110)))

	second := g.Begin()
	require.NotZero(t, second)
	require.Zero(t, g.Begin())
	g.Failed(second)
	third := g.Begin()
	require.Empty(t, g.Done(second, ms(120)))
	require.Equal(t, []lease.Answer{{Epoch: b6, Number: 1}}, g.Done(third, ms(130)))
}

func TestNothingIsGrantedFromTheDecisionOn(t *testing.T) {
	g := lease.NewGrants(cfg)
	g.Lead(ms(0), []lease.Epoch{b5, b6})
	require.Empty(t, g.Due(ms(3105)))
	require.Equal(t, lease.WhyNone, g.Ask(b5, 7))
	round := g.Begin()
	require.Equal(t, []lease.Epoch{b5, b6}, g.Due(ms(3106)))
	require.Empty(t, g.Due(ms(9000)), "decided once")
	require.Equal(t, []lease.Answer{{Epoch: b5, Number: 7, Why: lease.WhyEnding}}, g.Done(round, ms(3107)))
	require.Equal(t, lease.WhyEnding, g.Ask(b6, 1))
	require.Empty(t, g.Gone(b6))
	require.Equal(t, lease.WhyUnknown, g.Ask(b6, 2))
}

func TestASuspectIsFencedWhenItsLeaseHasRunOut(t *testing.T) {
	g := lease.NewGrants(cfg)
	g.Lead(ms(0), []lease.Epoch{b5})
	require.Equal(t, lease.WhyNone, g.Ask(b5, 1))
	g.Done(g.Begin(), ms(1000))
	g.Suspect(b5)
	require.Equal(t, lease.WhyEnding, g.Ask(b5, 2))
	next, any := g.Next()
	require.True(t, any)
	require.Equal(t, ms(4106), next)
	require.Empty(t, g.Due(ms(4105)))
	require.Equal(t, []lease.Epoch{b5}, g.Due(ms(4106)))
}

func TestProofOfDeathNeedsNoWaiting(t *testing.T) {
	g := lease.NewGrants(cfg)
	g.Lead(ms(0), []lease.Epoch{b5})
	require.True(t, g.Proven(b5))
	require.False(t, g.Proven(b6))
	require.Equal(t, lease.WhyEnding, g.Ask(b5, 1))
	require.Empty(t, g.Due(ms(9000)), "it is decided already")
}

func TestANewLeaderWaitsForTheLeasesOfTheOldOne(t *testing.T) {
	g := lease.NewGrants(cfg)
	g.Lead(ms(0), []lease.Epoch{b5})
	require.Equal(t, lease.WhyNone, g.Ask(b5, 1))
	require.Equal(t, []lease.Answer{{Epoch: b5, Number: 1, Why: lease.WhyNotLeader}}, g.Deposed())
	require.False(t, g.Leads())
	_, any := g.Next()
	require.False(t, any)

	g.Lead(ms(50_000), []lease.Epoch{b5})
	require.Empty(t, g.Due(ms(53_105)))
	require.Equal(t, []lease.Epoch{b5}, g.Due(ms(53_106)))
}

func TestAnEpochRegisteredWhileLeadingIsGrantedAndFallsDue(t *testing.T) {
	g := lease.NewGrants(cfg)
	g.Born(b5, ms(1))
	g.Lead(ms(0), nil)
	require.Equal(t, lease.WhyUnknown, g.Ask(b5, 1))
	g.Born(b5, ms(700))
	require.Equal(t, lease.WhyNone, g.Ask(b5, 1))
	require.Equal(t, ms(2300), g.Left(b5, ms(1400)))
	require.Equal(t, []lease.Answer{{Epoch: b5, Number: 1, Why: lease.WhyUnknown}}, g.Gone(b5))
	require.Zero(t, g.Left(b5, ms(1400)))
}

func TestWaitingHeartbeatsAreBounded(t *testing.T) {
	g := lease.NewGrants(cfg)
	g.Lead(0, []lease.Epoch{b5})
	n := uint64(0)
	for g.Ask(b5, n) == lease.WhyNone {
		n++
	}
	require.Equal(t, uint64(10_000), n)
	require.Equal(t, lease.WhyBusy, g.Ask(b5, n))
}

func TestALeaseCountsFromTheSendingOfTheHeartbeatThatWasAnswered(t *testing.T) {
	wall := time.Unix(1000, 0)
	h := lease.NewHolder(cfg)
	require.False(t, h.Held(0, wall))
	one := h.Send(ms(0), wall)
	two := h.Send(ms(500), wall.Add(500*time.Millisecond))
	require.True(t, h.Granted(one)) // late, and it does not count from now
	require.True(t, h.Held(ms(2999), wall.Add(2999*time.Millisecond)))
	require.False(t, h.Held(ms(3000), wall.Add(2999*time.Millisecond)))
	require.True(t, h.Granted(two))
	require.False(t, h.Granted(two), "said again")
	require.False(t, h.Granted(one), "overtaken")
	require.Equal(t, ms(3500), h.Until())
}

func TestAWallClockThatRanAheadVetoesALease(t *testing.T) {
	wall := time.Unix(1000, 0)
	h := lease.NewHolder(cfg)
	require.True(t, h.Granted(h.Send(ms(0), wall)))
	require.False(t, h.Held(ms(10), wall.Add(time.Hour)), "the other clock may have stood still")
	require.True(t, h.Held(ms(10), wall.Add(-time.Hour)), "it has no vote")
}

func TestAFencedHolderNeverHoldsAgain(t *testing.T) {
	h := lease.NewHolder(cfg)
	n := h.Send(ms(0), time.Time{})
	h.Fenced()
	require.False(t, h.Granted(n))
	require.False(t, h.Held(ms(1), time.Time{}))
	require.True(t, h.Over())
}

func TestUnansweredHeartbeatsAreBounded(t *testing.T) {
	h := lease.NewHolder(cfg)
	first := h.Send(0, time.Time{})
	for i := range 64 {
		h.Send(ms(int64(i)), time.Time{})
	}
	require.False(t, h.Granted(first))
}

// world is a broker and two members that may lead it, with clocks of their own and messages that take any time. It
// knows the true time, and the true end of what every grant gives.
type world struct {
	t       *rapid.T
	now     int64 // true milliseconds
	clock   [3]clock
	grants  [2]*lease.Grants
	holder  *lease.Holder
	leader  int // who leads by the votes; -1 nobody
	deposed [2]bool
	fenced  bool
	post    []message
	rounds  []round
	decided []int // members whose decision to fence is on its way through the log
}

// clock shows offset + true time, faster or slower by ppm.
type clock struct{ offset, ppm int64 }

func (c clock) at(now int64) host.Time {
	return ms(c.offset+now) + host.Time(now*c.ppm) // a ppm of a millisecond is a nanosecond
}

type message struct {
	answer bool
	to     int // a member; of an answer: from it
	number uint64
}

type round struct {
	member int
	number uint64
	heard  bool // a quorum has answered it
}

func (w *world) held() bool { return w.holder.Held(w.clock[2].at(w.now), time.Time{}) }

// act does one thing of many.
func (w *world) act() {
	switch rapid.IntRange(0, 9).Draw(w.t, "act") {
	case 0, 1:
		w.now += rapid.SampledFrom([]int64{1, 50, 150, 400, 2700, 3100}).Draw(w.t, "ms")
	case 2:
		n := w.holder.Send(w.clock[2].at(w.now), time.Time{})
		to := max(0, w.leader)
		if rapid.IntRange(0, 4).Draw(w.t, "astray") == 0 {
			to = 1 - to
		}
		w.post = append(w.post, message{to: to, number: n})
	case 3, 4:
		w.deliver()
	case 5:
		for m, g := range w.grants {
			if n := g.Begin(); n > 0 {
				w.rounds = append(w.rounds, round{member: m, number: n})
			}
		}
	case 9:
		w.hearRounds()
	case 6:
		w.finishRound()
	case 7:
		if rapid.IntRange(0, 5).Draw(w.t, "rarely") == 0 {
			w.politics()
		}
	case 8:
		if len(w.decided) > 0 {
			w.fence(w.decided[0])
		}
	}
	for m, g := range w.grants {
		if len(g.Due(w.clock[m].at(w.now))) > 0 && m == w.leader { // of another's term it is refused (rule 4)
			w.decided = append(w.decided, m)
		}
	}
}

func (w *world) deliver() {
	if len(w.post) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.post)-1).Draw(w.t, "message")
	m := w.post[i]
	if rapid.IntRange(0, 3).Draw(w.t, "again") > 0 {
		w.post = append(w.post[:i:i], w.post[i+1:]...)
	}
	if m.answer {
		w.holder.Granted(m.number)
	} else {
		w.grants[m.to].Ask(b5, m.number)
	}
}

// hearRounds lets a quorum answer the rounds of who leads by the votes; others never get an answer.
func (w *world) hearRounds() {
	for i := range w.rounds {
		w.rounds[i].heard = w.rounds[i].heard || w.rounds[i].member == w.leader
	}
}

// finishRound tells a member that its oldest round is done, if a quorum has answered it; it may have been deposed
// since, and not know it.
func (w *world) finishRound() {
	if len(w.rounds) == 0 {
		return
	}
	r := w.rounds[0]
	w.rounds = w.rounds[1:]
	if !r.heard {
		return
	}
	for _, a := range w.grants[r.member].Done(r.number, w.clock[r.member].at(w.now)) {
		if a.Why == lease.WhyNone {
			w.post = append(w.post, message{answer: true, to: r.member, number: a.Number})
		}
	}
}

// politics elects a member, or tells an old leader that it was deposed.
func (w *world) politics() {
	m := rapid.IntRange(0, 1).Draw(w.t, "who")
	if w.leader == m {
		return
	}
	if w.grants[m].Leads() {
		w.grants[m].Deposed()
		return
	}
	w.leader, w.decided = m, nil // the proposals of another term come to nothing
	if !w.fenced {
		w.grants[m].Lead(w.clock[m].at(w.now), []lease.Epoch{b5})
	}
}

// fence applies the decision of who leads by the votes.
func (w *world) fence(m int) {
	if m != w.leader {
		w.t.Fatalf("member %d decided, and %d leads", m, w.leader)
	}
	if w.held() {
		w.t.Fatalf("LeaseNested: fenced by member %d at %d ms, and the lease is held until %v of the broker's clock",
			m, w.now, w.holder.Until())
	}
	w.fenced = true
	for _, g := range w.grants {
		g.Gone(b5)
	}
}

// newWorld is a world that member 0 leads, as a rule.
func newWorld(t *rapid.T) *world {
	w := &world{t: t, leader: -1, holder: lease.NewHolder(cfg)}
	for i := range w.clock {
		w.clock[i] = clock{
			offset: rapid.Int64Range(0, 1_000_000).Draw(t, "offset"),
			ppm:    rapid.Int64Range(-1000, 1000).Draw(t, "ppm"),
		}
	}
	w.grants = [2]*lease.Grants{lease.NewGrants(cfg), lease.NewGrants(cfg)}
	if rapid.IntRange(0, 3).Draw(t, "nobody leads") > 0 {
		w.leader = 0
		w.grants[0].Lead(w.clock[0].at(0), []lease.Epoch{b5})
	}
	return w
}

func TestALeaseEndsBeforeItsFence(t *testing.T) {
	fences := 0
	rapid.Check(t, func(t *rapid.T) {
		for range 60 {
			w := newWorld(t)
			for range 100 {
				w.act()
				if !w.fenced {
					continue
				}
				fences++
				for range 40 { // answers that are still under way
					w.deliver()
				}
				if w.held() {
					t.Fatalf("LeaseNested: held after the fence, at %d ms", w.now)
				}
				break
			}
		}
	})
	require.Greater(t, fences, 100, "the runs hardly came to a fence")
}

func ExampleWhy() {
	fmt.Println(lease.WhyEnding, lease.Why(99))
	// Output: about to be fenced an unknown refusal
}
