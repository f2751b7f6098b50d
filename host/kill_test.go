package host

import "testing"

// A killed task leaves through deferred calls, which use the kit once more: what it waited on must be
// unlocked, must not take it for a waiter still, and must not touch a Parker in other hands.

func TestKilledConsumerLeavesTheQueueUsable(t *testing.T) {
	h := &fakeHost{t: t}
	var q Queue[int]
	q.Init(h, 2)
	if !killIn(h, nil, func() { _, _ = q.Pop(nil) }) {
		t.Fatal("Pop was not unwound")
	}
	if !q.TryPush(1) || !q.TryPush(2) || q.TryPush(3) {
		t.Error("the queue does not take two items")
	}
	if got, err := q.Drain(nil, nil); err != nil || len(got) != 2 {
		t.Errorf("drained %v, %v", got, err)
	}
	if !killIn(h, nil, func() { _, _ = q.Drain(nil, nil) }) {
		t.Error("a second wait was not taken for one")
	}
	q.Close()
}

func TestKilledPusherLeavesTheQueueUsable(t *testing.T) {
	h := &fakeHost{t: t}
	var q Queue[int]
	q.Init(h, 1)
	q.TryPush(1)
	if !killIn(h, nil, func() { _ = q.Push(nil, 2) }) {
		t.Fatal("Push was not unwound")
	}
	if v, err := q.Pop(nil); err != nil || v != 1 {
		t.Errorf("popped %d, %v", v, err)
	}
	q.Close()
}

func TestKilledWaiterHoldsTheMutexOnTheWayOut(t *testing.T) {
	h := &fakeHost{t: t}
	var m Mutex
	var c Cond
	c.Init(h, &m)
	if !killIn(h, nil, func() {
		m.Lock()
		defer m.Unlock() // fails when Wait did not take it again
		_ = c.Wait(nil, 0)
	}) {
		t.Fatal("Wait was not unwound")
	}
	m.Lock()
	m.Unlock()
	c.Signal()
	c.Broadcast()
}

func TestKilledAcquireLeavesTheSemaphoreUsable(t *testing.T) {
	h := &fakeHost{t: t}
	var s Semaphore
	s.Init(h, 1)
	if !killIn(h, nil, func() {
		_ = s.Acquire(nil, 1)
		defer s.Release(1) // what a task does that holds one and waits for more
		_ = s.Acquire(nil, 1)
	}) {
		t.Fatal("Acquire was not unwound")
	}
	s.Release(1)
}

func TestKilledWaiterLeavesTheFutureUsable(t *testing.T) {
	h := &fakeHost{t: t}
	var f Future[int]
	f.Init(h)
	for range 2 {
		if !killIn(h, nil, func() { _, _ = f.Wait(nil, 0) }) {
			t.Fatal("Wait was not unwound")
		}
	}
	f.Complete(4, nil)
	h.onPark = never(t)
	if v, err := f.Wait(nil, 0); v != 4 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}

func TestKilledGroupWaitLeavesTheGroupUsable(t *testing.T) {
	h := &groupHost{fakeHost: fakeHost{t: t}}
	g := NewGroup(h, nil)
	g.Go("task", func(*Scope) error { return nil })
	if !killIn(&h.fakeHost, nil, func() { _ = g.Wait() }) {
		t.Fatal("Wait was not unwound")
	}
	h.started[0](nil) // ends after its waiter is gone
	h.onPark = never(t)
	if err := g.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

// groupHost keeps the tasks it is asked to start, for the test to run.
type groupHost struct {
	fakeHost
	started []func(*Scope)
}

func (h *groupHost) Go(_ *Scope, _ string, fn func(*Scope)) { h.started = append(h.started, fn) }
