package workload

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/sim"
)

// tailFile is a file with two slots and a ring of 8 blocks between them, whose last frame crosses the ring's end.
func tailFile(t *testing.T, w *sim.World) (*ringTails, *ringTail, []byte) {
	t.Helper()
	file := make([]byte, 10*slotBytes)
	frame := make([]byte, 2*slotBytes)
	for i := range frame {
		frame[i] = byte(i%251) + 1
	}
	copy(frame, frameMagic)
	binary.LittleEndian.PutUint64(frame[framePosition:], 15*slotBytes)
	binary.LittleEndian.PutUint32(frame[frameLength:], 2*slotBytes)
	copy(file[8*slotBytes:], frame[:slotBytes])
	copy(file[slotBytes:], frame[slotBytes:])
	tails, v := &ringTails{}, w.Machine("m").Volume("v")
	tails.synced(v, "ring", 8*slotBytes, frame[:slotBytes])
	tails.synced(v, "ring", slotBytes, frame[slotBytes:])
	x := tails.rings[v.Name()+"/ring"]
	require.NotNil(t, x)
	require.Len(t, x.parts, 2)
	require.EqualValues(t, 17*slotBytes, x.end)
	return tails, x, file
}

func putDurable(slot []byte, d uint64) {
	clear(slot)
	copy(slot, ringMagic)
	binary.LittleEndian.PutUint64(slot[superDurable:], d)
	binary.LittleEndian.PutUint32(slot[slotBytes-4:], crc32.Checksum(slot[:slotBytes-4],
		crc32.MakeTable(crc32.Castagnoli)))
}

func TestTheEndOfARingIsKnownByItsLastFrameOrByASuperblock(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer func() { require.NoError(t, w.Close()) }()
	for _, c := range []struct {
		name  string
		spoil func(tails *ringTails, v *sim.Volume, file []byte)
		known bool
	}{
		{"all is there", func(*ringTails, *sim.Volume, []byte) {}, true},
		{"its head is gone", func(_ *ringTails, _ *sim.Volume, b []byte) { clear(b[8*slotBytes : 9*slotBytes]) }, false},
		{"its rest is gone", func(_ *ringTails, _ *sim.Volume, b []byte) { b[slotBytes+7] = 0 }, false},
		{"what was before it is gone", func(_ *ringTails, _ *sim.Volume, b []byte) {
			clear(b[6*slotBytes : 8*slotBytes])
		}, true},
		{"it is gone, and the first superblock knows", func(_ *ringTails, _ *sim.Volume, b []byte) {
			clear(b[8*slotBytes : 9*slotBytes])
			putDurable(b[:slotBytes], 17*slotBytes)
		}, true},
		{"it is gone, and the last superblock knows", func(_ *ringTails, _ *sim.Volume, b []byte) {
			clear(b[8*slotBytes : 9*slotBytes])
			putDurable(b[9*slotBytes:], 17*slotBytes)
		}, true},
		{"it is gone, and a superblock knows of what was before it", func(_ *ringTails, _ *sim.Volume, b []byte) {
			clear(b[8*slotBytes : 9*slotBytes])
			putDurable(b[:slotBytes], 15*slotBytes)
		}, false},
		{"it is gone, and the superblock that knew is spoilt", func(_ *ringTails, _ *sim.Volume, b []byte) {
			clear(b[8*slotBytes : 9*slotBytes])
			putDurable(b[:slotBytes], 17*slotBytes)
			b[300] ^= 1
		}, false},
		{"the one behind it went astray", func(tails *ringTails, v *sim.Volume, _ []byte) {
			tails.ask(v.Name(), "ring", 2*slotBytes)
			tails.ask(v.Name(), "ring", 5*slotBytes)
			tails.astray()
		}, false},
		{"a superblock went astray", func(tails *ringTails, v *sim.Volume, _ []byte) {
			tails.ask(v.Name(), "ring", 0)
			tails.ask(v.Name(), "ring", 5*slotBytes)
			tails.astray()
		}, true},
	} {
		tails, x, file := tailFile(t, w)
		c.spoil(tails, w.Machine("m").Volume("v"), file)
		require.Equal(t, c.known, x.known(file), c.name)
	}
}

// TestAHistoryEndsBeforeWhatNobodyCanKnow: the answers that came later are gone, and what was open is left open.
func TestAHistoryEndsBeforeWhatNobodyCanKnow(t *testing.T) {
	op := func(kind check.Kind, call, ret int64) check.Op {
		return check.Op{Kind: kind, Outcome: check.OK, Call: call, Return: ret}
	}
	h := check.History{Recoveries: []int64{5, 50}, Ops: []check.Op{op(check.Produce, 1, 2), op(check.Fetch, 3, 4),
		op(check.Produce, 8, 12), op(check.Fetch, 8, 12), op(check.Commit, 9, 10), op(check.Produce, 10, 11)}}
	got := before(&h, 10)
	require.Equal(t, []int64{5}, got.Recoveries)
	require.Len(t, got.Ops, 4)
	for i, want := range []check.Outcome{check.OK, check.OK, check.Unknown, check.Unknown} {
		require.Equal(t, want, got.Ops[i].Outcome, i)
	}
	require.Equal(t, check.OK, h.Ops[2].Outcome, "the history itself stays as it is")
}
