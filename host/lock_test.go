package host

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSemaphoreCountsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &fakeHost{t: t, onPark: func(*fakeParker, *Scope, Time) error { return ErrCancelled }}
		total := rapid.Int64Range(1, 20).Draw(rt, "total")
		var s Semaphore
		s.Init(h, total)
		free := total
		rt.Repeat(map[string]func(*rapid.T){
			"acquire": func(rt *rapid.T) {
				n := rapid.Int64Range(0, total).Draw(rt, "n")
				err := s.Acquire(nil, n) // the fake gives every wait up
				if (err == nil) != (n <= free) {
					rt.Fatalf("Acquire %d of %d: %v", n, free, err)
				}
				if err == nil {
					free -= n
				}
			},
			"try": func(rt *rapid.T) {
				n := rapid.Int64Range(0, total).Draw(rt, "n")
				if got := s.TryAcquire(n); got != (n <= free) {
					rt.Fatalf("TryAcquire %d of %d: %t", n, free, got)
				} else if got {
					free -= n
				}
			},
			"release": func(rt *rapid.T) {
				n := rapid.Int64Range(0, total-free).Draw(rt, "n")
				s.Release(n)
				free += n
			},
		})
	})
}

func TestSemaphoreGrantWhileTheScopeEndsCounts(t *testing.T) {
	h := &fakeHost{t: t}
	var s Semaphore
	s.Init(h, 0)
	h.onPark = func(*fakeParker, *Scope, Time) error {
		s.Release(1)
		return ErrCancelled
	}
	if err := s.Acquire(nil, 1); err != nil {
		t.Errorf("Acquire: %v, but the unit was granted", err)
	}
	if s.free != 0 {
		t.Errorf("%d units are free, want 0", s.free)
	}
}

func TestSmallRequestsDoNotStarveALargeOne(t *testing.T) {
	h := &fakeHost{t: t}
	var s Semaphore
	s.Init(h, 2)
	var order []int64
	h.onPark = func(*fakeParker, *Scope, Time) error { // the request for 3 waits
		if s.TryAcquire(1) {
			t.Error("TryAcquire overtook a waiting request")
		}
		h.onPark = func(*fakeParker, *Scope, Time) error { // the request for 1 waits behind it
			s.Release(1)
			if s.free != 0 {
				t.Errorf("%d units are free, want all 3 taken by the first", s.free)
			}
			order = append(order, 3)
			s.Release(3)
			return nil
		}
		if err := s.Acquire(nil, 1); err != nil {
			t.Errorf("Acquire 1: %v", err)
		}
		order = append(order, 1)
		return nil
	}
	if err := s.Acquire(nil, 3); err != nil {
		t.Errorf("Acquire 3: %v", err)
	}
	if !slices.Equal(order, []int64{3, 1}) {
		t.Errorf("served %v, want 3 then 1", order)
	}
}

func TestSignalThatMeetsAWaiterGivingUpCounts(t *testing.T) {
	h := &fakeHost{t: t}
	var m Mutex
	var c Cond
	c.Init(h, &m)
	h.onPark = func(*fakeParker, *Scope, Time) error {
		c.Signal()
		return ErrTimeout
	}
	m.Lock()
	defer m.Unlock()
	if err := c.Wait(nil, 0); err != nil {
		t.Errorf("Wait: %v, but it was signalled", err)
	}
	h.onPark = func(*fakeParker, *Scope, Time) error { return ErrTimeout }
	if err := c.Wait(nil, 0); err != ErrTimeout {
		t.Errorf("Wait: %v, want a timeout", err)
	}
	if len(c.waiters) != 0 {
		t.Errorf("%d waiters are left", len(c.waiters))
	}
}

func TestMutexOfATrackerTellsAHolderThatIsParked(t *testing.T) {
	h := &trackerHost{}
	var m Mutex
	m.Init(h)
	m.Lock()
	if h.held != 1 {
		t.Errorf("%d mutexes are counted as held, want 1", h.held)
	}
	defer func() {
		if recover() == nil {
			t.Error("a second Lock did not panic")
		}
		m.Unlock()
		if h.held != 0 {
			t.Errorf("%d mutexes are counted as held, want 0", h.held)
		}
	}()
	m.Lock()
}

type trackerHost struct {
	Host
	held int
}

func (h *trackerHost) MutexHeld(delta int) { h.held += delta }
