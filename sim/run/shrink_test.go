package run

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFailuresOfOneSortDifferInNumbersAlone(t *testing.T) {
	class := func(oracle, failure string) string { return (&Result{Oracle: oracle, Failure: failure}).class() }
	a := class("online:Answer", "seed 2, event 9, 2.1s: online:Answer: fetch of client 11 from orders/0: error code 1")
	b := class("online:Answer", "seed 3, event 812, 9s: online:Answer: fetch of client 3 from orders/2: error code 6")
	c := class("online:Answer", "seed 2, event 9, 2.1s: online:Answer: client 5 sent sequences up to 128")
	require.Equal(t, "online:Answer: fetch of client #", a)
	require.Equal(t, a, b)
	require.NotEqual(t, a, c)
	require.Equal(t, "history:Lost", class("history:Lost", "Lost: c1#3 of orders/0\nseed 3"))
	require.NotEqual(t, class("history:Lost", "x"), class("history:Vacuous", "x"), "what judged nothing found nothing")
	require.Empty(t, class("", ""))
}
