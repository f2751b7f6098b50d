package fault

import (
	"cmp"
	"slices"

	"github.com/weirmq/weir/host"
)

// Schedule says which opportunity is struck. It is asked at every call that a fault could strike, so a kind without
// steps costs one load. The nil Schedule strikes nothing.
//
// It belongs to one task: who asks from several guards it.
type Schedule struct {
	steps   []pending            // in the order of their times, as the plan has them where those are equal
	windows []int                // indices of the windows, in that order
	strikes [kindCount]*lanes    // of the steps that are no windows
	spans   [kindCount][]*window // the windows of a kind
	carried int                  // how many steps have fired
}

// pending is a step and what became of it.
type pending struct {
	step  Step
	fired bool
}

// window is a step that lasts, and its end: looked up often, so computed once.
type window struct {
	index    int
	from, to host.Time
	target   string
}

// lanes are the steps of one kind by target.
type lanes struct {
	exact map[string]*lane
	any   *lane
}

// lane is a line of steps that wait for opportunities of the same target and kind.
type lane struct {
	waiting []int // indices of steps whose time has not come, in order
	armed   []due // steps that count, the nearest first
	seen    int64 // opportunities so far, counted from when the first step was armed
}

// due is a step and the opportunity that it strikes.
type due struct {
	index int
	at    int64
}

// NewSchedule returns the schedule of a plan.
func NewSchedule(p Plan) *Schedule {
	s := &Schedule{}
	for _, step := range p {
		s.steps = append(s.steps, pending{step: step})
	}
	slices.SortStableFunc(s.steps, func(a, b pending) int { return cmp.Compare(a.step.At, b.step.At) })
	for i := range s.steps {
		step := &s.steps[i].step
		switch {
		case step.Kind >= kindCount:
		case step.Kind.Info().Window:
			s.windows = append(s.windows, i)
			s.spans[step.Kind] = append(s.spans[step.Kind], &window{i, step.At, step.Ends(), step.Target})
		default:
			l := s.lane(step.Kind, step.Target)
			l.waiting = append(l.waiting, i)
		}
	}
	return s
}

// lane returns the lane of a kind and target, made when missing.
func (s *Schedule) lane(kind Kind, target string) *lane {
	if s.strikes[kind] == nil {
		s.strikes[kind] = &lanes{exact: map[string]*lane{}, any: &lane{}}
	}
	of := s.strikes[kind]
	if target == Any {
		return of.any
	}
	if of.exact[target] == nil {
		of.exact[target] = &lane{}
	}
	return of.exact[target]
}

// Has reports whether the plan has a step of this kind. Ask it where making the target's name costs something.
func (s *Schedule) Has(kind Kind) bool {
	return s != nil && (s.strikes[kind] != nil || s.spans[kind] != nil)
}

// Strikes counts an opportunity of (target, kind) and returns the step that strikes it. Call it once for each
// opportunity, with times that do not go back. Of two steps for one opportunity the first of the plan strikes;
// the other has missed its own and never fires.
func (s *Schedule) Strikes(now host.Time, target string, kind Kind) (Step, bool) {
	if s == nil || s.strikes[kind] == nil {
		return Step{}, false
	}
	of := s.strikes[kind]
	hit := s.count(of.exact[target], now, -1)
	hit = s.count(of.any, now, hit)
	if hit < 0 {
		return Step{}, false
	}
	return s.fire(hit), true
}

// fire marks a step as fired and returns it.
func (s *Schedule) fire(i int) Step {
	if p := &s.steps[i]; !p.fired {
		p.fired = true
		s.carried++
	}
	return s.steps[i].step
}

// count counts one opportunity in l and returns the earliest of hit and the steps that strike it.
func (s *Schedule) count(l *lane, now host.Time, hit int) int {
	if l == nil {
		return hit
	}
	for len(l.waiting) > 0 && s.steps[l.waiting[0]].step.At <= now {
		i := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.arm(due{i, saturate(l.seen, int64(max(1, s.steps[i].step.Nth)))})
	}
	l.seen++
	for len(l.armed) > 0 && l.armed[0].at == l.seen {
		if i := l.armed[0].index; hit < 0 || i < hit {
			hit = i
		}
		l.armed = l.armed[1:]
	}
	return hit
}

// arm puts d behind those that are due no later.
func (l *lane) arm(d due) {
	at, _ := slices.BinarySearchFunc(l.armed, d, func(a, b due) int {
		if a.at <= b.at {
			return -1
		}
		return 1
	})
	l.armed = slices.Insert(l.armed, at, d)
}

// Windows returns the steps that last, in the order of their times.
func (s *Schedule) Windows() []Step {
	if s == nil {
		return nil
	}
	list := make([]Step, len(s.windows))
	for i, at := range s.windows {
		list[i] = s.steps[at].step
	}
	return list
}

// Active returns the first window of (target, kind) that is open at now. It has fired then.
func (s *Schedule) Active(now host.Time, target string, kind Kind) (Step, bool) {
	if s == nil {
		return Step{}, false
	}
	for _, w := range s.spans[kind] {
		if now < w.from {
			break
		}
		if now < w.to && (w.target == target || w.target == Any) {
			return s.fire(w.index), true
		}
	}
	return Step{}, false
}

// Carried tells that step, one of Windows, was carried out by somebody who does not ask Active.
func (s *Schedule) Carried(step Step) {
	for i := range s.steps {
		if s.steps[i].step == step && !s.steps[i].fired {
			s.fire(i)
			return
		}
	}
}

// Unfired returns the steps that have not struck so far, in the order of their times.
func (s *Schedule) Unfired() Plan {
	var list Plan
	if s == nil {
		return list
	}
	for _, p := range s.steps {
		if !p.fired {
			list = append(list, p.step)
		}
	}
	return list
}

// Wants reports whether a step of this kind may still strike this target.
func (s *Schedule) Wants(target string, kind Kind) bool {
	if !s.Has(kind) {
		return false
	}
	for i := range s.steps {
		p := &s.steps[i]
		if !p.fired && p.step.Kind == kind && (p.step.Target == target || p.step.Target == Any) {
			return true
		}
	}
	return false
}
