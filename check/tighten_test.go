package check

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// staleReads is the beginning of one partition of a simulated run that crashed early: appends that stayed open
// for long, many empty fetches meanwhile, each of which may be stale, and exact reads of the end between them.
func staleReads(t *testing.T) *History {
	t.Helper()
	f, err := os.Open("testdata/stale-reads.jsonl")
	require.NoError(t, err)
	defer f.Close()
	h, err := Decode(f)
	require.NoError(t, err)
	return h
}

func TestManyStaleReadsBesideOpenAppendsAreDecided(t *testing.T) {
	h := staleReads(t)
	v := Linear(h)
	require.True(t, v.OK(), v)
	require.GreaterOrEqual(t, v.Counts.Linearized, len(h.Ops))
}

func TestAReadOfTheEndBeforeItsAppendHasNoOrder(t *testing.T) {
	h := staleReads(t)
	p := h.Logs[0].Partition
	end := h.Logs[0].End()
	h.Ops = append(h.Ops, Op{Kind: ListEnd, Outcome: OK, Client: 99, Call: 1, Return: 2, Partition: p, Offset: end})
	v := Linear(h)
	require.Equal(t, 1, v.Total, v)
	require.Equal(t, NotLinear, v.Violations[0].Kind)
}
