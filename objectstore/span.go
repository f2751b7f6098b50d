package objectstore

import "fmt"

// Span resolves the range of a GetRange call against an object of size bytes and returns the absolute
// offset to read at. It is the one definition of ErrRange, used by every implementation that knows the
// size: off at or after 0 counts from the start, below 0 from the end; all n bytes must be inside.
func Span(off int64, n int, size int64) (int64, error) {
	start := off
	if off < 0 {
		if -off != int64(n) {
			return 0, fmt.Errorf("%w: a tail of %d bytes does not fill a buffer of %d", ErrRange, -off, n)
		}
		start = size + off
	}
	if start < 0 || start > size || int64(n) > size-start {
		return 0, fmt.Errorf("%w: %d bytes at offset %d of an object of %d bytes", ErrRange, n, off, size)
	}
	return start, nil
}
