package objectstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
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

// TestAPutIfAbsentThatMetAnObjectAfterAnUnansweredAttempt tells one's own earlier attempt from another writer.
func TestAPutIfAbsentThatMetAnObjectAfterAnUnansweredAttempt(t *testing.T) {
	put := everyCall[1].do
	for _, c := range []struct {
		name    string
		there   string // what the object holds
		answers []error
		want    []error // nil: success
	}{
		{"its own", "bytes", []error{errFlaky, objectstore.ErrExists}, nil},
		{"its own, three attempts on", "bytes",
			[]error{errFlaky, errFlaky, objectstore.Denied(errFlaky), objectstore.ErrExists}, nil},
		{"of the same size", "byteS", []error{errFlaky, objectstore.ErrExists}, []error{objectstore.ErrExists}},
		{"of another size", "byte", []error{errFlaky, objectstore.ErrExists}, []error{objectstore.ErrExists}},
		{"gone when it is looked at", "bytes", []error{errFlaky, objectstore.ErrExists, objectstore.ErrNotFound},
			[]error{objectstore.ErrExists, objectstore.ErrExistsUnknown}},
		{"at the first attempt", "bytes", []error{objectstore.ErrExists}, []error{objectstore.ErrExists}},
		{"after a refusal", "bytes", []error{objectstore.Denied(errFlaky), objectstore.ErrExists},
			[]error{objectstore.ErrExists}},
	} {
		onSim(t, c.answers, func(sc *host.Scope, h host.Host, s *scripted) error {
			s.there = []byte(c.there)
			err := put(sc, objectstore.WithRetry(h, s, objectstore.Policy{}))
			if (err == nil) != (c.want == nil) {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			for _, want := range c.want {
				if !errors.Is(err, want) {
					return fmt.Errorf("%s: got %w", c.name, err)
				}
			}
			if len(c.want) == 1 && errors.Is(err, objectstore.ErrExistsUnknown) {
				return fmt.Errorf("%s: got %w", c.name, err)
			}
			return nil
		})
	}
}

func TestADenialIsWaitedOutForAWhile(t *testing.T) {
	denial := objectstore.Denied(errFlaky)
	for _, c := range everyCall {
		s := onSim(t, []error{denial, denial, denial}, func(sc *host.Scope, h host.Host, s *scripted) error {
			return c.do(sc, objectstore.WithRetry(h, s, objectstore.Policy{}))
		})
		require.Equal(t, 4, s.calls, c.name)
	}
	for _, c := range []struct {
		policy objectstore.Policy
		most   time.Duration
		calls  int
	}{
		{objectstore.Policy{}, 67 * time.Second, 10},
		{objectstore.Policy{Denied: 5 * time.Second}, 12 * time.Second, 3},
		{objectstore.Policy{Denied: -1}, time.Second, 1},
	} {
		s := onSim(t, slices.Repeat([]error{denial}, 200), func(sc *host.Scope, h host.Host, s *scripted) error {
			start := h.Now()
			err := everyCall[0].do(sc, objectstore.WithRetry(h, s, c.policy))
			if !errors.Is(err, objectstore.ErrDenied) || !errors.Is(err, objectstore.ErrTerminal) || !errors.Is(err, errFlaky) {
				return fmt.Errorf("got %w", err)
			}
			if took := h.Now().Sub(start); took > c.most {
				return fmt.Errorf("denied for %v, at most %v", took, c.most)
			}
			return nil
		})
		require.GreaterOrEqual(t, s.calls, c.calls)
	}
}

func TestTheStoreMayAskForALongerWait(t *testing.T) {
	policy := objectstore.Policy{After: 8 * time.Second}
	answers := []error{
		fmt.Errorf("slow down: %w", objectstore.RetryAfter(errFlaky, 3*time.Second)),
		objectstore.RetryAfter(errFlaky, time.Hour), objectstore.RetryAfter(errFlaky, 0), nil,
	}
	s := onSim(t, answers, func(sc *host.Scope, h host.Host, s *scripted) error {
		return everyCall[0].do(sc, objectstore.WithRetry(h, s, policy))
	})
	require.Len(t, s.at, 4)
	call := time.Second
	require.InDelta(t, 3*time.Second, s.at[1].Sub(s.at[0])-call, 2e6)
	require.InDelta(t, 8*time.Second, s.at[2].Sub(s.at[1])-call, 2e6)
	require.Less(t, s.at[3].Sub(s.at[2])-call, time.Second)
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

// TestLatePutsMeetTheirOwnObject runs put-if-absent against a simulated store that loses answers: nobody else
// puts there, so whoever is told of another's object was told wrongly.
func TestLatePutsMeetTheirOwnObject(t *testing.T) {
	before := hits(t, probe.StoreOwnExists)
	for seed := range uint64(20) {
		w := sim.New(sim.Config{Seed: seed, Faults: sim.Faults{StoreError: 200_000, StoreAppliedError: 300_000}})
		require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			s := objectstore.WithRetry(h, w.Store(h), objectstore.Policy{})
			for i := range 10 {
				key := fmt.Sprintf("k/%d", i)
				if err := s.PutIfAbsent(sc, key, objectstore.BytesBody([]byte(key))); err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, w.Close())
	}
	require.Greater(t, hits(t, probe.StoreOwnExists), before)
}

// TestAProbeSurvivesAStoreThatLosesAnswers: the test object of a probe is its own however often it was sent.
func TestAProbeSurvivesAStoreThatLosesAnswers(t *testing.T) {
	for seed := range uint64(30) {
		w := sim.New(sim.Config{Seed: seed, Faults: sim.Faults{StoreError: 100_000, StoreAppliedError: 200_000}})
		require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			return objectstore.Probe(sc, h, w.Store(h))
		}))
		require.NoError(t, w.Close())
	}
}

// hits is how often p was hit so far.
func hits(t *testing.T, p *probe.Point) uint64 {
	t.Helper()
	for _, c := range probe.Counts() {
		if c.Name == p.String() {
			return c.Hits
		}
	}
	t.Fatalf("no point is called %s", p)
	return 0
}
