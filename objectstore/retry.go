package objectstore

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// Policy says how WithRetry waits and when it gives up. A zero field takes the default.
type Policy struct {
	First   time.Duration // longest wait before the second attempt (100 ms); doubles from there
	Max     time.Duration // longest wait between two attempts (5 s)
	Attempt time.Duration // bound of one attempt (60 s)
	Total   time.Duration // bound of a whole call, waits included (0: only the scope's own deadline)
	Denied  time.Duration // how long ErrDenied is tried again (1 min; below 0: not at all)
	After   time.Duration // longest wait that a store can ask for with RetryAfter (20 s)
}

func (p Policy) withDefaults() Policy {
	if p.First <= 0 {
		p.First = 100 * time.Millisecond
	}
	if p.Max <= 0 {
		p.Max = 5 * time.Second
	}
	if p.Attempt <= 0 {
		p.Attempt = time.Minute
	}
	if p.Denied == 0 {
		p.Denied = time.Minute
	}
	if p.After <= 0 {
		p.After = 20 * time.Second
	}
	return p
}

// wait is the pause after the given attempt (1 for the first): exponential up to Max, then a random part
// of its upper half, so that callers that failed together do not come back together.
func (p Policy) wait(attempt int, r *rand.Rand) time.Duration {
	d := p.Max
	if shift := attempt - 1; shift < bits.LeadingZeros64(uint64(p.First))-1 && p.First<<shift < p.Max {
		d = p.First << shift
	}
	return d/2 + time.Duration(r.Int64N(int64(d/2)+1))
}

// WithRetry returns store with transient errors tried again under p. Definite answers, terminal errors and
// the end of the scope are returned at once, ErrDenied after a while. Retries are logged at attempts 2, 4, 8, ….
//
// A put opens its body once an attempt. PutIfAbsent meeting ErrExists after an attempt whose outcome is
// unknown reads the object that is there: the same bytes are its own, and it has succeeded; with others it
// returns ErrExists; and an error that is ErrExists and ErrExistsUnknown when the object cannot be read.
func WithRetry(h host.Host, store Store, p Policy) Store {
	s := &retrying{h: h, store: store, policy: p.withDefaults(), rand: h.Rand("objectstore.retry")}
	s.mu.Init(h)
	return s
}

type retrying struct {
	h      host.Host
	store  Store
	policy Policy

	mu   host.Mutex // guards rand
	rand *rand.Rand
}

// call runs do until it succeeds or must not be tried again. key is for messages only.
func (s *retrying) call(sc *host.Scope, op Op, key string, do func(*host.Scope) error) error {
	start := s.h.Now()
	denied := host.Time(0) // until when a denial is tried again; 0 before the first
	var cause error        // of the newest attempt that failed by itself and not by our deadline
	for attempt := 1; ; attempt++ {
		err := s.attempt(sc, start, do)
		if errors.Is(err, ErrDenied) && denied == 0 {
			denied = s.h.Now().Add(max(0, s.policy.Denied))
		}
		if err == nil || errors.Is(err, host.ErrKilled) || Definite(err) && !s.waitsOut(err, denied) {
			return err
		}
		if mutant.On(mutant.StoreErrorFatal) {
			return Terminal(err)
		}
		if attempt == manyTries {
			probe.Hit(probe.StoreManyTries)
		}
		if cause == nil || !errors.Is(err, host.ErrTimeout) {
			cause = err
		}
		if end := sc.Err(); end != nil {
			return s.ended(op, key, attempt, end, cause)
		}
		pause := max(s.pause(attempt), s.wish(err))
		if host.Buggify(s.h, "objectstore.retry.long") {
			pause = s.policy.Max
		}
		if mutant.On(mutant.RetryWithoutBackoff) {
			pause = 0
		}
		if t := s.policy.Total; t > 0 && s.h.Now().Add(pause).Sub(start) >= t {
			probe.Hit(probe.StoreGaveUp)
			return fmt.Errorf("%s %s in %s: gave up after %d attempts in %v: %w",
				op, key, s.Name(), attempt, s.h.Now().Sub(start).Round(time.Millisecond), cause)
		}
		s.tell(op, key, attempt+1, pause, cause)
		if end := s.h.Sleep(sc, pause); end != nil {
			return s.ended(op, key, attempt, end, cause)
		}
	}
}

// manyTries is after how many failed attempts a call is a rare one.
const manyTries = 4

// wish is how long the store asked to be left alone, within bounds.
func (s *retrying) wish(err error) time.Duration {
	after := min(wished(err), s.policy.After)
	if after > 0 {
		probe.Hit(probe.StoreLater)
	}
	return after
}

// waitsOut reports whether a definite error is a denial that may pass until then.
func (s *retrying) waitsOut(err error, until host.Time) bool {
	if !errors.Is(err, ErrDenied) || s.h.Now() >= until {
		return false
	}
	probe.Hit(probe.StoreDenied)
	return true
}

// ended is the error of a call whose scope ended.
func (s *retrying) ended(op Op, key string, attempt int, end, cause error) error {
	return fmt.Errorf("%s %s in %s: %w at attempt %d: %w", op, key, s.Name(), end, attempt, cause)
}

// tell logs that attempt next follows, less often the longer it lasts.
func (s *retrying) tell(op Op, key string, next int, pause time.Duration, cause error) {
	if next&(next-1) != 0 {
		return
	}
	s.h.Log().Warn("object store call failed, trying again", slog.String("store", s.Name()),
		slog.String("op", op.String()), slog.String("key", key), slog.Int("attempt", next),
		slog.Duration("wait", pause), slog.String("err", cause.Error()))
}

// attempt runs do once within the bounds of one attempt and of the call. A nil scope has no clock to
// hold a deadline against, so its attempts are unbounded.
func (s *retrying) attempt(sc *host.Scope, start host.Time, do func(*host.Scope) error) error {
	if sc == nil {
		return do(nil)
	}
	until := s.h.Now().Add(s.policy.Attempt)
	if t := s.policy.Total; t > 0 {
		until = min(until, start.Add(t))
	}
	child, cancel := sc.Child(until)
	defer cancel()
	err := do(child)
	if err != nil && child.Err() != nil && sc.Err() == nil {
		probe.Hit(probe.StoreHung)
	}
	return err
}

func (s *retrying) pause(attempt int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy.wait(attempt, s.rand)
}

func (s *retrying) Put(sc *host.Scope, key string, body Body) error {
	return s.call(sc, OpPut, key, func(sc *host.Scope) error { return s.store.Put(sc, key, body) })
}

func (s *retrying) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	return s.call(sc, OpGet, key, func(sc *host.Scope) error { return s.store.GetRange(sc, key, off, dst) })
}

func (s *retrying) Head(sc *host.Scope, key string) (info Info, err error) {
	err = s.call(sc, OpHead, key, func(sc *host.Scope) error {
		info, err = s.store.Head(sc, key)
		return err
	})
	return info, err
}

func (s *retrying) List(sc *host.Scope, prefix, after string, limit int) (page []Info, err error) {
	err = s.call(sc, OpList, prefix, func(sc *host.Scope) error {
		page, err = s.store.List(sc, prefix, after, limit)
		return err
	})
	return page, err
}

func (s *retrying) Delete(sc *host.Scope, key string) error {
	return s.call(sc, OpDelete, key, func(sc *host.Scope) error { return s.store.Delete(sc, key) })
}

func (s *retrying) Name() string { return s.store.Name() }
