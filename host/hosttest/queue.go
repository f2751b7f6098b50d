package hosttest

import (
	"github.com/weirmq/weir/host"
)

var queueScenarios = []scenario{
	{"first in, first out, round the ring", func(t *T, h host.Host, sc *host.Scope) {
		var q host.Queue[int]
		q.Init(h, 40)
		in, out := 0, 0
		for round := range 30 {
			for range 17 + round%7 {
				t.Check(q.TryPush(in), "TryPush refused item %d at length %d", in, q.Len())
				in++
			}
			for q.Len() > round%13 {
				v, err := q.Pop(sc)
				t.Check(err == nil && v == out, "popped %d, %v, want %d", v, err, out)
				out++
			}
		}
		rest, err := q.Drain(sc, []int{-1})
		t.Check(err == nil && len(rest) == 1+in-out && rest[0] == -1, "drained %v, %v", rest, err)
		for i, v := range rest[1:] {
			t.Check(v == out+i, "drained %d at %d, want %d", v, i, out+i)
		}
		t.Check(q.Len() == 0, "length %d after Drain", q.Len())
	}},
	{"a full queue refuses, holds back, and takes in order", fullQueue},
	{"a pusher that waits gives up with its scope", func(t *T, h host.Host, sc *host.Scope) {
		var q host.Queue[int]
		q.Init(h, 1)
		t.Is(q.Push(sc, 1), nil, "Push")
		child, cancel := sc.Child(0)
		tasks(h, sc,
			func(*host.Scope) { t.Is(q.Push(child, 2), host.ErrCancelled, "Push in a scope that ends") },
			func(sc *host.Scope) { settle(h, sc); cancel() },
		)
		got, err := q.Drain(sc, nil)
		t.Check(err == nil && len(got) == 1 && got[0] == 1, "drained %v, %v, want only 1", got, err)
	}},
	{"a consumer waits, and gives up with its scope", func(t *T, h host.Host, sc *host.Scope) {
		var q host.Queue[int]
		q.Init(h, 4)
		child, cancel := sc.Child(0)
		tasks(h, sc,
			func(sc *host.Scope) {
				v, err := q.Pop(sc)
				t.Check(err == nil && v == 1, "popped %d, %v, want 1", v, err)
				got, err := q.Drain(sc, nil)
				t.Check(err == nil && len(got) == 1 && got[0] == 2, "drained %v, %v, want 2", got, err)
				_, err = q.Pop(child)
				t.Is(err, host.ErrCancelled, "Pop in a scope that ends")
				_, err = q.Drain(child, nil)
				t.Is(err, host.ErrCancelled, "Drain in an ended scope")
			},
			func(sc *host.Scope) {
				settle(h, sc)
				t.Check(q.TryPush(1), "TryPush refused")
				settle(h, sc)
				for q.Len() > 0 { // else Drain's first item is Pop's second
					settle(h, sc)
				}
				t.Is(q.Push(sc, 2), nil, "Push")
				for q.Len() > 0 {
					settle(h, sc)
				}
				cancel()
			},
		)
		t.Check(q.TryPush(3), "TryPush refused")
		v, err := q.Pop(child)
		t.Check(err == nil && v == 3, "an item that is there wins over an ended scope: %d, %v", v, err)
	}},
	{"closing refuses pushes and lets the rest be taken", func(t *T, h host.Host, sc *host.Scope) {
		var q host.Queue[int]
		q.Init(h, 2)
		t.Check(q.TryPush(1) && q.TryPush(2), "TryPush refused")
		tasks(h, sc,
			func(sc *host.Scope) { t.Is(q.Push(sc, 3), host.ErrClosed, "Push that waits") },
			func(sc *host.Scope) { settle(h, sc); q.Close() },
		)
		t.Is(q.Push(sc, 4), host.ErrClosed, "Push")
		t.Check(!q.TryPush(5), "TryPush into a closed queue")
		v, err := q.Pop(sc)
		t.Check(err == nil && v == 1, "popped %d, %v, want 1", v, err)
		got, err := q.Drain(sc, nil)
		t.Check(err == nil && len(got) == 1 && got[0] == 2, "drained %v, %v, want 2", got, err)
		_, err = q.Pop(sc)
		t.Is(err, host.ErrClosed, "Pop")
		_, err = q.Drain(sc, nil)
		t.Is(err, host.ErrClosed, "Drain")
		q.Close()
	}},
	{"closing wakes the consumer", func(t *T, h host.Host, sc *host.Scope) {
		var q host.Queue[int]
		q.Init(h, 1)
		tasks(h, sc,
			func(sc *host.Scope) { _, err := q.Pop(sc); t.Is(err, host.ErrClosed, "Pop") },
			func(sc *host.Scope) { settle(h, sc); q.Close() },
		)
	}},
	{"many pushers and one consumer lose nothing and keep each pusher's order", manyPushers},
}

func fullQueue(t *T, h host.Host, sc *host.Scope) {
	var q host.Queue[int]
	q.Init(h, 2)
	t.Check(q.TryPush(0) && q.TryPush(1), "TryPush refused with room")
	t.Check(!q.TryPush(9), "TryPush took an item too many")
	tasks(h, sc,
		func(sc *host.Scope) {
			for v := 2; v < 6; v++ {
				t.Is(q.Push(sc, v), nil, "Push")
			}
		},
		func(sc *host.Scope) {
			for want := range 3 {
				settle(h, sc)
				t.Check(q.Len() <= 2, "%d items in a queue of 2", q.Len())
				v, err := q.Pop(sc)
				t.Check(err == nil && v == want, "popped %d, %v, want %d", v, err, want)
			}
			got, err := []int(nil), error(nil)
			for len(got) < 3 && err == nil {
				got, err = q.Drain(sc, got)
			}
			t.Is(err, nil, "Drain")
			for i, v := range got {
				t.Check(v == 3+i, "drained %v, want 3 4 5", got)
			}
		},
	)
}

func manyPushers(t *T, h host.Host, sc *host.Scope) {
	const pushers, each = 5, 60
	var q host.Queue[[2]int]
	q.Init(h, 3)
	fns := []func(*host.Scope){func(sc *host.Scope) {
		var next [pushers]int
		var batch [][2]int
		for n := 0; n < pushers*each; n += len(batch) {
			var err error
			if n%2 == 0 {
				batch, err = q.Drain(sc, batch[:0])
			} else {
				var one [2]int
				one, err = q.Pop(sc)
				batch = append(batch[:0], one)
			}
			if !t.Is(err, nil, "taking items") {
				return
			}
			for _, v := range batch {
				t.Check(v[1] == next[v[0]], "pusher %d: got item %d, want %d", v[0], v[1], next[v[0]])
				next[v[0]] = v[1] + 1
			}
		}
	}}
	for p := range pushers {
		fns = append(fns, func(sc *host.Scope) {
			for i := range each {
				t.Is(q.Push(sc, [2]int{p, i}), nil, "Push")
			}
		})
	}
	tasks(h, sc, fns...)
	t.Check(q.Len() == 0, "%d items are left", q.Len())
}
