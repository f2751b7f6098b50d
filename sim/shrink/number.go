package shrink

// Number is a number inside a plan.
type Number[P any] struct {
	Name  string
	Least int64
	Get   func(P) int64
	Set   func(P, int64) P // returns a copy of the plan with another number
}

// Lower makes a number smaller: the least first, then by bisection. What it finds need not be the smallest number
// with which the plan fails, where larger ones pass; one step below it the plan passes.
func Lower[P any](s *Search[P], n Number[P]) {
	high := n.Get(s.best)
	if high <= n.Least || s.Try(n.Name, n.Set(s.best, n.Least)) {
		return
	}
	for low := n.Least; high-low > 1 && s.Left() > 0; {
		middle := low + (high-low)/2
		if s.first(n.Name, int(high), []P{n.Set(s.best, middle)}) == 0 {
			high = middle
		} else {
			low = middle
		}
	}
}

// Simplify tries changes one after another and keeps each with which the plan still fails. A change that returns
// false would change nothing and is not tried.
func Simplify[P any](s *Search[P], name string, changes ...func(P) (P, bool)) {
	for i, change := range changes {
		if candidate, differs := change(s.best); differs && s.Left() > 0 {
			s.first(name, len(changes)-i, []P{candidate})
		}
	}
}
