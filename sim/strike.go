package sim

import (
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// target is what faults strike: a machine, a volume of one, a link, the store or a site of the code. It counts the
// opportunities of each kind within the instant, so that each fault that fires can be named by its place there.
type target struct {
	name string // as a fault.Step has it
	hash uint64
	seen [kindCount]opportunities
}

type opportunities struct {
	at host.Time
	n  int // at that instant
}

func (t *target) init(name string) { t.name, t.hash = name, hashString(name) }

// faultState is what a world knows of its faults.
type faultState struct {
	rates    rates
	rand     [kindCount]*rand.Rand // one stream a kind: for the rate, and for each strike's Arg
	fired    [kindCount]uint64
	plan     *fault.Schedule // the strikes of Config.Plan
	injected []injection
	planned  [kindCount]bool // there is or was a strike of this kind in plan or injected
	timed    timedFaults
	marked   map[string]*site // those that asked host.Buggify
}

// injection is a strike that came later than the plan.
type injection struct {
	s    *fault.Schedule
	step fault.Step
}

func (w *World) initFaults() {
	f := &w.faultState
	for _, k := range fault.Kinds() {
		f.rand[k] = newRand(w.cfg.Seed, "fault", k.String())
	}
	f.rates = w.cfg.Faults.rates()
	f.marked = map[string]*site{}
	var strikes fault.Plan
	for _, step := range w.cfg.Plan {
		if timed(step.Kind) {
			f.timed.add(step)
			continue
		}
		strikes = append(strikes, step)
		f.planned[step.Kind] = true
	}
	f.plan = fault.NewSchedule(strikes)
}

// Inject adds a step to the plan while the world runs. A step that lasts, or happens at its time, begins at the
// next instant at the earliest.
func (w *World) Inject(step fault.Step) {
	if timed(step.Kind) {
		step.At = max(step.At, w.now+1)
		w.timed.add(step)
		return
	}
	w.planned[step.Kind] = true
	w.injected = append(w.injected, injection{fault.NewSchedule(fault.Plan{step}), step})
}

// Unfired returns the steps of the plan, and those injected, that have done nothing so far.
func (w *World) Unfired() fault.Plan {
	list := w.plan.Unfired()
	for _, x := range w.injected {
		list = append(list, x.step)
	}
	return append(list, w.timed.steps()...)
}

// strike counts an opportunity and returns the step that strikes it, nil if none does. Whoever asked carries it out
// and then calls fire, or drops it if it cannot be carried out.
func (w *World) strike(t *target, r *rates, k fault.Kind) *fault.Step {
	c := &t.seen[k]
	if c.at != w.now {
		c.at, c.n = w.now, 0
	}
	c.n++
	if r[k] == 0 && !w.planned[k] {
		return nil
	}
	return w.decide(t, r, k, c.n)
}

// decide asks the plan, then the rate. Each kind draws from its own stream.
func (w *World) decide(t *target, r *rates, k fault.Kind, nth int) *fault.Step {
	step, ok := w.plan.Strikes(w.now, t.name, k)
	for i := 0; i < len(w.injected); i++ {
		if x := w.injected[i]; x.step.Kind == k {
			if got, yes := x.s.Strikes(w.now, t.name, k); yes {
				w.injected = append(w.injected[:i], w.injected[i+1:]...)
				i--
				step, ok = got, true
			}
		}
	}
	if !ok {
		if !r[k].hits(w.rand[k]) {
			return nil
		}
		step.Arg = w.rand[k].Uint64()
	}
	return &fault.Step{At: w.now, Nth: nth, Target: t.name, Kind: k, For: step.For, Arg: step.Arg}
}

// hit is strike and fire, for faults that can always be carried out.
func (w *World) hit(t *target, r *rates, k fault.Kind) *fault.Step {
	step := w.strike(t, r, k)
	if step != nil {
		w.fire(t, step)
	}
	return step
}

// fire counts a fault that was carried out, and shows it.
func (w *World) fire(t *target, step *fault.Step) {
	w.fired[step.Kind]++
	w.show(t, step)
}

// show is fire for a fault that may have changed nothing, and is needed to repeat the run all the same.
func (w *World) show(t *target, step *fault.Step) {
	w.note(KindFault, t.hash, uint64(step.Kind), step.Arg)
	if w.cfg.OnFault != nil {
		w.cfg.OnFault(*step)
	}
}

// lasts settles how long a step takes: what it says, or what its Arg draws between least and most.
func lasts(step *fault.Step, least, most time.Duration) host.Time {
	if step.For == 0 {
		step.For = time.Duration(between(rand.New(rand.NewPCG(step.Arg, mixA)), least, most))
	}
	return host.Time(step.For)
}

// FaultCount is how often one kind of fault happened.
type FaultCount struct {
	Fault fault.Kind
	Count uint64
}

// Fired returns how often each kind of fault happened so far, in the order of the catalogue: those that the world
// carried out and those that CountFault was told of.
func (w *World) Fired() []FaultCount {
	list := make([]FaultCount, kindCount)
	for i := range list {
		list[i] = FaultCount{fault.Kind(i), w.fired[i]}
	}
	return list
}

// CountFault counts a fault that somebody else carried out, such as a client, and adds it to the trace. It is not
// given to OnFault: no plan of the world repeats it.
func (w *World) CountFault(k fault.Kind) {
	w.fired[k]++
	w.note(KindFault, 0, uint64(k), w.fired[k])
}

// spare asks whether the only copy of n bytes of a file may be damaged.
func (w *World) spare(v *Volume, path string, off, n int64) bool {
	return w.cfg.Spare == nil || w.cfg.Spare(v.name, path, off, n)
}
