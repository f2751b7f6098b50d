package run

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim"
)

func TestAnEventIsSaidInWords(t *testing.T) {
	for _, c := range []struct {
		event sim.Event
		want  string
	}{
		{sim.Event{Kind: sim.KindKill, Who: 1, A: 3, Machine: "weir"}, "weir incarnation 3"},
		{sim.Event{Kind: sim.KindDisk, A: uint64(sim.OpWrite)<<56 | 4096}, "write at 4096"},
		{sim.Event{Kind: sim.KindDisk, A: uint64(sim.OpRename)<<32 | 2}, "rename"},
		{sim.Event{Kind: sim.KindStore, A: uint64(sim.OpStorePut)}, "store.put"},
		{sim.Event{Kind: sim.KindStore, A: uint64(sim.OpStoreGet)<<56 | 100}, "store.get"},
		{sim.Event{Kind: sim.KindStore, A: 10_000_000_000}, ""},
		{sim.Event{Kind: sim.KindNet, A: 726<<8 | 2}, "sent 726 bytes"},
		{sim.Event{Kind: sim.KindNet, A: 2}, ""},
		{sim.Event{Kind: sim.KindFault, Who: 9, A: uint64(fault.Clog), B: 1 << 40}, "N3.clog"},
		{sim.Event{Kind: sim.KindFault, Who: 9, A: uint64(fault.Clog) | 1<<8, B: 1 << 40}, "N3.clog ends"},
		{sim.Event{Kind: sim.KindFault, A: uint64(fault.SameSequence), B: 1}, "K1.same-sequence"},
		{sim.Event{Kind: sim.KindFault, Who: 9, A: 8192, B: 4}, ""},
		{sim.Event{Kind: sim.KindPick, Who: 9, A: 1}, ""},
	} {
		require.Equal(t, c.want, words(c.event), "%v", c.event)
	}
}
