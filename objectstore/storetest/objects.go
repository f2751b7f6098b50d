package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// sizes are those at which implementations change their ways: empty, blocks, chunks, direct I/O.
var sizes = [...]int{
	0, 1, 13, 511, 512, 4095, 4096, 4097, 65_536, 262_143, 262_144, 262_145, 1<<20 - 1, 1 << 20, 1<<20 + 1,
}

func putThenRead(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	for i, n := range sizes {
		p := content(i, n)
		key := fmt.Sprintf("%08x/cluster/1/7/%016d", i*31, n)
		if err := first(put(sc, s, key, p), holds(sc, s, key, p)); err != nil {
			return err
		}
		if err := create(sc, s, key+"-absent", objectstore.BytesBody(p), p); err != nil {
			return err
		}
	}
	return nil
}

func overwrite(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	for i, n := range [...]int{100, 300_000, 7, 0, 4096} {
		p := content(i, n)
		if err := first(put(sc, s, "a/key", p), holds(sc, s, "a/key", p)); err != nil {
			return err
		}
	}
	return nil
}

func missingKey(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	if err := put(sc, s, "there/is/one", content(1, 10)); err != nil {
		return err
	}
	for _, key := range []string{
		"nothing", "there", "there/is", "there/is/on", "there/is/two", "there/is/one/more", "not/here/either",
	} {
		if err := gone(sc, s, key); err != nil {
			return err
		}
		if err := s.Delete(sc, key); err != nil {
			return fmt.Errorf("delete missing %s: %w", key, err)
		}
	}
	return holds(sc, s, "there/is/one", content(1, 10))
}

func putIfAbsent(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	one, two := content(1, 1000), content(2, 2000)
	absent := func(p []byte) error { return s.PutIfAbsent(sc, "a/b", objectstore.BytesBody(p)) }
	if err := create(sc, s, "a/b", objectstore.BytesBody(one), one); err != nil {
		return err
	}
	if err := first(
		is("second put-if-absent", absent(two), objectstore.ErrExists),
		is("put-if-absent of the same bytes", absent(one), objectstore.ErrExists),
		holds(sc, s, "a/b", one),
		put(sc, s, "a/b", two),
		is("put-if-absent after a put", absent(one), objectstore.ErrExists),
		holds(sc, s, "a/b", two),
		s.Delete(sc, "a/b"),
	); err != nil {
		return err
	}
	return create(sc, s, "a/b", objectstore.BytesBody(one), one)
}

func deleteOne(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	keys := []string{"a/b", "a/bc", "a/c/d", "a/c/e", "b"}
	for i, key := range keys {
		if err := put(sc, s, key, content(i, 100+i)); err != nil {
			return err
		}
	}
	for i, key := range keys {
		if err := s.Delete(sc, key); err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
		if err := gone(sc, s, key); err != nil {
			return err
		}
		for j := i + 1; j < len(keys); j++ {
			if err := holds(sc, s, keys[j], content(j, 100+j)); err != nil {
				return fmt.Errorf("after delete of %s: %w", key, err)
			}
		}
	}
	return s.Delete(sc, keys[0])
}

func directoryBecomesObject(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	return first(
		put(sc, s, "x/y/z", content(1, 10)),
		s.Delete(sc, "x/y/z"),
		put(sc, s, "x", content(2, 20)),
		holds(sc, s, "x", content(2, 20)),
		s.Delete(sc, "x"),
		put(sc, s, "x/y/z", content(3, 30)),
		holds(sc, s, "x/y/z", content(3, 30)),
	)
}

func largeBody(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	p := content(42, 6<<20+4711)
	return create(sc, s, "large/object", pieces(p), p)
}

func keyCharacters(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	var keys []string
	for c := byte(0x20); c < 0x7f; c++ {
		if c != '/' && c != '\\' {
			keys = append(keys, fmt.Sprintf("c/x%cy%02x", c, c)) // the number: some file systems fold case
		}
	}
	long := strings.Repeat("k", objectstore.MaxKeyPart)
	deep := strings.Repeat("directory/", (objectstore.MaxKey-objectstore.MaxPrefix)/10) + "deep"
	keys = append(keys, "c/%2F", "c/%zz", "c/a b+c", "c/a..b", "l/"+long, deep)
	for i, key := range keys {
		if err := first(put(sc, s, key, content(i, 50)), holds(sc, s, key, content(i, 50))); err != nil {
			return err
		}
		err := s.PutIfAbsent(sc, key, objectstore.BytesBody(nil))
		if err := is("put-if-absent "+key, err, objectstore.ErrExists); err != nil {
			return err
		}
		page, err := s.List(sc, key, "", 1)
		if err != nil || len(page) != 1 || page[0] != (objectstore.Info{Key: key, Size: 50}) {
			return fmt.Errorf("list %q: got %v, %v", key, page, err)
		}
	}
	for _, key := range keys {
		if err := first(s.Delete(sc, key), gone(sc, s, key)); err != nil {
			return fmt.Errorf("delete %q: %w", key, err)
		}
	}
	return nil
}

func badKeys(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/.hidden", "a\\b", "a\x00b", "a\nb",
		"ä", strings.Repeat("a", objectstore.MaxKeyPart+1), strings.Repeat("ab/", objectstore.MaxKey/3) + "abc",
	} {
		body := objectstore.BytesBody([]byte("x"))
		_, head := s.Head(sc, key)
		for i, err := range []error{
			s.Put(sc, key, body), s.PutIfAbsent(sc, key, body), head,
			s.GetRange(sc, key, 0, make([]byte, 1)), s.Delete(sc, key),
		} {
			if !errors.Is(err, objectstore.ErrBadKey) || !errors.Is(err, objectstore.ErrTerminal) {
				what := [...]string{"put", "put-if-absent", "head", "get", "delete"}[i]
				return fmt.Errorf("%s of bad key %q: got %v, want ErrBadKey and ErrTerminal", what, key, err)
			}
		}
	}
	page, err := s.List(sc, "", "", 1)
	if err != nil || len(page) != 0 {
		return fmt.Errorf("list after refused keys: got %v, %v; want nothing", page, err)
	}
	return nil
}

func probe(sc *host.Scope, h host.Host, s objectstore.Store) error {
	if err := objectstore.Probe(sc, h, s); err != nil {
		return err
	}
	page, err := s.List(sc, "", "", 1)
	if err != nil || len(page) != 0 {
		return fmt.Errorf("list after the probe: got %v, %v; want nothing", page, err)
	}
	return nil
}

func endedScope(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	if err := put(sc, s, "a", content(1, 10)); err != nil {
		return err
	}
	ended, cancel := sc.Child(0)
	cancel()
	_, head := s.Head(ended, "a")
	_, listed := s.List(ended, "", "", 1)
	return first(
		is("put", s.Put(ended, "a", objectstore.BytesBody(nil)), host.ErrCancelled),
		is("put-if-absent", s.PutIfAbsent(ended, "b", objectstore.BytesBody(nil)), host.ErrCancelled),
		is("get", s.GetRange(ended, "a", 0, make([]byte, 1)), host.ErrCancelled),
		is("head", head, host.ErrCancelled),
		is("list", listed, host.ErrCancelled),
		is("delete", s.Delete(ended, "a"), host.ErrCancelled),
		holds(sc, s, "a", content(1, 10)),
		gone(sc, s, "b"),
	)
}

// quick is a retry policy that does not keep a test waiting.
var quick = objectstore.Policy{First: 2 * time.Millisecond, Max: 20 * time.Millisecond, Total: time.Minute}

func failingBody(sc *host.Scope, h host.Host, s objectstore.Store) error {
	for _, n := range [...]int{100, 700_000} {
		p, old := content(1, n), content(2, 33)
		if err := first(
			failsTransiently(sc, h, p, func(sc *host.Scope, b objectstore.Body) error { return s.Put(sc, "f/new", b) }),
			failsTransiently(sc, h, p, func(sc *host.Scope, b objectstore.Body) error {
				return s.PutIfAbsent(sc, "f/new", b)
			}),
			gone(sc, s, "f/new"),
			put(sc, s, "f/old", old),
			failsTransiently(sc, h, p, func(sc *host.Scope, b objectstore.Body) error { return s.Put(sc, "f/old", b) }),
			holds(sc, s, "f/old", old),
		); err != nil {
			return fmt.Errorf("body of %d bytes: %w", n, err)
		}
	}
	return nil
}

// failsTransiently checks that put fails with the body's error, and not terminally, for a body of p that
// always breaks in the middle. Behind retries that takes until the deadline set here.
func failsTransiently(
	sc *host.Scope, h host.Host, p []byte, put func(*host.Scope, objectstore.Body) error,
) error {
	sc, cancel := sc.Child(h.Now().Add(time.Second))
	defer cancel()
	err := put(sc, &flaky{p: p, fails: 1 << 30})
	ours := errors.Is(err, errRead) || errors.Is(err, host.ErrTimeout)
	if !ours || objectstore.Definite(err) {
		return fmt.Errorf("put of a failing body: got %v, want the body's error, not terminal", err)
	}
	return nil
}

func bodyReopened(sc *host.Scope, h host.Host, s objectstore.Store) error {
	s = objectstore.WithRetry(h, s, quick)
	for i, n := range [...]int{100, 700_000} {
		key, b := fmt.Sprintf("r/%d", n), &flaky{p: content(i, n), fails: 2}
		if err := s.Put(sc, key, b); err != nil {
			return fmt.Errorf("put with retries: %w", err)
		}
		if b.opens < 3 {
			return fmt.Errorf("put with two failing bodies opened %d, want 3", b.opens)
		}
		if err := holds(sc, s, key, b.p); err != nil {
			return err
		}
	}
	return nil
}

func wrongSizeBody(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	for _, n := range [...]int{0, 100, 700_000} {
		for _, d := range [...]int{-1, 1} {
			if n+d < 0 {
				continue
			}
			b := lying{p: content(1, n), size: int64(n + d)}
			if err := first(
				is("put", s.Put(sc, "w/key", b), objectstore.ErrTerminal),
				is("put-if-absent", s.PutIfAbsent(sc, "w/key", b), objectstore.ErrTerminal),
				gone(sc, s, "w/key"),
			); err != nil {
				return fmt.Errorf("body of %d bytes that claims %d: %w", n, n+d, err)
			}
		}
	}
	return nil
}
