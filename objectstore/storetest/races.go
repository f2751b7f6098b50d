package storetest

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

const racers = 8

// race runs fn as racers tasks and waits for all.
func race(sc *host.Scope, h host.Host, fn func(sc *host.Scope, i int) error) error {
	g := host.NewGroup(h, sc)
	for i := range racers {
		g.Go("storetest.race", func(sc *host.Scope) error { return fn(sc, i) })
	}
	return g.Wait()
}

func putIfAbsentRace(sc *host.Scope, h host.Host, s objectstore.Store) error {
	for round := range 5 {
		key := fmt.Sprintf("race/%d/key", round)
		var outcome [racers]error // each written by one task, read after all
		err := race(sc, h, func(sc *host.Scope, i int) error {
			outcome[i] = s.PutIfAbsent(sc, key, objectstore.BytesBody(content(i, 1000+i)))
			return nil
		})
		if err == nil {
			err = judgeRace(sc, s, key, outcome[:])
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// judgeRace checks that exactly one racer's content is stored and that nobody else was told it had won. A
// store behind retries may have to answer the winner ErrExistsUnknown.
func judgeRace(sc *host.Scope, s objectstore.Store, key string, outcome []error) error {
	stored := -1
	for i := range outcome {
		if holds(sc, s, key, content(i, 1000+i)) == nil {
			stored = i
		}
	}
	if stored < 0 {
		return fmt.Errorf("%s holds none of the racers' contents; outcomes %v", key, outcome)
	}
	for i, err := range outcome {
		switch {
		case err == nil && i != stored:
			return fmt.Errorf("racer %d was told it had won, but %d is stored", i, stored)
		case err != nil && !errors.Is(err, objectstore.ErrExists):
			return fmt.Errorf("racer %d: %w", i, err)
		case err != nil && i == stored && !errors.Is(err, objectstore.ErrExistsUnknown):
			return fmt.Errorf("racer %d is stored and was told %w", i, err)
		}
	}
	return nil
}

func concurrentPut(sc *host.Scope, h host.Host, s objectstore.Store) error {
	const size = 300_000
	whole := func(sc *host.Scope) error {
		p := make([]byte, size)
		if err := s.GetRange(sc, "same/key", 0, p); err != nil {
			return fmt.Errorf("get while it is being replaced: %w", err)
		}
		if bytes.Count(p, p[:1]) != size {
			return fmt.Errorf("get while it is being replaced: a mixture of two objects")
		}
		return nil
	}
	if err := put(sc, s, "same/key", bytes.Repeat([]byte{racers}, size)); err != nil {
		return err
	}
	err := race(sc, h, func(sc *host.Scope, i int) error {
		for range 3 {
			if err := first(put(sc, s, "same/key", bytes.Repeat([]byte{byte(i)}, size)), whole(sc)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return whole(sc)
}

// churn puts and deletes neighbours at once: a store with directories must not lose one under another.
func churn(sc *host.Scope, h host.Host, s objectstore.Store) error {
	err := race(sc, h, func(sc *host.Scope, i int) error {
		key := fmt.Sprintf("churn/%d/deep/er/%d", i%2, i)
		for n := range 6 {
			p := content(i, 100+n)
			if err := first(put(sc, s, key, p), holds(sc, s, key, p), s.Delete(sc, key), gone(sc, s, key)); err != nil {
				return fmt.Errorf("task %d, round %d: %w", i, n, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	page, err := s.List(sc, "churn", "", 10)
	if err != nil || len(page) != 0 {
		return fmt.Errorf("list after all was deleted: got %v, %v", page, err)
	}
	return nil
}
