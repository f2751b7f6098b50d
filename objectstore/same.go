package objectstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// samePiece is how much of two contents is compared at a time, in bytes.
const samePiece = 64 << 10

// holds reports whether the object at key has exactly the bytes of body: a conditional put that lost to it has
// lost to itself, earlier (PROTOCOL rule 19). An object that is not there is an error.
func holds(sc *host.Scope, store Store, key string, body Body) (bool, error) {
	if mutant.On(mutant.OwnRetryIsFenced) {
		return false, nil
	}
	info, err := store.Head(sc, key)
	if err != nil || info.Size != body.Size() {
		return false, err
	}
	r := OpenBody(sc, body)
	ours, theirs := make([]byte, min(samePiece, info.Size)), make([]byte, min(samePiece, info.Size))
	for off := int64(0); off < info.Size; off += int64(len(ours)) {
		n := min(samePiece, info.Size-off)
		ours, theirs = ours[:n], theirs[:n]
		if _, err := io.ReadFull(r, ours); err != nil {
			return false, err
		}
		if err := store.GetRange(sc, key, off, theirs); err != nil {
			return false, err
		}
		if !bytes.Equal(ours, theirs) {
			return false, nil
		}
	}
	return true, nil
}

// PutIfAbsent implements Store. What an earlier attempt put without an answer is its own.
func (s *retrying) PutIfAbsent(sc *host.Scope, key string, body Body) error {
	unknown := false
	err := s.call(sc, OpPutIfAbsent, key, func(sc *host.Scope) error {
		err := s.store.PutIfAbsent(sc, key, body)
		if unknown && errors.Is(err, ErrExists) {
			return fmt.Errorf("put %s: %w: %w", key, ErrExistsUnknown, err)
		}
		unknown = unknown || err != nil && !Definite(err)
		return err
	})
	if !errors.Is(err, ErrExistsUnknown) {
		return err
	}
	switch same, e := holds(sc, s, key, body); {
	case e != nil:
		return err // whose it is stays open
	case same:
		probe.Hit(probe.StoreOwnExists)
		return nil
	}
	probe.Hit(probe.StoreOtherExists)
	return fmt.Errorf("put %s: %w: the object there has other bytes", key, ErrExists)
}
