package objectstore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
)

// Probe finds out at start whether store can carry weir: it is reachable with these credentials, can be
// written, read, listed and deleted, and its put-if-absent really is conditional, also when the loser
// sends the same bytes (some servers ignore the condition without a word). The error is one line that
// names the store; it is terminal when the store answered wrongly. Probe leaves nothing behind when it
// succeeds.
func Probe(sc *host.Scope, h host.Host, store Store) error {
	var nonce [16]byte
	h.Secret(nonce[:])
	key := fmt.Sprintf("probe/%x", nonce)
	if err := probe(sc, store, key, nonce[:]); err != nil {
		return fmt.Errorf("check the object store: %w", err)
	}
	return nil
}

func probe(sc *host.Scope, store Store, key string, content []byte) error {
	err := store.PutIfAbsent(sc, key, BytesBody(content))
	if err != nil && !errors.Is(err, ErrExistsUnknown) { // the key is fresh, so that object is our own
		return fmt.Errorf("write a test object: %w", err)
	}
	if err := probeWritten(sc, store, key, content); err != nil {
		return err
	}
	if err := store.Delete(sc, key); err != nil {
		return fmt.Errorf("delete the test object %s: %w", key, err)
	}
	return nil
}

func probeWritten(sc *host.Scope, store Store, key string, content []byte) error {
	other := bytes.Repeat([]byte{'x'}, len(content))
	for _, again := range [][]byte{content, other} {
		switch err := store.PutIfAbsent(sc, key, BytesBody(again)); {
		case errors.Is(err, ErrExists):
		case err != nil:
			return fmt.Errorf("write the test object a second time: %w", err)
		default:
			return Terminal(fmt.Errorf("%s ignores conditional writes (If-None-Match): a second put-if-absent "+
				"of %s succeeded; use a store that honours them", store.Name(), key))
		}
	}
	got := make([]byte, len(content)-1)
	if err := store.GetRange(sc, key, 1, got); err != nil {
		return fmt.Errorf("read the test object: %w", err)
	}
	if !bytes.Equal(got, content[1:]) {
		return Terminal(fmt.Errorf("read the test object: a range of %s in %s has other bytes than were written",
			key, store.Name()))
	}
	page, err := store.List(sc, key, "", 2)
	if err != nil {
		return fmt.Errorf("list the test object: %w", err)
	}
	if len(page) != 1 || page[0] != (Info{Key: key, Size: int64(len(content))}) {
		return Terminal(fmt.Errorf("list the test object: %s in %s is not listed with its size, got %v",
			key, store.Name(), page))
	}
	return nil
}
