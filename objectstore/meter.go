package objectstore

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

// Op is a kind of store call, as metered and as named in messages.
type Op uint8

// The kinds of call, in the order of Metered.Totals.
const (
	OpPut Op = iota
	OpPutIfAbsent
	OpGet
	OpHead
	OpList
	OpDelete
	opCount
)

// String returns the name used in metrics and messages.
func (o Op) String() string {
	switch o {
	case OpPut:
		return "put"
	case OpPutIfAbsent:
		return "put-if-absent"
	case OpGet:
		return "get"
	case OpHead:
		return "head"
	case OpList:
		return "list"
	case OpDelete:
		return "delete"
	}
	return "unknown"
}

// Total is what one kind of call added up to since the meter was made. The fields are read one after the
// other, so under load they may be a call apart.
type Total struct {
	Op       Op
	Calls    int64         // finished calls, failed ones included
	Negative int64         // of these: answered ErrNotFound, ErrExists or ErrRange
	Errors   int64         // of these: failed otherwise
	Bytes    int64         // object bytes put or got by calls that succeeded
	Busy     time.Duration // sum of the calls' durations in host time
}

// Metered is a Store that counts the calls to another one. Put it below WithRetry to count what the store
// is asked (and bills), above to count what callers asked.
type Metered struct {
	clock host.Clock
	store Store
	ops   [opCount]meter
}

type meter struct{ calls, negative, errors, bytes, nanos atomic.Int64 }

// WithMeter returns store with every call counted; clock is that of the host it is used on.
func WithMeter(clock host.Clock, store Store) *Metered {
	return &Metered{clock: clock, store: store}
}

// Totals returns the sums of every kind of call, in the order of the Op constants.
func (m *Metered) Totals() []Total {
	list := make([]Total, opCount)
	for i := range m.ops {
		x := &m.ops[i]
		list[i] = Total{
			Op: Op(i), Calls: x.calls.Load(), Negative: x.negative.Load(), Errors: x.errors.Load(),
			Bytes: x.bytes.Load(), Busy: time.Duration(x.nanos.Load()),
		}
	}
	return list
}

// count books one call that began at start and moved n object bytes if it succeeded.
func (m *Metered) count(op Op, start host.Time, n int64, err error) error {
	x := &m.ops[op]
	x.calls.Add(1)
	x.nanos.Add(int64(m.clock.Now().Sub(start)))
	switch {
	case err == nil:
		x.bytes.Add(n)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrExists), errors.Is(err, ErrRange):
		x.negative.Add(1)
	default:
		x.errors.Add(1)
	}
	return err
}

// Put implements Store.
func (m *Metered) Put(sc *host.Scope, key string, body Body) error {
	start := m.clock.Now()
	return m.count(OpPut, start, body.Size(), m.store.Put(sc, key, body))
}

// PutIfAbsent implements Store.
func (m *Metered) PutIfAbsent(sc *host.Scope, key string, body Body) error {
	start := m.clock.Now()
	return m.count(OpPutIfAbsent, start, body.Size(), m.store.PutIfAbsent(sc, key, body))
}

// GetRange implements Store.
func (m *Metered) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	start := m.clock.Now()
	return m.count(OpGet, start, int64(len(dst)), m.store.GetRange(sc, key, off, dst))
}

// Head implements Store.
func (m *Metered) Head(sc *host.Scope, key string) (Info, error) {
	start := m.clock.Now()
	info, err := m.store.Head(sc, key)
	return info, m.count(OpHead, start, 0, err)
}

// List implements Store.
func (m *Metered) List(sc *host.Scope, prefix, after string, limit int) ([]Info, error) {
	start := m.clock.Now()
	page, err := m.store.List(sc, prefix, after, limit)
	return page, m.count(OpList, start, 0, err)
}

// Delete implements Store.
func (m *Metered) Delete(sc *host.Scope, key string) error {
	start := m.clock.Now()
	return m.count(OpDelete, start, 0, m.store.Delete(sc, key))
}

// Name implements Store.
func (m *Metered) Name() string { return m.store.Name() }
