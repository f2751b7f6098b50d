package objectwal

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/wal"
)

const (
	// firstPause and longestPause bound the wait before a call is repeated.
	firstPause   = 20 * time.Millisecond
	longestPause = time.Second
	// readTries is how often an object is read before it is believed to be damaged: bytes may flip on the way.
	readTries = 5
	// readPiece is how much of an object is read at a time, in bytes.
	readPiece = 1 << 20
)

// client asks the store until it answers.
type client struct {
	h     host.Host
	store objectstore.Store
	bound time.Duration // of one call; 0 = none
	log   wal.UUID
}

// once makes one call within its bound.
func (c *client) once(sc *host.Scope, do func(*host.Scope) error) error {
	if sc == nil || c.bound == 0 {
		return do(sc)
	}
	child, cancel := sc.Child(c.h.Now().Add(c.bound))
	defer cancel()
	return do(child)
}

// again waits before try n+1, or returns why there must not be one.
func (c *client) again(sc *host.Scope, n int, err error) error {
	if end := sc.Err(); end != nil {
		return end
	}
	if errors.Is(err, objectstore.ErrTerminal) || errors.Is(err, host.ErrKilled) {
		return err
	}
	return c.h.Sleep(sc, min(firstPause<<min(n-1, 10), longestPause))
}

// get fills dst from off of the object at key. ErrNotFound and ErrRange are answers; everything else that may pass is
// asked for again.
func (c *client) get(sc *host.Scope, key string, off int, dst []byte) error {
	for n := 1; ; n++ {
		err := c.once(sc, func(sc *host.Scope) error { return c.store.GetRange(sc, key, int64(off), dst) })
		if err == nil || errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrRange) {
			return err
		}
		if err := c.again(sc, n, err); err != nil {
			return fmt.Errorf("objectwal: read %s in %s: %w", key, c.store.Name(), err)
		}
	}
}

// put puts body at key if that is absent: nil = the key holds it by this very call, ErrExists = it is taken, perhaps by
// an earlier attempt. Any other outcome that may pass is not known, and the put is repeated.
func (c *client) put(sc *host.Scope, key string, body []byte, before func() error) error {
	for n := 1; ; n++ {
		if err := before(); err != nil {
			return err
		}
		err := c.once(sc, func(sc *host.Scope) error {
			return c.store.PutIfAbsent(sc, key, objectstore.BytesBody(body))
		})
		if err == nil {
			return nil
		}
		if errors.Is(err, objectstore.ErrExists) {
			return objectstore.ErrExists
		}
		if err := c.again(sc, n, err); err != nil {
			return fmt.Errorf("objectwal: put %s in %s: %w", key, c.store.Name(), err)
		}
	}
}

// header reads the header of the object at a sequence: errNotOurs and its like for what cannot be one, ErrNotFound if
// there is none. It is for one look; who must be sure looks several times.
func (c *client) header(sc *host.Scope, sequence uint64) (header, error) {
	var b [headerSize]byte
	if err := c.get(sc, Key(c.log, sequence), 0, b[:]); err != nil {
		return header{}, err
	}
	h, err := decodeHeader(b[:])
	if err == nil && (h.wal != c.log || h.sequence != sequence) {
		err = errNotOurs
	}
	return h, err
}

var errNotOurs = errors.New("object belongs to another key")

// damageError names an object that cannot be given back.
func (c *client) damageError(sequence uint64, off int, why string) error {
	return &wal.DamageError{Name: Key(c.log, sequence), Position: positionOf(sequence) + wal.Position(off),
		Offset: int64(off), Why: why}
}
