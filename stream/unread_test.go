package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
)

// TestWhatCannotBeReadKeepsNoOtherStreamBack: while it is not known whether an entry is lost, or only cannot be read
// now, all others are uploaded; whether the checkpoint or the object's bytes are what meets it.
func TestWhatCannotBeReadKeepsNoOtherStreamBack(t *testing.T) {
	for _, checkpointed := range []bool{false, true} {
		r := newRig(t, sim.Config{Seed: 39}, 3)
		r.cfg.UploadAge, r.cfg.RetryMax = 1<<50, time.Second
		bad, good := r.streams[:2], r.streams[2]
		r.do(func(h host.Host, sc *host.Scope) error {
			began := h.Now()
			require.NoError(r, r.boot(h, sc))
			require.NoError(r, r.e.Flush(sc))
			for _, x := range bad {
				require.NoError(r, r.append(sc, x, 6000, true))
			}
			if checkpointed {
				r.w.SetFaults(sim.Faults{StoreError: sim.Always})
				limit, cancel := sc.Child(h.Now().Add(100 * time.Millisecond))
				require.Error(r, r.e.Flush(limit))
				cancel()
			}
			for r.e.Evict() {
			}
			for i := range 3 {
				r.w.SetFaults(sim.Faults{})
				require.NoError(r, r.append(sc, good, 6000, true)) // it is in memory
				r.w.SetFaults(sim.Faults{ReadError: sim.Always})
				limit, cancel := sc.Child(h.Now().Add(4 * time.Second))
				require.ErrorIs(r, r.e.Flush(limit), host.ErrIO)
				cancel()
				require.Equal(r, good.next, r.cat.streams[good.id].last().committed, "%v %d", checkpointed, i)
				require.Zero(r, r.e.Stats().Holes)
			}
			require.ErrorIs(r, r.e.Flush(sc), stream.ErrHole)
			require.EqualValues(r, 2, r.e.Stats().Holes)
			require.Less(r, h.Now().Sub(began), 50*time.Second, "one after the other")
			return nil
		})
	}
}
