//go:build integration

package jepsen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/check"
)

// recorder collects what every worker did, on one clock.
type recorder struct {
	begin   time.Time
	clients atomic.Int32
	acked   atomic.Int64

	mu   sync.Mutex
	ops  []check.Op
	open map[*check.Op]bool // produces under way
}

func newRecorder() *recorder { return &recorder{begin: time.Now(), open: map[*check.Op]bool{}} }

// begun notes a produce that is under way, and returns what ends that.
func (r *recorder) begun(op *check.Op) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[op] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, op)
	}
}

// waiting tells which produces are under way.
func (r *recorder) waiting() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for op := range r.open {
		list = append(list, fmt.Sprintf("%s to %s since %.1f s", op.Values[0], op.Partition, float64(op.Call)/1e9))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// now is the time of the history, in nanoseconds.
func (r *recorder) now() int64 { return int64(time.Since(r.begin)) }

// client gives out the next client number.
func (r *recorder) client() int32 { return r.clients.Add(1) }

// done notes an operation that has returned just now.
func (r *recorder) done(op check.Op) {
	op.Return = r.now()
	if op.Outcome == check.Unknown {
		op.Return = check.NoReturn
	}
	if op.Kind == check.Produce && op.Outcome == check.OK {
		r.acked.Add(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
}

// take returns everything that was noted.
func (r *recorder) take() []check.Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops
}

// outcome is what an operation without effects of its own, or one that was never retried, comes to.
func outcome(err error) check.Outcome {
	if err != nil {
		return check.Unknown
	}
	return check.OK
}

// A record's value is the number of its check.Value in hex, a space, and padding: one line of text, so that kcat can
// write and read it.
const padding = "----------------------------------------------------------------------------------------------------"

func encode(v check.Value) []byte { return fmt.Appendf(nil, "%016x %s", uint64(v), padding) }

func decode(p []byte) (check.Value, error) {
	head, _, _ := strings.Cut(string(p), " ")
	n, err := strconv.ParseUint(head, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("a record of nobody: %q", p)
	}
	return check.Value(n), nil
}

// pace lets at most so many operations begin a second, over all workers that share it.
type pace struct {
	mu   sync.Mutex
	next time.Time
	gap  time.Duration
}

func newPace(perSecond int) *pace {
	return &pace{next: time.Now(), gap: time.Second / time.Duration(perSecond)}
}

// wait waits for the next turn; false means that stop came first.
func (p *pace) wait(stop <-chan struct{}) bool {
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now.Add(-time.Second)) {
		p.next = now // what was missed during a fault is not made up for
	}
	at := p.next
	p.next = p.next.Add(p.gap)
	p.mu.Unlock()
	select {
	case <-time.After(time.Until(at)):
		return true
	case <-stop:
		return false
	}
}
