package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// timed tells whether a kind happens at its time instead of at an opportunity.
func timed(k fault.Kind) bool { return k.Info().Window || k == fault.ClockStep }

// timedFaults are the faults that begin and end at a time. They come before everything else of their instant and
// draw nothing from the scheduler's streams, so that a plan that has them and a run that injected them do the same.
type timedFaults struct {
	queue  []timedFault // in order
	opens  uint64       // added so far
	open   uint64       // begun so far
	missed fault.Plan   // what could not be carried out
}

// timedFault is the beginning of a step, or its end.
type timedFault struct {
	at   host.Time
	seq  uint64
	step fault.Step
	undo func() // nil = the beginning
}

// add puts the beginning of a step into the queue.
func (f *timedFaults) add(step fault.Step) {
	f.opens++
	f.insert(timedFault{at: step.At, seq: f.opens, step: step})
}

// insert keeps the order: by time, ends before beginnings, then as they came.
func (f *timedFaults) insert(x timedFault) {
	i, _ := slices.BinarySearchFunc(f.queue, x, func(a, b timedFault) int {
		switch {
		case a.at != b.at && a.at < b.at, a.at == b.at && (a.undo != nil) && (b.undo == nil):
			return -1
		case a.at == b.at && (a.undo != nil) == (b.undo != nil) && a.seq <= b.seq:
			return -1
		}
		return 1
	})
	f.queue = slices.Insert(f.queue, i, x)
}

// steps returns what has not begun.
func (f *timedFaults) steps() fault.Plan {
	list := slices.Clone(f.missed)
	for _, x := range f.queue {
		if x.undo == nil {
			list = append(list, x.step)
		}
	}
	return list
}

// runTimed carries out the head of the queue. What cannot be carried out does not move the time either: a plan that
// was recorded does not have it.
func (w *World) runTimed() {
	f := &w.timed
	x, now, steps := f.queue[0], w.now, w.steps
	f.queue = f.queue[1:]
	if x.at > w.now {
		w.now, w.steps = x.at, 0
	}
	if x.undo != nil {
		w.note(KindFault, hashString(x.step.Target), uint64(x.step.Kind)|1<<8, x.step.Arg)
		x.undo()
		return
	}
	x.step.At = max(x.at, w.now)
	if x.step.For == 0 {
		x.step.For = x.step.Lasts()
	}
	carried := false
	for _, name := range w.targetsOf(x.step) {
		step := x.step
		step.Target = name
		if undo, ok := w.begin(step); ok {
			carried = true
			w.fired[step.Kind]++
			w.note(KindFault, hashString(name), uint64(step.Kind), step.Arg)
			if w.cfg.OnFault != nil {
				w.cfg.OnFault(step)
			}
			w.begun(step)
			if step.Kind.Info().Window {
				f.open++
				f.insert(timedFault{at: step.Ends(), seq: f.open, step: step, undo: undo})
			}
		}
	}
	if !carried {
		f.missed = append(f.missed, x.step)
		w.now, w.steps = now, steps
	}
}

// targetsOf returns the targets that a step means.
func (w *World) targetsOf(step fault.Step) []string {
	if step.Target != fault.Any || step.Kind.Info().On == fault.OnStore {
		return []string{step.Target}
	}
	var list []string
	if step.Kind.Info().On == fault.OnLink {
		for _, l := range w.network.links {
			list = append(list, l.name)
		}
		return list
	}
	for _, m := range w.machines {
		list = append(list, m.name)
	}
	return list
}

// begin carries out the beginning of a step and returns how it ends; false if there is no such target or it is not
// in a state to be struck.
func (w *World) begin(step fault.Step) (undo func(), ok bool) {
	rng := step.Rand()
	switch step.Kind {
	case fault.Partition, fault.CutOneWay, fault.Clog, fault.SlowLink:
		return w.beginOnLink(step, rng)
	case fault.StoreStorm:
		s := &w.store
		s.storm, s.stormRand = max(s.storm, step.Ends()), rng
		return func() {}, true
	case fault.StoreOutage:
		w.store.outage = max(w.store.outage, step.Ends())
		return func() {}, true
	}
	m := w.byName[step.Target]
	if m == nil {
		return nil, false
	}
	return m.begin(step, rng)
}

// begun strikes what has its opportunity in what has just begun.
func (w *World) begun(step fault.Step) {
	if step.Kind != fault.Pause || w.cfg.Usurp == nil {
		return
	}
	m := w.byName[step.Target]
	if s := w.strike(&m.target, m.rates, fault.Usurp); s != nil && w.cfg.Usurp(m, *s) {
		w.fire(&m.target, s)
	}
}

func (w *World) beginOnLink(step fault.Step, rng *rand.Rand) (undo func(), ok bool) {
	from, to, ok := strings.Cut(step.Target, ">")
	if !ok {
		return nil, false
	}
	there, back := w.link(from, to), w.link(to, from)
	switch step.Kind {
	case fault.Partition:
		there.cuts++
		back.cuts++
		return func() {
			there.cuts--
			back.cuts--
			w.release()
		}, true
	case fault.CutOneWay:
		there.cuts++
		return func() {
			there.cuts--
			w.release()
		}, true
	case fault.Clog:
		there.clogs++
		return func() {
			there.clogs--
			w.release()
		}, true
	}
	rate := int64(1<<10) << rng.IntN(6)
	there.slow = append(there.slow, rate)
	return func() {
		i := slices.Index(there.slow, rate)
		there.slow = slices.Delete(there.slow, i, i+1)
		w.hurry(there)
	}, true
}

// begin is the part of World.begin that strikes a machine.
func (m *Machine) begin(step fault.Step, rng *rand.Rand) (undo func(), ok bool) {
	amount := func(most time.Duration) time.Duration { // of all orders of magnitude, either way
		d := time.Duration(rng.Int64N(int64(most)>>rng.IntN(24)) + 1)
		if rng.IntN(2) == 0 {
			return -d
		}
		return d
	}
	switch step.Kind {
	case fault.ClockSkew:
		d := amount(24 * time.Hour)
		m.wallOffset += d
		return func() { m.wallOffset -= d }, true
	case fault.ClockStep:
		m.wallOffset += amount(24 * time.Hour)
		return nil, true
	case fault.ClockStrobe:
		s := strobe{m.w.now, host.Time(between(rng, time.Millisecond, 200*time.Millisecond)), amount(time.Minute)}
		m.strobe = s
		return func() {
			if m.strobe == s {
				m.strobe = strobe{}
			}
		}, true
	case fault.ClockDrift:
		before, ppm := m.ppm, rng.Int64N(MaxDrift)>>rng.IntN(16)
		if rng.IntN(2) == 0 {
			ppm = -ppm
		}
		m.SetDrift(ppm)
		return func() { m.SetDrift(before) }, true
	case fault.Pause:
		if !m.Alive() || m.paused {
			return nil, false
		}
		return m.stop(), true
	}
	return nil, false
}

// Calm ends everything that goes wrong: rates are zero from now on, for every machine, what lasts is over, cuts are
// healed, and what is left of the plan does not happen. Crashes that loop stop too.
func (w *World) Calm() {
	w.rates = rates{}
	w.timed.missed = w.Unfired()
	queue := w.timed.queue
	w.timed.queue = nil
	for _, x := range queue {
		if x.undo != nil {
			w.note(KindFault, hashString(x.step.Target), uint64(x.step.Kind)|1<<8, x.step.Arg)
			x.undo()
		}
	}
	w.plan, w.injected = nil, nil
	w.planned = [kindCount]bool{}
	w.store.storm, w.store.outage = w.now, w.now
	for _, m := range w.machines {
		m.rates = &w.rates
		m.crash, m.loop = crashPlan{}, crashLoop{}
	}
	w.Heal()
}

// Swizzle returns the steps of FoundationDB's swizzle-clog: the links are clogged one by one within spread, and
// unclogged in another order within spread after all of them were.
func Swizzle(rng *rand.Rand, links []string, from host.Time, spread time.Duration) fault.Plan {
	order := rng.Perm(len(links))
	var p fault.Plan
	for _, i := range order {
		begin := from.Add(time.Duration(rng.Int64N(int64(spread) + 1)))
		end := from.Add(spread + time.Duration(rng.Int64N(int64(spread)+1)))
		p = append(p, fault.Step{
			At: begin, Nth: 1, Target: links[i], Kind: fault.Clog, For: max(1, end.Sub(begin)), Arg: rng.Uint64(),
		})
	}
	slices.SortStableFunc(p, func(a, b fault.Step) int { return int(max(-1, min(1, a.At-b.At))) })
	return p
}
