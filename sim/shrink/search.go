package shrink

// Test tells which of the candidates is the first, in their order, that still fails; -1 if none does. It may try them
// side by side. It must not keep the slice.
type Test[P any] func(candidates []P) int

// Progress is how far a Search has come.
type Progress struct {
	Pass  string // what is being taken away
	Size  int    // how many elements are left of it, or the number that is made smaller
	Tried int    // candidates so far
	Left  int    // candidates that may still be tried
	Kept  int    // candidates that still failed
}

// Options shape a Search. The zero value of a field takes the default in brackets.
type Options struct {
	Budget   int            // candidates that may be tried [1,000]
	Batch    int            // candidates that are given to the Test at a time [1]
	Progress func(Progress) // called after each batch; nil = nobody listens
}

const budgetDefault = 1000

// Search is one shrinking under way.
type Search[P any] struct {
	o     Options
	test  Test[P]
	best  P
	noise func(P) []P // a candidate under other noise; nil = there is none
	tried int
	kept  int
}

// New returns a Search that begins with a plan that fails.
func New[P any](failing P, test Test[P], o Options) *Search[P] {
	if o.Budget <= 0 {
		o.Budget = budgetDefault
	}
	o.Batch = max(1, o.Batch)
	return &Search[P]{o: o, test: test, best: failing}
}

// Best returns the smallest plan found so far.
func (s *Search[P]) Best() P { return s.best }

// Tried returns how many candidates were tried.
func (s *Search[P]) Tried() int { return s.tried }

// Kept returns how many candidates failed and were kept.
func (s *Search[P]) Kept() int { return s.kept }

// Left returns how many candidates may still be tried.
func (s *Search[P]) Left() int { return s.o.Budget - s.tried }

// first tries candidates and makes the first that fails the plan. It returns its index, -1 if none failed or nothing
// is left of the budget.
func (s *Search[P]) first(pass string, size int, candidates []P) int {
	candidates = candidates[:min(len(candidates), s.Left())]
	if len(candidates) == 0 {
		return -1
	}
	at := s.test(candidates)
	if at < 0 {
		s.tried += len(candidates)
	} else {
		s.tried += at + 1
		s.kept++
		s.best = candidates[at]
	}
	if s.o.Progress != nil {
		s.o.Progress(Progress{Pass: pass, Size: size, Tried: s.tried, Left: s.Left(), Kept: s.kept})
	}
	return at
}

// varied is first for one candidate: if it passes it is tried under other noise, for a failure that needs one order of
// things may come back in another. It reports whether one of them failed.
func (s *Search[P]) varied(pass string, size int, candidate P) bool {
	all := []P{candidate}
	if s.noise != nil {
		all = append(all, s.noise(candidate)...)
	}
	for len(all) > 0 && s.Left() > 0 {
		n := min(len(all), s.o.Batch)
		if s.first(pass, size, all[:n]) >= 0 {
			return true
		}
		all = all[n:]
	}
	return false
}

// Try makes the candidate the plan if it fails, and returns whether it did.
func (s *Search[P]) Try(pass string, candidate P) bool { return s.first(pass, 1, []P{candidate}) == 0 }

// Rounds repeats passes until a whole round of them keeps nothing or the budget is used up.
func (s *Search[P]) Rounds(passes ...func(*Search[P])) {
	for {
		before := s.kept
		for _, pass := range passes {
			pass(s)
		}
		if s.kept == before || s.Left() <= 0 {
			return
		}
	}
}
