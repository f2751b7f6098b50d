package host

import (
	"errors"
	"testing"
)

func TestOutcomeThatComesWhileTheWaitEndsCounts(t *testing.T) {
	h := &fakeHost{t: t}
	failed := errors.New("failed")
	var f Future[int]
	f.Init(h)
	h.onPark = func(*fakeParker, *Scope, Time) error {
		f.Complete(4, failed)
		return ErrTimeout
	}
	if v, err := f.Wait(nil, 5); v != 4 || err != failed {
		t.Errorf("got %d, %v, want the outcome", v, err)
	}
}

func TestFutureHasOneWaiter(t *testing.T) {
	h := &fakeHost{t: t}
	var f Future[int]
	f.Init(h)
	h.onPark = func(*fakeParker, *Scope, Time) error {
		defer func() {
			if recover() == nil {
				t.Error("a second Wait did not panic")
			}
			f.Complete(1, nil)
		}()
		_, _ = f.Wait(nil, 0)
		return nil
	}
	if v, err := f.Wait(nil, 0); v != 1 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}

func TestQueueHasOneConsumer(t *testing.T) {
	h := &fakeHost{t: t}
	var q Queue[int]
	q.Init(h, 1)
	h.onPark = func(*fakeParker, *Scope, Time) error {
		defer func() {
			if recover() == nil {
				t.Error("a second Pop did not panic")
			}
			q.TryPush(1)
		}()
		_, _ = q.Pop(nil)
		return nil
	}
	if v, err := q.Pop(nil); v != 1 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}
