package host

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestQueueIsAListWithABound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &fakeHost{t: t, onPark: never(t)}
		capacity := rapid.IntRange(1, 40).Draw(rt, "capacity")
		var q Queue[int]
		q.Init(h, capacity)
		var model []int
		next, closed := 0, false
		rt.Repeat(map[string]func(*rapid.T){
			"push": func(rt *rapid.T) {
				for range rapid.IntRange(1, capacity+1).Draw(rt, "items") {
					want := !closed && len(model) < capacity
					if got := q.TryPush(next); got != want {
						rt.Fatalf("TryPush says %t, want %t", got, want)
					}
					if want {
						model = append(model, next)
					}
					next++
				}
			},
			"pop": func(rt *rapid.T) {
				for range rapid.IntRange(1, capacity).Draw(rt, "items") {
					if len(model) == 0 {
						break
					}
					if v, err := q.Pop(nil); err != nil || v != model[0] {
						rt.Fatalf("popped %d, %v, want %d", v, err, model[0])
					}
					model = model[1:]
				}
			},
			"drain": func(rt *rapid.T) {
				if len(model) == 0 {
					return
				}
				got, err := q.Drain(nil, []int{-1})
				if err != nil || !slices.Equal(got[1:], model) || got[0] != -1 {
					rt.Fatalf("drained %v, %v, want %v", got, err, model)
				}
				model = nil
			},
			"close": func(rt *rapid.T) {
				if rapid.IntRange(0, 20).Draw(rt, "dice") == 0 {
					q.Close()
					closed = true
				}
			},
			"": func(rt *rapid.T) {
				if q.Len() != len(model) || len(q.ring) > capacity {
					rt.Fatalf("length %d in a ring of %d, want %d of at most %d",
						q.Len(), len(q.ring), len(model), capacity)
				}
				for i := q.n; i < len(q.ring); i++ {
					if q.ring[q.at(i)] != 0 {
						rt.Fatalf("item %d is taken and still held", q.ring[q.at(i)])
					}
				}
			},
		})
	})
}

func TestPushersAreServedInTheOrderTheyCame(t *testing.T) {
	h := &fakeHost{t: t}
	var q Queue[int]
	q.Init(h, 1)
	q.TryPush(0)
	// Three pushers wait, each played from within the wait of the one before it.
	var push func(v int)
	push = func(v int) {
		h.onPark = func(p *fakeParker, _ *Scope, _ Time) error {
			if v < 3 {
				push(v + 1)
			} else {
				for want := range 4 {
					if q.TryPush(9) {
						t.Error("TryPush overtook a waiting pusher")
					}
					if got, err := q.Pop(nil); err != nil || got != want {
						t.Errorf("popped %d, %v, want %d", got, err, want)
					}
				}
			}
			return nil
		}
		if err := q.Push(nil, v); err != nil {
			t.Errorf("Push %d: %v", v, err)
		}
	}
	push(1)
	if q.Len() != 0 || len(q.pushers) != 0 {
		t.Errorf("%d items and %d pushers are left", q.Len(), len(q.pushers))
	}
}

func TestPushTakenWhileItsScopeEndsCounts(t *testing.T) {
	h := &fakeHost{t: t}
	var q Queue[int]
	q.Init(h, 1)
	q.TryPush(1)
	h.onPark = func(*fakeParker, *Scope, Time) error {
		if v, err := q.Pop(nil); err != nil || v != 1 {
			t.Errorf("popped %d, %v", v, err)
		}
		return ErrCancelled
	}
	if err := q.Push(nil, 2); err != nil {
		t.Errorf("Push: %v, but the item is in the queue", err)
	}
	if v, err := q.Pop(nil); err != nil || v != 2 {
		t.Errorf("popped %d, %v, want 2", v, err)
	}
}

func TestPushThatGaveUpLeavesNothing(t *testing.T) {
	h := &fakeHost{t: t, onPark: func(*fakeParker, *Scope, Time) error { return ErrCancelled }}
	var q Queue[int]
	q.Init(h, 1)
	q.TryPush(1)
	if err := q.Push(nil, 2); err != ErrCancelled {
		t.Errorf("Push: %v", err)
	}
	if got, err := q.Drain(nil, nil); err != nil || !slices.Equal(got, []int{1}) {
		t.Errorf("drained %v, %v, want only 1", got, err)
	}
}
