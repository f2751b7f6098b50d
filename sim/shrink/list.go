package shrink

// List is a list inside a plan.
type List[P, E any] struct {
	Name string
	Get  func(P) []E
	Set  func(P, []E) P // returns a copy of the plan with another list; it may keep the slice
}

// Drop takes elements of a list away, as many as it can: first all of them, then chunks of half of the list, of a
// quarter, and so on down to single elements, until no single one can go.
func Drop[P, E any](s *Search[P], l List[P, E]) {
	if n := len(l.Get(s.best)); n == 0 || s.Try(l.Name, l.Set(s.best, nil)) || n == 1 {
		return
	}
	for size := (len(l.Get(s.best)) + 1) / 2; s.Left() > 0; {
		dropped := dropChunks(s, l, size)
		if size > 1 {
			size = (size + 1) / 2
		} else if !dropped {
			return
		}
	}
}

// variedShare is up to which part of a list a chunk is worth the tries under other noise.
const variedShare = 4

// dropChunks goes over the list once and takes away each chunk of a size without which the plan still fails.
func dropChunks[P, E any](s *Search[P], l List[P, E], size int) (dropped bool) {
	for at := 0; ; {
		list := l.Get(s.best)
		if at >= len(list) || s.Left() <= 0 {
			return dropped
		}
		if s.noise != nil && size*variedShare >= len(list) {
			if s.varied(l.Name, len(list), l.Set(s.best, without(list, at, min(at+size, len(list))))) {
				dropped = true
			} else {
				at += size
			}
			continue
		}
		var candidates []P
		for from := at; from < len(list) && len(candidates) < s.o.Batch; from += size {
			candidates = append(candidates, l.Set(s.best, without(list, from, min(from+size, len(list)))))
		}
		n := s.first(l.Name, len(list), candidates)
		if n < 0 {
			at += len(candidates) * size
			continue
		}
		dropped = true
		at += n * size // what stood behind the chunk stands there now
	}
}

// without is a copy of the list without its elements from up to to.
func without[E any](list []E, from, to int) []E {
	out := make([]E, 0, len(list)-(to-from))
	return append(append(out, list[:from]...), list[to:]...)
}
