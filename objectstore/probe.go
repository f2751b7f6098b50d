package objectstore

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
)

// probePolicy is how Probe tries again: a store that is out for a moment must not keep a node from starting, and
// who mistyped a key should not wait to be told.
var probePolicy = Policy{Total: 10 * time.Second, Denied: 2 * time.Second}

// Probe finds out at start whether store can carry weir: it is reachable with these credentials, can be
// written, read, listed and deleted, and its put-if-absent really is conditional, also when the loser
// sends the same bytes (some servers ignore the condition without a word). The error is one line that
// names the store; it is terminal when the store answered wrongly. What fails or is wrong for a moment is tried
// again, each call for ten seconds at most. Probe leaves nothing behind when it succeeds.
func Probe(sc *host.Scope, h host.Host, store Store) error {
	if r, ok := store.(*retrying); ok {
		store = r.store // below, a put that meets its own bytes must fail
	}
	var nonce [16]byte
	h.Secret(nonce[:])
	key := fmt.Sprintf("probe/%x", nonce)
	s := WithRetry(h, store, probePolicy).(*retrying)
	if err := probeKey(sc, s, key, nonce[:]); err != nil {
		return fmt.Errorf("check the object store: %w", err)
	}
	return nil
}

func probeKey(sc *host.Scope, s *retrying, key string, content []byte) error {
	body := BytesBody(content)
	err := s.PutIfAbsent(sc, key, body)
	if errors.Is(err, ErrExists) { // the key is fresh: it met itself, where the store's own front sent it twice
		if own, e := holds(sc, s, key, body); own || e != nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("write a test object: %w", err)
	}
	if err := probeWritten(sc, s, key, content); err != nil {
		return err
	}
	return probeDelete(sc, s, key)
}

// probeDelete deletes the test object and looks whether it is gone.
func probeDelete(sc *host.Scope, s *retrying, key string) error {
	err := s.call(sc, OpDelete, key, func(sc *host.Scope) error {
		if err := s.store.Delete(sc, key); err != nil {
			return err
		}
		_, err := s.store.Head(sc, key)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if errors.Is(err, ErrDenied) { // S3 says so of an absent key to who may list some prefixes only
			if page, lerr := s.store.List(sc, key, "", 1); lerr == nil && len(page) == 0 {
				return nil
			}
		}
		if err == nil {
			err = fmt.Errorf("%w: %s was deleted in %s and is there", errWrong, key, s.Name())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete the test object %s: %w", key, wrongForGood(err))
	}
	return nil
}

// probeLoser puts once more at a key that is taken. What it meets is never its own.
func probeLoser(sc *host.Scope, s *retrying, key string, content []byte) error {
	return s.call(sc, OpPutIfAbsent, key, func(sc *host.Scope) error {
		return s.store.PutIfAbsent(sc, key, BytesBody(content))
	})
}

func probeWritten(sc *host.Scope, s *retrying, key string, content []byte) error {
	other := bytes.Repeat([]byte{'x'}, len(content))
	for _, again := range [][]byte{content, other} {
		switch err := probeLoser(sc, s, key, again); {
		case errors.Is(err, ErrExists):
		case err != nil:
			return fmt.Errorf("write the test object a second time: %w", err)
		default:
			return Terminal(fmt.Errorf("%s ignores conditional writes (If-None-Match): a second put-if-absent "+
				"of %s succeeded; use a store that honours them", s.Name(), key))
		}
	}
	return probeReads(sc, s, key, content)
}

// errWrong is wrapped by an answer that is wrong. It may be a flipped bit on the way, so it is asked for again; who
// goes on answering so cannot be used.
var errWrong = errors.New("objectstore: wrong answer")

func probeReads(sc *host.Scope, s *retrying, key string, content []byte) error {
	err := s.call(sc, OpGet, key, func(sc *host.Scope) error {
		got := make([]byte, len(content)-1)
		err := s.store.GetRange(sc, key, 1, got)
		if err == nil && !bytes.Equal(got, content[1:]) {
			err = fmt.Errorf("%w: a range of %s in %s has other bytes than were written", errWrong, key, s.Name())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read the test object: %w", wrongForGood(err))
	}
	err = s.call(sc, OpList, key, func(sc *host.Scope) error {
		page, err := s.store.List(sc, key, "", 2)
		if err == nil && (len(page) != 1 || page[0] != (Info{Key: key, Size: int64(len(content))})) {
			err = fmt.Errorf("%w: %s in %s is not listed with its size, got %v", errWrong, key, s.Name(), page)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list the test object: %w", wrongForGood(err))
	}
	return nil
}

// wrongForGood makes a wrong answer terminal that stayed wrong.
func wrongForGood(err error) error {
	if errors.Is(err, errWrong) {
		return Terminal(err)
	}
	return err
}
