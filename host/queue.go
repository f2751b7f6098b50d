package host

import "sync"

// Queue is a bounded first-in-first-out queue from many tasks to the one loop that owns it.
type Queue[T any] struct {
	h   Host
	cap int

	mu      sync.Mutex // guards the fields below; never held across a park
	items   []T
	head    int
	closed  bool
	popper  Parker
	pushers []Parker
}

// Init ties q to its host and bounds it to capacity items.
func (q *Queue[T]) Init(h Host, capacity int) {
	if capacity < 1 {
		panic("host: a Queue holds at least one item")
	}
	q.h, q.cap = h, capacity
}

// Push appends v, waiting for room. It returns nil, ErrClosed or sc.Err().
func (q *Queue[T]) Push(sc *Scope, v T) error {
	q.mu.Lock()
	for {
		if q.closed {
			q.mu.Unlock()
			return ErrClosed
		}
		if q.put(v) {
			q.mu.Unlock()
			return nil
		}
		p := q.h.Parker()
		q.pushers = append(q.pushers, p)
		q.mu.Unlock()
		err := p.Park(sc, 0)
		q.mu.Lock()
		var listed bool
		q.pushers, listed = without(q.pushers, p)
		p.Release()
		if err != nil {
			if !listed {
				q.wakePusher() // we were chosen and go away: pass it on
			}
			q.mu.Unlock()
			return err
		}
	}
}

// TryPush appends v if there is room and the queue is open, and reports whether it did.
func (q *Queue[T]) TryPush(v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.closed && q.put(v)
}

func (q *Queue[T]) put(v T) bool {
	if len(q.items)-q.head >= q.cap {
		return false
	}
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
	if q.popper != nil {
		q.popper.Unpark()
		q.popper = nil
	}
	return true
}

// Pop takes the oldest item, waiting for one. It returns ErrClosed once the queue is closed and empty.
func (q *Queue[T]) Pop(sc *Scope) (T, error) {
	var zero T
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.await(sc); err != nil {
		return zero, err
	}
	v := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	q.wakePusher()
	return v, nil
}

// Drain waits for at least one item and appends all there are to dst.
func (q *Queue[T]) Drain(sc *Scope, dst []T) ([]T, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.await(sc); err != nil {
		return dst, err
	}
	dst = append(dst, q.items[q.head:]...)
	clear(q.items)
	q.items, q.head = q.items[:0], 0
	for len(q.pushers) > 0 {
		q.wakePusher()
	}
	return dst, nil
}

// await waits, with q.mu held on entry and exit, until there is an item.
func (q *Queue[T]) await(sc *Scope) error {
	for q.head == len(q.items) {
		if q.closed {
			return ErrClosed
		}
		if q.popper != nil {
			panic("host: a Queue has one consumer")
		}
		p := q.h.Parker()
		q.popper = p
		err := parkUnlocked(&q.mu, p, sc, 0)
		q.popper = nil
		p.Release()
		if err != nil && q.head == len(q.items) {
			return err
		}
	}
	return nil
}

func (q *Queue[T]) wakePusher() {
	if len(q.pushers) > 0 {
		q.pushers[0].Unpark()
		q.pushers, _ = without(q.pushers, q.pushers[0])
	}
}

// Len returns the number of items waiting.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.head
}

// Close stops the queue: pushes fail at once, pops go on until it is empty.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.popper != nil {
		q.popper.Unpark()
		q.popper = nil
	}
	for _, p := range q.pushers {
		p.Unpark()
	}
	q.pushers = nil
}
