package stream

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAHoledRangeThatPinsNothingStaysOpen: only what the log has of a range makes it be given up.
func TestAHoledRangeThatPinsNothingStaysOpen(t *testing.T) {
	r := &rangeLog{st: &streamLog{id: 1}, hole: &HoleError{ID: 1}, marked: true}
	e := &Engine{ringBytes: 1 << 20, newest: 1 << 30, owing: []*rangeLog{r}}
	e.giveUpPinning()
	require.False(t, r.closed)
}
