package metadata

import "slices"

// span is the sequences [from, to).
type span struct{ from, to uint64 }

// spans is a set of sequences as sorted spans that neither overlap nor touch. Sequences are committed
// nearly in order, so a set of millions is a handful of spans.
type spans []span

// search returns the index of the first span that ends above n.
func (s spans) search(n uint64) int {
	i, _ := slices.BinarySearchFunc(s, n, func(x span, n uint64) int {
		if x.to <= n {
			return -1
		}
		return 1
	})
	return i
}

func (s spans) has(n uint64) bool {
	i := s.search(n)
	return i < len(s) && s[i].from <= n
}

// add puts n into the set.
func (s spans) add(n uint64) spans {
	i := s.search(n)
	if i < len(s) && s[i].from <= n {
		return s
	}
	left := i > 0 && s[i-1].to == n
	right := i < len(s) && s[i].from == n+1
	switch {
	case left && right:
		s[i-1].to = s[i].to
		return slices.Delete(s, i, i+1)
	case left:
		s[i-1].to = n + 1
	case right:
		s[i].from = n
	default:
		return slices.Insert(s, i, span{n, n + 1})
	}
	return s
}

// below drops everything below n.
func (s spans) below(n uint64) spans {
	s = slices.Delete(s, 0, s.search(n))
	if len(s) > 0 && s[0].from < n {
		s[0].from = n
	}
	return s
}
