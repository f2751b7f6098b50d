package objectstore_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

var errFlaky = errors.New("no answer")

// scripted is a store that answers each call with the next of its errors, nil when they are used up. Every
// call takes a second of virtual time.
type scripted struct {
	h       host.Host
	answers []error
	calls   int
	bodies  []string    // what was read of each body put
	at      []host.Time // when each call came
	hang    bool        // calls last until their scope ends
	there   []byte      // what gets and heads show; zeros and a size of 7 if nil
}

func (s *scripted) next(sc *host.Scope) error {
	s.calls++
	s.at = append(s.at, s.h.Now())
	if s.hang {
		return s.h.Sleep(sc, 1<<62)
	}
	if err := s.h.Sleep(sc, 1e9); err != nil {
		return err
	}
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *scripted) Put(sc *host.Scope, _ string, body objectstore.Body) error {
	p, err := io.ReadAll(body.Open(sc))
	if err != nil {
		return err
	}
	s.bodies = append(s.bodies, string(p))
	return s.next(sc)
}

func (s *scripted) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	return s.Put(sc, key, body)
}

func (s *scripted) GetRange(sc *host.Scope, _ string, _ int64, dst []byte) error {
	clear(dst)
	copy(dst, s.there)
	return s.next(sc)
}

func (s *scripted) Head(sc *host.Scope, key string) (objectstore.Info, error) {
	size := int64(7)
	if s.there != nil {
		size = int64(len(s.there))
	}
	return objectstore.Info{Key: key, Size: size}, s.next(sc)
}

func (s *scripted) List(sc *host.Scope, prefix, _ string, _ int) ([]objectstore.Info, error) {
	return []objectstore.Info{{Key: prefix + "/a", Size: 1}}, s.next(sc)
}

func (s *scripted) Delete(sc *host.Scope, _ string) error { return s.next(sc) }

func (s *scripted) Name() string { return "scripted store" }

// onSim runs fn as a task of a simulated host, over a store that gives answers.
func onSim(t *testing.T, answers []error, fn func(sc *host.Scope, h host.Host, s *scripted) error) *scripted {
	t.Helper()
	w := sim.New(sim.Config{Seed: 1})
	s := &scripted{answers: answers}
	require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		s.h = h
		return fn(sc, h, s)
	}))
	require.NoError(t, w.Close())
	return s
}
