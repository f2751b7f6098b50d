package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// book applies commands to a state.
type book struct {
	t     *testing.T
	s     *metadata.State
	index uint64
}

func (b *book) ok(body any) *metadatapb.Result {
	b.t.Helper()
	b.index++
	cmd := metadata.NewCommand(body)
	cmd.Term = 1
	back, err := metadata.DecodeCommand(metadata.EncodeCommand(cmd))
	require.NoError(b.t, err)
	r := b.s.Apply(b.index, 1, back)
	require.Zero(b.t, r.GetRefusal(), r.GetDetail())
	return r
}

func id16(n byte) []byte { u := metadata.UUID{n, 15: n}; return u[:] }

func TestADrainIsToldUntilItIsDone(t *testing.T) {
	b := &book{t: t, s: metadata.NewState()}
	b.ok(&metadatapb.InitCluster{ClusterId: id16(99), Format: metadata.FormatVersion})
	join := func(id int32) int64 {
		e := b.ok(&metadatapb.Register{Broker: id, Nonce: id16(byte(10 + id)), Disk: id16(byte(id))}).GetRegister().GetEpoch()
		w := id16(byte(20 + id))
		b.ok(&metadatapb.CreateWal{Broker: id, Epoch: e, Wal: w, Volume: id16(byte(30 + id)), Capacity: 1 << 20})
		b.ok(&metadatapb.OpenWal{Broker: id, Epoch: e, Wal: w})
		return e
	}
	e := join(1)
	b.ok(&metadatapb.CreateTopic{Name: "t", Id: id16(50), Nonce: id16(51), Owners: []int32{1, 1}})
	b.ok(&metadatapb.Drain{Broker: 1, Epoch: e})
	line, done, err := drained(b.s, 1, e)
	require.ErrorIs(t, err, errNowhere)
	require.False(t, done)
	require.Contains(t, line, "2 partitions to move")
	join(2)
	to := int32(2)
	for _, id := range []uint64{1, 2} {
		b.ok(&metadatapb.SealAndOpen{Stream: id, End: 7, To: &to})
	}
	line, done, err = drained(b.s, 1, e)
	require.NoError(t, err)
	require.False(t, done)
	require.Contains(t, line, "0 partitions to move, 2 ranges with 14 records to upload")
	var out bytes.Buffer
	require.NoError(t, printBrokers(&out, brokerRows(b.s)))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, "1 1 draining - - 0 2 ranges, 14 records 0", strings.Join(strings.Fields(lines[1]), " "))
	require.Equal(t, "2 2 live - - 2 - 0", strings.Join(strings.Fields(lines[2]), " "))
	b.ok(&metadatapb.CommitObject{Broker: 1, Epoch: e, Wal: id16(21), Generation: 1, Size: 1,
		Entries: []*metadatapb.CommitEntry{
			{Stream: 1, End: 7, Checkpoint: true}, {Stream: 2, End: 7, Checkpoint: true}}})
	line, done, err = drained(b.s, 1, e)
	require.NoError(t, err)
	require.True(t, done, line)
	b.ok(&metadatapb.Deregister{Broker: 1, Epoch: e})
	line, done, _ = drained(b.s, 1, e)
	require.True(t, done)
	require.Contains(t, line, "has left")
	require.Equal(t, "left", brokerRows(b.s)[0].state)
}
