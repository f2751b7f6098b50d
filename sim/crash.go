package sim

import (
	"math/rand/v2"

	"github.com/weirmq/weir/fault"
)

// crashPlan is a kill at one I/O call; n = 0 is none.
type crashPlan struct {
	n    uint64
	when When
	fate Fate
}

// crashLoop is what is left of a fault.CrashLoop: deaths in the starts that follow.
type crashLoop struct {
	left int
	at   uint64 // the I/O call of this start at which it happens; 0 = none
	rng  *rand.Rand
}

// loopCalls bounds the I/O calls of a start before a crash loop strikes again.
const loopCalls = 80

// boot draws where the start that begins after calls I/O calls dies.
func (l *crashLoop) boot(calls uint64) {
	l.at = 0
	if l.left > 0 {
		l.left--
		l.at = calls + 1 + l.rng.Uint64N(loopCalls)
	}
}

// CrashAt kills the machine at its n-th I/O call, counted from its first one ever. Calls that have been
// made already are not looked at again; from within Hooks.OnCall the call that begins is not made yet. n = 0 drops
// the plan. The crash is a fault like any other: OnFault gets the step that repeats it.
func (m *Machine) CrashAt(n uint64, when When, fate Fate) { m.crash = crashPlan{n, when, fate} }

// crashAt lets a crash strike the I/O call that is numbered k: at once, or when finish is called for it.
func (inc *incarnation) crashAt(k uint64) {
	w, m := inc.w, inc.m
	t := &m.target
	step := w.strike(t, m.rates, fault.Crash)
	if loop := w.strike(t, m.rates, fault.CrashLoop); loop != nil && step == nil {
		step = loop
	}
	switch {
	case step != nil:
	case m.crash.n == k:
		seed := w.rand[fault.Crash].Uint64()
		step = &fault.Step{
			At: w.now, Nth: t.seen[fault.Crash].n, Target: m.name, Kind: fault.Crash,
			Arg: CrashArg(m.crash.when, m.crash.fate, seed),
		}
		m.crash = crashPlan{}
	case m.loop.at == k:
		step = &fault.Step{Kind: fault.CrashLoop, Arg: m.loop.rng.Uint64()} // part of the one that began it
	default:
		return
	}
	if when, _, _ := CrashOf(step.Arg); when == AfterEffect {
		m.after, m.armed = step, k
		return
	}
	inc.die(step)
}

// die ends the incarnation as step says, and unwinds the running task.
func (inc *incarnation) die(step *fault.Step) {
	w, m := inc.w, inc.m
	_, fate, seed := CrashOf(step.Arg)
	switch {
	case step.Kind == fault.Crash:
		w.fire(&m.target, step)
	case step.Target == "":
		w.fired[fault.CrashLoop]++
		w.note(KindFault, m.target.hash, uint64(fault.CrashLoop), step.Arg)
	default:
		w.fire(&m.target, step)
		rng := step.Rand()
		m.loop = crashLoop{left: 1 + rng.IntN(4), rng: rng}
	}
	m.kill(fate, seed)
	w.current.unwind()
}
