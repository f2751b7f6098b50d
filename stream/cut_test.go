package stream

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestACutReadHoldsItsBeginning: what fits, and one entry at least.
func TestACutReadHoldsItsBeginning(t *testing.T) {
	for most, want := range map[int]int{0: 1, 9: 1, 10: 1, 29: 1, 30: 2, 59: 2, 60: 3, 100: 3} {
		r := &Read{Bytes: 60}
		for _, n := range []int{10, 20, 30} {
			r.Chunks = append(r.Chunks, Chunk{Data: make([]byte, n)})
		}
		r.Cut(most)
		require.Len(t, r.Chunks, want, "at most %d", most)
		require.Equal(t, []int{0, 10, 30, 60}[want], r.Bytes)
	}
}
