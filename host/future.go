package host

import "sync"

// Future is a value that comes later, for one waiter.
type Future[T any] struct {
	h Host

	mu     sync.Mutex // guards the fields below; never held across a park
	done   bool
	v      T
	err    error
	waiter Parker
}

// Init ties f to its host. Call it before first use.
func (f *Future[T]) Init(h Host) { f.h = h }

// Complete gives f its outcome and wakes the waiter. The first outcome stays; later ones are dropped.
func (f *Future[T]) Complete(v T, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return
	}
	f.done, f.v, f.err = true, v, err
	if f.waiter != nil {
		f.waiter.Unpark()
		f.waiter = nil
	}
}

// Done reports whether f has its outcome.
func (f *Future[T]) Done() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// Wait returns f's outcome when it comes, or ErrTimeout or sc.Err() before that.
func (f *Future[T]) Wait(sc *Scope, until Time) (T, error) {
	f.mu.Lock()
	if f.done {
		defer f.mu.Unlock()
		return f.v, f.err
	}
	if f.waiter != nil {
		f.mu.Unlock()
		panic("host: a Future has one waiter")
	}
	p := f.h.Parker()
	f.waiter = p
	f.mu.Unlock()

	err := f.park(p, sc, until)
	p.Release()
	// Nobody takes an outcome back, so done may be read once more without having waited in between.
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return f.v, f.err
	}
	if err == nil {
		panic("host: a Future's waiter was unparked without an outcome")
	}
	var zero T
	return zero, err
}

// park parks and takes p off f, also when a killed task unwinds. The lock orders it after a Complete
// that is waking p.
func (f *Future[T]) park(p Parker, sc *Scope, until Time) error {
	defer f.unwait()
	return p.Park(sc, until)
}

func (f *Future[T]) unwait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiter = nil
}
