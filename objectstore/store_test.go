package objectstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/storetest"
	"github.com/weirmq/weir/sim"
)

func TestEveryErrorHasOneClass(t *testing.T) {
	for _, c := range []struct {
		err                error
		definite, terminal bool
	}{
		{objectstore.ErrNotFound, true, false},
		{objectstore.ErrExists, true, false},
		{objectstore.ErrRange, true, false},
		{objectstore.ErrTerminal, true, true},
		{objectstore.ErrBadKey, true, true},
		{objectstore.Terminal(io.EOF), true, true},
		{fmt.Errorf("put: %w", objectstore.Terminal(io.EOF)), true, true},
		{host.ErrNoSpace, false, false},
		{host.ErrTimeout, false, false},
		{errFlaky, false, false},
	} {
		require.Equal(t, c.definite, objectstore.Definite(c.err), "%v", c.err)
		require.Equal(t, c.terminal, errors.Is(c.err, objectstore.ErrTerminal), "%v", c.err)
	}
	require.ErrorIs(t, objectstore.Terminal(io.EOF), io.EOF)
	require.Equal(t, "EOF", objectstore.Terminal(io.EOF).Error())
}

func TestKeysAreBoundedAndPlain(t *testing.T) {
	long := strings.Repeat("x", objectstore.MaxKeyPart)
	for _, key := range []string{
		"a", "a/b", "3fa91b02/cluster/1/7/0000000000000042", "a b", "a..b", "a.", "~/%/#", long,
		long + "/" + long,
	} {
		require.NoError(t, objectstore.CheckKey(key), "%q", key)
	}
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", ".a", "a/.b", "a\\b", "a\x7f", "\x00", "é",
		long + "x",
		strings.Repeat("ab/", objectstore.MaxKey/3) + "abc",
	} {
		err := objectstore.CheckKey(key)
		require.ErrorIs(t, err, objectstore.ErrBadKey, "%q", key)
		require.ErrorIs(t, err, objectstore.ErrTerminal, "%q", key)
		require.Less(t, len(err.Error()), 2*objectstore.MaxKey+100)
	}
}

func FuzzAnAcceptedKeyStaysInItsPlace(f *testing.F) {
	for _, seed := range []string{"a/b", "../x", "a/./b", "a//b", "/a", "\\", ".lock"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if objectstore.CheckKey(key) != nil {
			return
		}
		if len(key) > objectstore.MaxKey || strings.HasPrefix(key, "/") || strings.HasSuffix(key, "/") {
			t.Fatalf("accepted %q", key)
		}
		for part := range strings.SplitSeq(key, "/") {
			if part == "" || part[0] == '.' || len(part) > objectstore.MaxKeyPart {
				t.Fatalf("accepted %q with part %q", key, part)
			}
		}
	})
}

func TestASpanIsInsideOrRefused(t *testing.T) {
	for _, c := range []struct {
		off   int64
		n     int
		size  int64
		start int64 // -1: refused
	}{
		{0, 0, 0, 0}, {0, 1, 0, -1}, {1, 0, 0, -1},
		{0, 10, 10, 0}, {10, 0, 10, 10}, {9, 1, 10, 9}, {9, 2, 10, -1},
		{11, 0, 10, -1}, {-10, 10, 10, 0}, {-1, 1, 10, 9}, {-11, 11, 10, -1}, {-5, 4, 10, -1}, {-5, 6, 10, -1},
		{1 << 62, 1 << 40, 10, -1},
		{-1 << 63, 0, 10, -1},
	} {
		start, err := objectstore.Span(c.off, c.n, c.size)
		if c.start < 0 {
			require.ErrorIs(t, err, objectstore.ErrRange, "%v", c)
			continue
		}
		require.NoError(t, err, "%v", c)
		require.Equal(t, c.start, start, "%v", c)
	}
}

// claimed is a body that claims a size of its own.
type claimed struct {
	r    io.Reader
	size int64
}

func (b claimed) Size() int64                { return b.size }
func (b claimed) Open(*host.Scope) io.Reader { return b.r }

func TestABodyOfAnotherSizeIsNeverHandedOutWhole(t *testing.T) {
	for _, wrap := range []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader,
	} {
		for _, c := range []struct{ n, claim int }{{0, 0}, {5, 5}, {5, 6}, {6, 5}, {1, 0}, {0, 1}} {
			body := claimed{wrap(bytes.NewReader(make([]byte, c.n))), int64(c.claim)}
			got, err := io.ReadAll(objectstore.OpenBody(nil, body))
			if c.n == c.claim {
				require.NoError(t, err)
				require.Len(t, got, c.n)
				continue
			}
			require.ErrorIs(t, err, objectstore.ErrTerminal, "%v", c)
			require.True(t, len(got) < c.claim || c.claim == 0, "%d bytes of %v came out", len(got), c)
		}
	}
	_, err := io.ReadAll(objectstore.OpenBody(nil, claimed{iotest.ErrReader(errFlaky), 5}))
	require.ErrorIs(t, err, errFlaky)
	require.False(t, objectstore.Definite(err))
}

func TestTheMeterCountsEveryCall(t *testing.T) {
	answers := []error{nil, objectstore.ErrExists, nil, objectstore.ErrNotFound, errFlaky, nil, objectstore.ErrRange}
	onSim(t, answers, func(sc *host.Scope, h host.Host, s *scripted) error {
		m := objectstore.WithMeter(h, s)
		for _, c := range everyCall {
			_ = c.do(sc, m)
		}
		_ = everyCall[2].do(sc, m)
		totals := m.Totals()
		for i := range totals {
			require.InDelta(t, float64(totals[i].Calls)*1e9, float64(totals[i].Busy), 1e8)
			totals[i].Busy = 0
		}
		require.Equal(t, []objectstore.Total{
			{Op: objectstore.OpPut, Calls: 1, Bytes: 5},
			{Op: objectstore.OpPutIfAbsent, Calls: 1, Negative: 1},
			{Op: objectstore.OpGet, Calls: 2, Negative: 1, Bytes: 11},
			{Op: objectstore.OpHead, Calls: 1, Negative: 1},
			{Op: objectstore.OpList, Calls: 1, Errors: 1},
			{Op: objectstore.OpDelete, Calls: 1},
		}, totals)
		require.Equal(t, "scripted store", m.Name())
		return nil
	})
}

func TestAPrefixSeparatesWhatSharesABucket(t *testing.T) {
	storetest.Run(t, func(t *testing.T, task storetest.Task) {
		w := sim.New(sim.Config{Seed: 1})
		require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			body := objectstore.BytesBody([]byte("another's"))
			for _, key := range []string{"a", "mine", "mine-too/x", "mine.x", "mine0", "z"} {
				if err := w.Store(h).Put(sc, key, body); err != nil {
					return err
				}
			}
			s, err := objectstore.WithPrefix(w.Store(h), "/mine/")
			if err != nil {
				return err
			}
			return task(sc, h, s)
		}))
		require.NoError(t, w.Close())
	})
}

func TestAPrefixMustBeAKey(t *testing.T) {
	s, err := objectstore.WithPrefix(&scripted{}, "/")
	require.NoError(t, err)
	require.Equal(t, "scripted store", s.Name())
	s, err = objectstore.WithPrefix(&scripted{}, "a/b")
	require.NoError(t, err)
	require.Equal(t, "scripted store under a/b", s.Name())
	for _, prefix := range []string{"..", "a//b", "a/.b", strings.Repeat("a/", objectstore.MaxPrefix/2) + "a"} {
		_, err := objectstore.WithPrefix(&scripted{}, prefix)
		require.ErrorIs(t, err, objectstore.ErrBadKey, prefix)
	}
}

// broken is a store with one thing wrong.
type broken struct {
	objectstore.Store
	unconditional, shifted, unlisted bool
}

func (s broken) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	if s.unconditional {
		return s.Put(sc, key, body)
	}
	return s.Store.PutIfAbsent(sc, key, body)
}

func (s broken) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	if s.shifted {
		off--
	}
	return s.Store.GetRange(sc, key, off, dst)
}

func (s broken) List(sc *host.Scope, prefix, after string, limit int) ([]objectstore.Info, error) {
	if s.unlisted {
		return nil, nil
	}
	return s.Store.List(sc, prefix, after, limit)
}

func TestTheProbeRefusesABrokenStore(t *testing.T) {
	for _, c := range []struct {
		store broken
		text  string
	}{
		{broken{unconditional: true}, "ignores conditional writes"},
		{broken{shifted: true}, "has other bytes"},
		{broken{unlisted: true}, "is not listed"},
	} {
		w := sim.New(sim.Config{Seed: 1})
		require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			c.store.Store = w.Store(h)
			err := objectstore.Probe(sc, h, objectstore.WithRetry(h, c.store, objectstore.Policy{}))
			require.ErrorIs(t, err, objectstore.ErrTerminal)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "simulated store")
			require.NotContains(t, err.Error(), "\n")
			return nil
		}))
		require.NoError(t, w.Close())
	}
}

// once answers its first get and its first listing wrongly.
type once struct {
	broken
	gets, lists int
}

func (s *once) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	s.gets++
	s.shifted = s.gets == 1
	return s.broken.GetRange(sc, key, off, dst)
}

func (s *once) List(sc *host.Scope, prefix, after string, limit int) ([]objectstore.Info, error) {
	s.lists++
	s.unlisted = s.lists == 1
	return s.broken.List(sc, prefix, after, limit)
}

func TestTheProbeForgivesOneWrongAnswer(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		return objectstore.Probe(sc, h, &once{broken: broken{Store: w.Store(h)}})
	}))
	require.NoError(t, w.Close())
}

// secretive says of a key that is not there that it must not be looked at.
type secretive struct{ objectstore.Store }

func (s secretive) Head(sc *host.Scope, key string) (objectstore.Info, error) {
	info, err := s.Store.Head(sc, key)
	if errors.Is(err, objectstore.ErrNotFound) {
		err = objectstore.ErrDenied
	}
	return info, err
}

// keeping deletes nothing.
type keeping struct{ objectstore.Store }

func (keeping) Delete(*host.Scope, string) error { return nil }

// TestTheProbeNeedsNoRightToLookForWhatIsNotThere: a bucket's policy may let a prefix be listed and nothing else, and
// S3 then answers 403 and not 404 to a HEAD. A delete that does nothing is found out all the same.
func TestTheProbeNeedsNoRightToLookForWhatIsNotThere(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		require.ErrorContains(t, objectstore.Probe(sc, h, keeping{secretive{w.Store(h)}}), "was deleted")
		return objectstore.Probe(sc, h, secretive{w.Store(h)})
	}))
	require.NoError(t, w.Close())
}

func TestTheProbePassesThroughFaults(t *testing.T) {
	for seed := range uint64(10) {
		w := sim.New(sim.Config{Seed: seed, Faults: sim.Faults{StoreError: 200_000, StoreAppliedError: 200_000}})
		require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			return objectstore.Probe(sc, h, objectstore.WithRetry(h, w.Store(h), objectstore.Policy{Max: time.Second}))
		}))
		require.Empty(t, w.Objects())
		require.NoError(t, w.Close())
	}
}
