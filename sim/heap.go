package sim

import "github.com/weirmq/weir/host"

// timer is an entry of the event heap: a parked task's deadline, or a function the scheduler runs.
// Order is (at, salt, id): the salt shuffles events of one instant, the id makes the order total.
type timer struct {
	at   host.Time // world time
	salt uint32
	idx  int32 // position in the heap, from 1; 0 = not armed
	id   uint64

	parker *parker // woken with a timeout, or
	fire   func()  // run by the scheduler, or
	mail   *message

	clock *clock    // the clock until is measured on; nil = world time
	until host.Time // deadline on clock, to compute at again when its rate changes
}

func (t *timer) before(u *timer) bool {
	if t.at != u.at {
		return t.at < u.at
	}
	if t.salt != u.salt {
		return t.salt < u.salt
	}
	return t.id < u.id
}

// timerHeap is a binary min-heap. timers[0] is unused, so that index 0 means "not in the heap".
type timerHeap struct{ timers []*timer }

func (h *timerHeap) len() int {
	if len(h.timers) == 0 {
		return 0
	}
	return len(h.timers) - 1
}

func (h *timerHeap) min() *timer { return h.timers[1] }

func (h *timerHeap) push(t *timer) {
	if len(h.timers) == 0 {
		h.timers = append(h.timers, nil)
	}
	h.timers = append(h.timers, t)
	t.idx = int32(len(h.timers) - 1)
	h.up(int(t.idx))
}

func (h *timerHeap) remove(t *timer) {
	i, last := int(t.idx), len(h.timers)-1
	if i != last {
		h.swap(i, last)
	}
	h.timers[last] = nil
	h.timers = h.timers[:last]
	t.idx = 0
	if i != last {
		h.fix(i)
	}
}

func (h *timerHeap) fix(i int) {
	h.down(i)
	h.up(i)
}

func (h *timerHeap) up(i int) {
	for i > 1 && h.timers[i].before(h.timers[i/2]) {
		h.swap(i, i/2)
		i /= 2
	}
}

func (h *timerHeap) down(i int) {
	for {
		c := 2 * i
		if c >= len(h.timers) {
			return
		}
		if c+1 < len(h.timers) && h.timers[c+1].before(h.timers[c]) {
			c++
		}
		if !h.timers[c].before(h.timers[i]) {
			return
		}
		h.swap(i, c)
		i = c
	}
}

func (h *timerHeap) swap(i, j int) {
	h.timers[i], h.timers[j] = h.timers[j], h.timers[i]
	h.timers[i].idx, h.timers[j].idx = int32(i), int32(j)
}

// arm puts t into the heap at world time at.
func (w *World) arm(t *timer, at host.Time) {
	if t.idx != 0 {
		panic("sim: a timer was armed twice")
	}
	w.timerIDs++
	t.at, t.salt, t.id = max(at, w.now), w.salts.Uint32(), w.timerIDs
	w.timers.push(t)
}

func (w *World) disarm(t *timer) {
	if t.idx != 0 {
		w.timers.remove(t)
	}
}

// rebuild restores the order after keys were changed.
func (h *timerHeap) rebuild() {
	for i := h.len() / 2; i >= 1; i-- {
		h.down(i)
	}
}
