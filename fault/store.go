package fault

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// Errors that an injected store gives, besides those of the store below. All are transient.
var (
	// ErrNoAnswer is returned when a call got no answer: its outcome is unknown.
	ErrNoAnswer = errors.New("fault: the object store does not answer")
	// ErrUnavailable is returned for 503, 500 and 429: the call had no effect.
	ErrUnavailable = errors.New("fault: the object store is busy (503 SlowDown)")
	// ErrConflict is returned for 409: the call had no effect.
	ErrConflict = errors.New("fault: another conditional put is under way (409)")
	// ErrForbidden is returned for 403 that passes: expired credentials, or clocks too far apart.
	ErrForbidden = errors.New("fault: the object store refuses for a moment (403)")
)

// WrapStore returns s as i's plan lets it be seen. Put it below retries and meters, where a real store would be.
func WrapStore(i *Injector, s objectstore.Store) objectstore.Store {
	return &store{Store: s, i: i}
}

// Store is WrapStore as a method.
func (i *Injector) Store(s objectstore.Store) objectstore.Store { return WrapStore(i, s) }

// outageMax bounds how long one call waits for a store that does not answer, as a client's timeout does.
const outageMax = 30 * time.Second

type store struct {
	objectstore.Store
	i *Injector
}

func (s *store) struck(kind Kind, op objectstore.Op, key string) (Step, bool) {
	if s.i.absent[kind] {
		return Step{}, false
	}
	return s.i.strikes(StoreTarget, kind, op.String()+" "+key)
}

func injected(op objectstore.Op, key string, kind Kind, as error) error {
	return fmt.Errorf("%s %s: injected %s: %w", op, key, kind, as)
}

// refusals are the kinds that refuse any call before it has an effect.
var refusals = [...]struct {
	kind Kind
	as   error
}{
	{StoreThrottle, ErrUnavailable}, {StoreNotApplied, ErrNoAnswer},
	{Expired, ErrForbidden}, {SkewRefused, ErrForbidden},
}

// begin is what every call may meet before it reaches the store.
func (s *store) begin(sc *host.Scope, op objectstore.Op, key string) error {
	if err := sc.Err(); err != nil {
		return err
	}
	if step, ok := s.struck(StoreSlow, op, key); ok {
		if err := s.i.h.Sleep(sc, step.Lasts()); err != nil {
			return err
		}
	}
	if _, left, ok := s.i.open(StoreTarget, StoreOutage); ok {
		if err := s.i.h.Sleep(sc, min(left, outageMax)); err != nil {
			return err
		}
		return injected(op, key, StoreOutage, ErrNoAnswer)
	}
	if step, _, ok := s.i.open(StoreTarget, StoreStorm); ok && s.i.stormy(step) {
		return injected(op, key, StoreStorm, ErrUnavailable)
	}
	for _, r := range refusals {
		if _, ok := s.struck(r.kind, op, key); ok {
			return injected(op, key, r.kind, r.as)
		}
	}
	return nil
}

// stormy lets one of ten calls through, by the call's place in the storm.
func (i *Injector) stormy(s Step) bool { return (i.storm.Add(1)+s.Arg)%10 != 0 }

// Put implements objectstore.Store.
func (s *store) Put(sc *host.Scope, key string, body objectstore.Body) error {
	return s.change(sc, objectstore.OpPut, key, body, func(sc *host.Scope, body objectstore.Body) error {
		return s.Store.Put(sc, key, body)
	})
}

// PutIfAbsent implements objectstore.Store.
func (s *store) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	const op = objectstore.OpPutIfAbsent
	if _, ok := s.struck(StoreConflict, op, key); ok {
		return injected(op, key, StoreConflict, ErrConflict)
	}
	_, again := s.struck(StoreOwnExists, op, key)
	err := s.change(sc, op, key, body, func(sc *host.Scope, body objectstore.Body) error {
		return s.Store.PutIfAbsent(sc, key, body)
	})
	if err == nil && again {
		return injected(op, key, StoreOwnExists, objectstore.ErrExists)
	}
	return err
}

// Delete implements objectstore.Store.
func (s *store) Delete(sc *host.Scope, key string) error {
	const op = objectstore.OpDelete
	if err := objectstore.CheckKey(key); err != nil {
		return err
	}
	if _, ok := s.struck(DeleteLost, op, key); ok {
		return sc.Err()
	}
	if step, ok := s.struck(DeleteLate, op, key); ok {
		s.later(step, func(sc *host.Scope) error { return s.Store.Delete(sc, key) })
		return sc.Err()
	}
	return s.change(sc, op, key, nil, func(sc *host.Scope, _ objectstore.Body) error {
		return s.Store.Delete(sc, key)
	})
}

// change is a call whose outcome may become unknown: not applied, applied, or applied later.
func (s *store) change(sc *host.Scope, op objectstore.Op, key string, body objectstore.Body,
	do func(*host.Scope, objectstore.Body) error) error {
	if err := s.begin(sc, op, key); err != nil {
		return err
	}
	if step, ok := s.struck(StoreLate, op, key); ok {
		if body != nil {
			bytes, err := io.ReadAll(objectstore.OpenBody(sc, body)) // it is the caller's only until the call returns
			if err != nil {
				return fmt.Errorf("read the body of %s: %w", key, err)
			}
			body = objectstore.BytesBody(bytes)
		}
		s.later(step, func(sc *host.Scope) error { return do(sc, body) })
		return injected(op, key, StoreLate, ErrNoAnswer)
	}
	_, unheard := s.struck(StoreApplied, op, key)
	err := do(sc, body)
	if err == nil && unheard {
		return injected(op, key, StoreApplied, ErrNoAnswer)
	}
	return err
}

// later carries a change out when its caller has long gone on.
func (s *store) later(step Step, do func(*host.Scope) error) {
	s.i.h.Go(nil, "fault.late", func(sc *host.Scope) {
		if s.i.h.Sleep(sc, step.Lasts()) != nil {
			return // the machine is gone, and with it the request
		}
		err := do(sc)
		s.i.h.Log().WarnContext(sc, "a late call has reached the object store", "step", step.String(), "error", err)
	})
}

// GetRange implements objectstore.Store.
func (s *store) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	const op = objectstore.OpGet
	if err := s.begin(sc, op, key); err != nil {
		return err
	}
	if len(dst) == 0 {
		return s.Store.GetRange(sc, key, off, dst)
	}
	if !s.i.absent[WrongRange] {
		off = s.elsewhere(sc, key, off, len(dst))
	}
	if err := s.Store.GetRange(sc, key, off, dst); err != nil {
		return err
	}
	if step, ok := s.struck(BodyTruncated, op, key); ok {
		clear(dst[step.Rand().IntN(len(dst)):])
		return fmt.Errorf("%w: the body ended early", injected(op, key, BodyTruncated, ErrNoAnswer))
	}
	if step, ok := s.struck(BodyFlipped, op, key); ok {
		r := step.Rand()
		dst[r.IntN(len(dst))] ^= 1 << r.IntN(8)
	}
	return nil
}

// elsewhere returns the offset that is read: another one of the object when a step strikes.
func (s *store) elsewhere(sc *host.Scope, key string, off int64, n int) int64 {
	info, err := s.Store.Head(sc, key)
	if err != nil {
		return off
	}
	at, err := objectstore.Span(off, n, info.Size)
	room := info.Size - int64(n)
	if err != nil || room < 1 {
		return off
	}
	step, ok := s.struck(WrongRange, objectstore.OpGet, key)
	if !ok {
		return off
	}
	to := step.Rand().Int64N(room + 1)
	if to == at {
		to = (to + 1) % (room + 1)
	}
	return to
}

// Head implements objectstore.Store.
func (s *store) Head(sc *host.Scope, key string) (objectstore.Info, error) {
	if err := s.begin(sc, objectstore.OpHead, key); err != nil {
		return objectstore.Info{}, err
	}
	return s.Store.Head(sc, key)
}

// List implements objectstore.Store. A partial list says that there is more, so the rest is asked for, as a client
// does: it is another call, a moment later.
func (s *store) List(sc *host.Scope, prefix, after string, limit int) ([]objectstore.Info, error) {
	const op = objectstore.OpList
	if err := s.begin(sc, op, prefix); err != nil {
		return nil, err
	}
	page, err := s.Store.List(sc, prefix, after, limit)
	if err != nil || len(page) < 2 {
		return page, err
	}
	step, ok := s.struck(PartialList, op, prefix)
	if !ok {
		return page, nil
	}
	page = page[:1+step.Rand().IntN(len(page)-1)]
	if err := s.begin(sc, op, prefix); err != nil {
		return nil, err
	}
	rest, err := s.Store.List(sc, prefix, page[len(page)-1].Key, limit-len(page))
	if err != nil {
		return nil, err
	}
	return append(page, rest...), nil
}
