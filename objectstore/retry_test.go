package objectstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

// everyCall is each kind of call, reduced to its error.
var everyCall = []struct {
	name string
	do   func(*host.Scope, objectstore.Store) error
}{
	{"put", func(sc *host.Scope, s objectstore.Store) error {
		return s.Put(sc, "k", objectstore.BytesBody([]byte("bytes")))
	}},
	{"put-if-absent", func(sc *host.Scope, s objectstore.Store) error {
		return s.PutIfAbsent(sc, "k", objectstore.BytesBody([]byte("bytes")))
	}},
	{"get", func(sc *host.Scope, s objectstore.Store) error { return s.GetRange(sc, "k", 3, make([]byte, 11)) }},
	{"head", func(sc *host.Scope, s objectstore.Store) error {
		info, err := s.Head(sc, "k")
		if err == nil && info != (objectstore.Info{Key: "k", Size: 7}) {
			err = fmt.Errorf("head: %v", info)
		}
		return err
	}},
	{"list", func(sc *host.Scope, s objectstore.Store) error {
		page, err := s.List(sc, "p", "", 10)
		if err == nil && (len(page) != 1 || page[0].Key != "p/a") {
			err = fmt.Errorf("list: %v", page)
		}
		return err
	}},
	{"delete", func(sc *host.Scope, s objectstore.Store) error { return s.Delete(sc, "k") }},
}

func TestTransientErrorsAreTriedAgain(t *testing.T) {
	for _, c := range everyCall {
		s := onSim(t, []error{errFlaky, errFlaky, nil}, func(sc *host.Scope, h host.Host, s *scripted) error {
			return c.do(sc, objectstore.WithRetry(h, s, objectstore.Policy{}))
		})
		require.Equal(t, 3, s.calls, c.name)
		for _, b := range s.bodies {
			require.Equal(t, "bytes", b, c.name)
		}
	}
}

func TestDefiniteAnswersAreNotTriedAgain(t *testing.T) {
	for _, answer := range []error{
		objectstore.ErrNotFound, objectstore.ErrExists, objectstore.ErrRange, objectstore.ErrTerminal,
		objectstore.Terminal(errFlaky), objectstore.ErrBadKey, host.ErrKilled,
	} {
		for _, c := range everyCall {
			s := onSim(t, []error{fmt.Errorf("wrapped: %w", answer)},
				func(sc *host.Scope, h host.Host, s *scripted) error {
					err := c.do(sc, objectstore.WithRetry(h, s, objectstore.Policy{}))
					if !errors.Is(err, answer) || errors.Is(err, objectstore.ErrExistsUnknown) {
						return fmt.Errorf("got %w", err)
					}
					return nil
				})
			require.Equal(t, 1, s.calls, c.name)
		}
	}
}

func TestAPutIfAbsentThatMayHaveLostToItselfSaysSo(t *testing.T) {
	put := everyCall[1].do
	onSim(t, []error{errFlaky, objectstore.ErrExists}, func(sc *host.Scope, h host.Host, s *scripted) error {
		err := put(sc, objectstore.WithRetry(h, s, objectstore.Policy{}))
		require.ErrorIs(t, err, objectstore.ErrExists)
		require.ErrorIs(t, err, objectstore.ErrExistsUnknown)
		return nil
	})
}

func TestAPlainPutIsNotToldOfAnEarlierAttempt(t *testing.T) {
	onSim(t, []error{errFlaky, nil}, func(sc *host.Scope, h host.Host, s *scripted) error {
		return everyCall[0].do(sc, objectstore.WithRetry(h, s, objectstore.Policy{}))
	})
}

func TestWaitsGrowUpToTheirBoundAndVary(t *testing.T) {
	policy := objectstore.Policy{First: time.Second, Max: 10 * time.Second}
	answers := make([]error, 12)
	for i := range answers {
		answers[i] = errFlaky
	}
	s := onSim(t, answers, func(sc *host.Scope, h host.Host, s *scripted) error {
		return everyCall[5].do(sc, objectstore.WithRetry(h, s, policy))
	})
	require.Equal(t, 13, s.calls)
	longest := []time.Duration{1, 2, 4, 8, 10, 10, 10, 10, 10, 10, 10, 10}
	distinct := map[time.Duration]bool{}
	for i, most := range longest {
		wait := s.at[i+1].Sub(s.at[i]) - time.Second // the call itself
		most *= time.Second
		require.GreaterOrEqual(t, wait, most/2-time.Millisecond, "wait %d", i)
		require.LessOrEqual(t, wait, most+time.Millisecond, "wait %d", i)
		distinct[wait] = true
	}
	require.Greater(t, len(distinct), 8)
}

func TestACallEndsAtItsTotalAndTellsTheCause(t *testing.T) {
	answers := []error{errFlaky, errFlaky, errFlaky, errFlaky, errFlaky, errFlaky, errFlaky, errFlaky}
	onSim(t, answers, func(sc *host.Scope, h host.Host, s *scripted) error {
		start := h.Now()
		err := everyCall[0].do(sc, objectstore.WithRetry(h, s, objectstore.Policy{Total: 4500 * time.Millisecond}))
		require.ErrorIs(t, err, errFlaky)
		require.ErrorContains(t, err, "put k in scripted store: gave up after")
		require.LessOrEqual(t, h.Now().Sub(start), 4600*time.Millisecond)
		return nil
	})
}

func TestAHangingAttemptIsBoundedAndTriedAgain(t *testing.T) {
	s := onSim(t, nil, func(sc *host.Scope, h host.Host, s *scripted) error {
		s.hang = true
		start := h.Now()
		policy := objectstore.Policy{Attempt: 2 * time.Second, Total: 9 * time.Second}
		err := everyCall[2].do(sc, objectstore.WithRetry(h, s, policy))
		require.ErrorIs(t, err, host.ErrTimeout)
		require.LessOrEqual(t, h.Now().Sub(start), 9100*time.Millisecond)
		return nil
	})
	require.Greater(t, s.calls, 2)
}

func TestTheCallersScopeEndsTheRetries(t *testing.T) {
	for _, during := range []time.Duration{500 * time.Millisecond, 1020 * time.Millisecond} { // a call, a wait
		answers := []error{errFlaky, errFlaky, errFlaky}
		s := onSim(t, answers, func(sc *host.Scope, h host.Host, s *scripted) error {
			child, cancel := sc.Child(0)
			h.Go(sc, "test.cancel", func(sc *host.Scope) {
				_ = h.Sleep(sc, during)
				cancel()
			})
			err := everyCall[0].do(child, objectstore.WithRetry(h, s, objectstore.Policy{First: time.Second}))
			require.ErrorIs(t, err, host.ErrCancelled)
			return nil
		})
		require.Equal(t, 1, s.calls)
	}
}

// TestLatePutsMeetTheirOwnObject runs put-if-absent against a simulated store that loses answers: whoever
// is told ErrExists without ErrExistsUnknown must not be the winner.
func TestLatePutsMeetTheirOwnObject(t *testing.T) {
	unknown := 0
	for seed := range uint64(20) {
		w := sim.New(sim.Config{Seed: seed, Faults: sim.Faults{StoreError: 200_000, StoreAppliedError: 300_000}})
		require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			s := objectstore.WithRetry(h, w.Store(h), objectstore.Policy{})
			for i := range 10 {
				key := fmt.Sprintf("k/%d", i)
				err := s.PutIfAbsent(sc, key, objectstore.BytesBody([]byte(key)))
				if errors.Is(err, objectstore.ErrExistsUnknown) {
					unknown++
				} else if err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, w.Close())
	}
	require.NotZero(t, unknown)
}
