package run

import (
	"fmt"
	"strconv"
	"strings"
)

// rangeMax bounds a sweep: more seeds than that are a slip of the finger.
const rangeMax = 100_000_000

// Range is the seeds First to Last, both included.
type Range struct {
	First, Last uint64
}

// ParseRange reads "A..B", or "N" for one seed.
func ParseRange(s string) (Range, error) {
	from, to, isRange := strings.Cut(s, "..")
	if !isRange {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 64)
	if err != nil {
		return Range{}, fmt.Errorf("seeds %q: give them as A..B, such as 1..200", s)
	}
	last, err := strconv.ParseUint(to, 10, 64)
	if err != nil {
		return Range{}, fmt.Errorf("seeds %q: give them as A..B, such as 1..200", s)
	}
	if last < first {
		return Range{}, fmt.Errorf("seeds %q: the last is below the first", s)
	}
	if last-first >= rangeMax {
		return Range{}, fmt.Errorf("seeds %q: more than %d of them", s, rangeMax)
	}
	return Range{first, last}, nil
}

// Len returns how many seeds it is.
func (r Range) Len() int { return int(r.Last-r.First) + 1 }

// String is the range as ParseRange reads it.
func (r Range) String() string { return fmt.Sprintf("%d..%d", r.First, r.Last) }
