package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// errRead is what the failing bodies fail with: transient, as far as a store can tell.
var errRead = errors.New("storetest: the body cannot be read just now")

// content returns n bytes that depend on seed and on each byte's offset.
func content(seed, n int) []byte {
	p := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// put stores p under key.
func put(sc *host.Scope, s objectstore.Store, key string, p []byte) error {
	if err := s.Put(sc, key, objectstore.BytesBody(p)); err != nil {
		return fmt.Errorf("put %s of %d bytes: %w", key, len(p), err)
	}
	return nil
}

// create stores p under key, which must have no object. Behind retries an attempt may meet what an earlier one
// left; then what is there must be p.
func create(sc *host.Scope, s objectstore.Store, key string, b objectstore.Body, p []byte) error {
	err := s.PutIfAbsent(sc, key, b)
	if err != nil && !errors.Is(err, objectstore.ErrExistsUnknown) {
		return fmt.Errorf("put-if-absent %s of %d bytes: %w", key, len(p), err)
	}
	return holds(sc, s, key, p)
}

// holds returns an error unless key holds exactly p, by Head and by GetRange.
func holds(sc *host.Scope, s objectstore.Store, key string, p []byte) error {
	info, err := s.Head(sc, key)
	if err != nil {
		return fmt.Errorf("head %s: %w", key, err)
	}
	if want := (objectstore.Info{Key: key, Size: int64(len(p))}); info != want {
		return fmt.Errorf("head %s: got %v, want %v", key, info, want)
	}
	got := make([]byte, len(p))
	if err := s.GetRange(sc, key, 0, got); err != nil {
		return fmt.Errorf("get %s: %w", key, err)
	}
	if !bytes.Equal(got, p) {
		return fmt.Errorf("get %s: other bytes than were put, from offset %d", key, firstDiff(got, p))
	}
	return nil
}

func firstDiff(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// gone returns an error unless key has no object, by Head, GetRange and List.
func gone(sc *host.Scope, s objectstore.Store, key string) error {
	if _, err := s.Head(sc, key); !errors.Is(err, objectstore.ErrNotFound) {
		return fmt.Errorf("head %s: got %v, want ErrNotFound", key, err)
	}
	if err := s.GetRange(sc, key, 0, make([]byte, 1)); !errors.Is(err, objectstore.ErrNotFound) {
		return fmt.Errorf("get %s: got %v, want ErrNotFound", key, err)
	}
	page, err := s.List(sc, key, "", 1)
	if err != nil {
		return fmt.Errorf("list %s: %w", key, err)
	}
	if len(page) > 0 && page[0].Key == key {
		return fmt.Errorf("list %s: the missing key is listed", key)
	}
	return nil
}

// is returns an error that names what, unless err is target.
func is(what string, err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("%s: got %v, want %v", what, err, target)
	}
	return nil
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pieces is a body that is read in pieces of odd sizes.
type pieces []byte

func (b pieces) Size() int64                { return int64(len(b)) }
func (b pieces) Open(*host.Scope) io.Reader { return &pieceReader{p: b} }

type pieceReader struct {
	p []byte
	n int // calls so far
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.p) == 0 {
		return 0, io.EOF
	}
	r.n++
	n := copy(p[:min(len(p), 1+r.n*7919%100_003)], r.p)
	r.p = r.p[n:]
	return n, nil
}

// flaky is a body whose first opens fail with errRead after half of the bytes.
type flaky struct {
	p     []byte
	fails int // opens that still fail
	opens int // opens so far
}

func (b *flaky) Size() int64 { return int64(len(b.p)) }

func (b *flaky) Open(*host.Scope) io.Reader {
	b.opens++
	if b.fails == 0 {
		return bytes.NewReader(b.p)
	}
	b.fails--
	return io.MultiReader(bytes.NewReader(b.p[:len(b.p)/2]), failingReader{})
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errRead }

// lying is a body of p that claims another size.
type lying struct {
	p    []byte
	size int64
}

func (b lying) Size() int64                { return b.size }
func (b lying) Open(*host.Scope) io.Reader { return bytes.NewReader(b.p) }
