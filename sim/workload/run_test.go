package workload_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim/workload"
)

// TestOneSeed runs a seed with crashes and faults, twice, and wants the same events both times.
func TestOneSeedReplaysEventForEvent(t *testing.T) {
	var log *os.File
	if testing.Verbose() {
		log = os.Stderr
	}
	o := workload.Options{Seed: 1, Sites: true}
	if log != nil {
		o.Log = log
	}
	first := workload.Run(o)
	require.NoError(t, first.Err)
	t.Logf("%+v", first.Verdict)
	t.Logf("hash=%016x events=%d ops=%d objects=%d restarts=%d crashes=%v fired=%v", first.Hash, first.Events,
		first.Ops, first.Objects, first.Restarts, first.Crashes, first.Fired)
	second := workload.Run(workload.Options{Seed: 1, Sites: true})
	require.NoError(t, second.Err)
	require.Equal(t, first.Hash, second.Hash)
}
