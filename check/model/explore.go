package model

// Verdict is what a walk through one model found.
type Verdict struct {
	Model string   `json:"model"`
	Off   []string `json:"off,omitempty"`
	// States is how many different states were seen: all of them when the walk was safe.
	States int `json:"states"`
	// Depth is how many steps the farthest state seen is away from the start.
	Depth int `json:"depth"`
	// Broken is the invariant that was broken, or "". Story is the shortest way there, one line a step.
	Broken string   `json:"broken,omitempty"`
	Story  []string `json:"story,omitempty"`
	// Missed are the goals that were not reached, and Idle the kinds of steps that were never taken.
	// They mean something only where every rule is on.
	Missed []string `json:"missed,omitempty"`
	Idle   []string `json:"idle,omitempty"`
	// Cut tells that the walk ended at its limit of states: no verdict.
	Cut bool `json:"cut,omitempty"`
}

// Safe tells whether the walk saw every state and none was broken.
func (v *Verdict) Safe() bool { return v.Broken == "" && !v.Cut }

// walk is a breadth-first walk under way. The states stand in the order in which
// they were first seen, so a state's index is also its place in the queue.
type walk[S comparable] struct {
	m      *Model[S]
	off    Rules
	limit  int
	states []S
	from   []int32 // the index of the state that each was first reached from; the start's is -1
	index  map[S]int32
	taken  []bool // by act
	missed []bool // by goal
	broken string
	cut    bool
}

// Explore walks through every state of m with the named rules off, at most limit of
// them, and stops at the first that is broken.
func Explore[S comparable](m *Model[S], off []string, limit int) *Verdict {
	w := &walk[S]{
		m: m, off: m.set(off), limit: limit, index: map[S]int32{},
		taken: make([]bool, len(m.Acts)), missed: make([]bool, len(m.Goals)),
	}
	for i := range w.missed {
		w.missed[i] = true
	}
	w.see(m.Start, -1)
	last, depth := 0, 0 // the last state of the depth being walked
	for at := 0; at < len(w.states) && w.broken == "" && !w.cut; at++ {
		s := w.states[at]
		m.Next(s, w.off, func(step Step, to S) {
			w.taken[step.Act] = true
			if w.broken == "" && !w.cut {
				w.see(to, int32(at))
			}
		})
		if at == last && len(w.states)-1 > last {
			last, depth = len(w.states)-1, depth+1
		}
	}
	return w.verdict(off, depth)
}

func (w *walk[S]) see(s S, from int32) {
	if _, seen := w.index[s]; seen {
		return
	}
	if len(w.states) == w.limit {
		w.cut = true
		return
	}
	w.index[s] = int32(len(w.states))
	w.states = append(w.states, s)
	w.from = append(w.from, from)
	for i, goal := range w.m.Goals {
		if w.missed[i] && goal.Reached(s) {
			w.missed[i] = false
		}
	}
	w.broken = w.m.Broken(s)
}

func (w *walk[S]) verdict(off []string, depth int) *Verdict {
	v := &Verdict{Model: w.m.Name, Off: off, States: len(w.states), Depth: depth, Broken: w.broken, Cut: w.cut}
	if w.broken != "" {
		for _, step := range w.way(int32(len(w.states) - 1)) {
			v.Story = append(v.Story, w.m.say(step))
		}
		v.Depth = len(v.Story)
		return v
	}
	for i, missed := range w.missed {
		if missed {
			v.Missed = append(v.Missed, w.m.Goals[i].Name)
		}
	}
	for act, taken := range w.taken {
		if !taken {
			v.Idle = append(v.Idle, w.m.Acts[act])
		}
	}
	return v
}

// way is the steps from the start to the state of that index: each is found again by
// emitting the successors of the state before it.
func (w *walk[S]) way(to int32) []Step {
	var steps []Step
	for w.from[to] >= 0 {
		from := w.from[to]
		found := false
		w.m.Next(w.states[from], w.off, func(step Step, s S) {
			if !found && s == w.states[to] {
				found = true
				steps = append(steps, step)
			}
		})
		if !found {
			panic("model " + w.m.Name + ": a state emitted other successors the second time")
		}
		to = from
	}
	for i, j := 0, len(steps)-1; i < j; i, j = i+1, j-1 {
		steps[i], steps[j] = steps[j], steps[i]
	}
	return steps
}
