package host

import (
	"slices"
	"sync"
)

// Queue is a bounded first-in-first-out queue from many tasks to the one loop that owns it. Tasks that
// wait for room are served in the order they came, and nobody overtakes them.
type Queue[T any] struct {
	h   Host
	cap int

	mu      sync.Mutex // guards the fields below; never held across a park
	ring    []T        // grows to cap on demand
	head    int        // index of the oldest item in ring
	n       int        // items in ring
	closed  bool
	popper  Parker
	pushers []*pusher[T] // not empty only while n == cap
}

// pusher is a task that waits for room and the item it brought.
type pusher[T any] struct {
	v     T
	p     Parker
	taken bool // v is in the ring
}

// Init ties q to its host and bounds it to capacity items.
func (q *Queue[T]) Init(h Host, capacity int) {
	if capacity < 1 {
		panic("host: a Queue holds at least one item")
	}
	q.h, q.cap = h, capacity
}

// Push appends v, waiting for room. It returns nil, or ErrClosed or sc.Err() and then did not append.
func (q *Queue[T]) Push(sc *Scope, v T) error {
	q.mu.Lock()
	if q.closed || q.n < q.cap {
		defer q.mu.Unlock()
		if q.closed {
			return ErrClosed
		}
		q.put(v)
		return nil
	}
	w := &pusher[T]{v: v, p: q.h.Parker()}
	q.pushers = append(q.pushers, w)
	q.mu.Unlock()

	err := w.p.Park(sc, 0)
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.pushers, w); i >= 0 {
		q.pushers = slices.Delete(q.pushers, i, i+1)
	}
	w.p.Release()
	switch {
	case w.taken:
		return nil
	case q.closed:
		return ErrClosed
	}
	return err
}

// TryPush appends v if there is room and the queue is open, and reports whether it did.
func (q *Queue[T]) TryPush(v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.n >= q.cap {
		return false
	}
	q.put(v)
	return true
}

// put appends v to the ring, which has room, and wakes the consumer.
func (q *Queue[T]) put(v T) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[q.at(q.n)] = v
	q.n++
	if q.popper != nil {
		q.popper.Unpark()
		q.popper = nil
	}
}

// at returns the ring index of the i-th oldest item.
func (q *Queue[T]) at(i int) int {
	if i += q.head; i >= len(q.ring) {
		i -= len(q.ring)
	}
	return i
}

func (q *Queue[T]) grow() {
	const first = 16 // most queues stay short
	ring := make([]T, min(q.cap, max(first, 2*len(q.ring))))
	n := copy(ring, q.ring[q.head:])
	copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}

// Pop takes the oldest item, waiting for one. It returns ErrClosed once the queue is closed and empty,
// and sc.Err() only when there is no item.
func (q *Queue[T]) Pop(sc *Scope) (T, error) {
	var zero T
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.await(sc); err != nil {
		return zero, err
	}
	v := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = q.at(1)
	q.n--
	q.admit()
	return v, nil
}

// Drain waits for at least one item and appends all there are to dst. Errors are those of Pop.
func (q *Queue[T]) Drain(sc *Scope, dst []T) ([]T, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.await(sc); err != nil {
		return dst, err
	}
	front := q.ring[q.head:min(q.head+q.n, len(q.ring))]
	back := q.ring[:q.n-len(front)]
	dst = append(append(dst, front...), back...)
	clear(front)
	clear(back)
	q.head, q.n = 0, 0
	q.admit()
	return dst, nil
}

// await waits, with q.mu held on entry and exit, until there is an item.
func (q *Queue[T]) await(sc *Scope) error {
	for q.n == 0 {
		if q.closed {
			return ErrClosed
		}
		if q.popper != nil {
			panic("host: a Queue has one consumer")
		}
		p := q.h.Parker()
		err := q.park(p, sc)
		p.Release()
		if err != nil && q.n == 0 {
			return err
		}
	}
	return nil
}

// park parks the consumer with q.mu released, and puts q in order again also when a killed task unwinds.
func (q *Queue[T]) park(p Parker, sc *Scope) error {
	q.popper = p
	q.mu.Unlock()
	defer q.unpop()
	return p.Park(sc, 0)
}

func (q *Queue[T]) unpop() {
	q.mu.Lock()
	q.popper = nil
}

// admit moves the items of waiting pushers into the room there is.
func (q *Queue[T]) admit() {
	done := 0
	for ; done < len(q.pushers) && q.n < q.cap; done++ {
		w := q.pushers[done]
		q.put(w.v)
		w.taken = true
		w.p.Unpark()
	}
	q.pushers = slices.Delete(q.pushers, 0, done)
}

// Len returns the number of items waiting.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// Close stops the queue: pushes fail at once, also those that wait for room; pops go on until it is empty.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.popper != nil {
		q.popper.Unpark()
		q.popper = nil
	}
	for _, w := range q.pushers {
		w.p.Unpark()
	}
	q.pushers = nil
}
