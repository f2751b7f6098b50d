package controller

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/wal"
)

var update = flag.Bool("update", false, "write the golden files")

func newEntry(index, term uint64, data string) *raftpb.Entry {
	kind := raftpb.EntryNormal
	e := &raftpb.Entry{Index: &index, Term: &term, Type: &kind}
	if data != "" {
		e.Data = []byte(data)
	}
	return e
}

func newConf() *raftpb.ConfState {
	yes := true
	return &raftpb.ConfState{
		Voters: []uint64{3, 1}, Learners: []uint64{9}, VotersOutgoing: []uint64{1, 2, 3}, AutoLeave: &yes,
	}
}

// samples are one record of each kind.
func samples() [][]byte {
	return [][]byte{
		encodeBatch(&batch{term: 4, vote: 7, commit: 11}),
		encodeBatch(&batch{term: 4, vote: 7, commit: 11, first: 12, entries: []*raftpb.Entry{
			newEntry(12, 4, ""), newEntry(13, 4, "command"),
		}}),
		encodeConf(11, newConf()),
		encodeChunk(&chunk{index: 11, term: 4, conf: newConf(), total: 9, offset: 4, data: []byte("state")}),
		encodeRoll(11, []member{{1, 4, "a:1"}, {9, -1, "host.example:9092"}}),
	}
}

func TestRecordBytesArePinned(t *testing.T) {
	var got []byte
	for _, p := range samples() {
		got = binary.LittleEndian.AppendUint32(got, uint32(len(p)))
		got = append(got, p...)
	}
	const path = "testdata/records.v1"
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the record format changed: raise recordVersion or go back")
}

func TestRecordsReadBackWhatWasWritten(t *testing.T) {
	list := samples()
	b, err := decodeRecord(list[1])
	require.NoError(t, err)
	require.Equal(t, batch{4, 7, 11, 12, b.batch.entries}, *b.batch)
	require.Len(t, b.batch.entries, 2)
	require.EqualValues(t, 13, b.batch.entries[1].GetIndex())
	require.Equal(t, "command", string(b.batch.entries[1].GetData()))
	c, err := decodeRecord(list[2])
	require.NoError(t, err)
	require.EqualValues(t, 11, c.applied)
	require.NoError(t, newConf().Equivalent(c.conf))
	k, err := decodeRecord(list[3])
	require.NoError(t, err)
	require.Equal(t, "state", string(k.chunk.data))
	require.NoError(t, newConf().Equivalent(k.chunk.conf))
	m, err := decodeRecord(list[4])
	require.NoError(t, err)
	require.Equal(t, []member{{1, 4, "a:1"}, {9, -1, "host.example:9092"}}, m.roll)
}

func TestCutAndNewerRecordsAreRefusedByName(t *testing.T) {
	for _, p := range samples() {
		for n := range p {
			x, err := decodeRecord(p[:n])
			if x.chunk == nil { // a chunk may be any length: the snapshot's own size and CRC tell
				require.ErrorIs(t, err, ErrDamaged, "%d of %d bytes", n, len(p))
			}
		}
		newer := bytes.Clone(p)
		newer[0]++
		_, err := decodeRecord(newer)
		require.ErrorIs(t, err, ErrNewer)
	}
}

func FuzzRecord(f *testing.F) {
	for _, p := range samples() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		x, err := decodeRecord(p)
		if err != nil {
			return
		}
		switch {
		case x.batch != nil:
			require.Equal(t, p, encodeBatch(x.batch))
		case x.chunk != nil:
			require.Equal(t, p, encodeChunk(x.chunk))
		case x.roll != nil:
			require.Equal(t, p, encodeRoll(x.applied, x.roll))
		default:
			require.Equal(t, p, encodeConf(x.applied, x.conf))
		}
	})
}

func TestStorageReplacesWhatANewLeaderContradicts(t *testing.T) {
	s := &storage{}
	require.NoError(t, s.append([]*raftpb.Entry{newEntry(1, 1, "a"), newEntry(2, 1, "b"), newEntry(3, 1, "c")}, 0))
	require.NoError(t, s.append([]*raftpb.Entry{newEntry(2, 2, "B")}, 8192))
	require.EqualValues(t, 2, s.last())
	require.Equal(t, []wal.Position{0, 8192}, s.places)
	require.ErrorIs(t, s.append([]*raftpb.Entry{newEntry(4, 2, "gap")}, 0), ErrDamaged)
	s.compact(1, 1)
	require.ErrorIs(t, s.append([]*raftpb.Entry{newEntry(1, 2, "compacted")}, 0), ErrDamaged)
	term, err := s.Term(1)
	require.NoError(t, err)
	require.EqualValues(t, 1, term)
	_, err = s.Term(0)
	require.Error(t, err)
	list, err := s.Entries(2, 3, 1)
	require.NoError(t, err)
	require.Len(t, list, 1, "one entry at least")
	_, err = s.Entries(1, 3, 1)
	require.Error(t, err)
	_, err = s.Entries(2, 4, 1)
	require.Error(t, err)
}

func step(r *replay, x record, at wal.Position) error {
	return r.take(x, wal.Found{Entry: wal.Entry{Stream: streamState}, Extent: wal.Extent{Frame: at}})
}

func fresh() *replay { return &replay{st: &storage{}, disk: &disklog{}} }

func entries(first uint64, n int, term uint64) record {
	b := &batch{term: term, commit: first, first: first}
	for i := range n {
		b.entries = append(b.entries, newEntry(first+uint64(i), term, "x"))
	}
	return record{batch: b}
}

func TestReplayDecidesWhatALogSays(t *testing.T) {
	t.Run("nothing at all is a birth that did not finish", func(t *testing.T) {
		r := fresh()
		require.NoError(t, r.finish())
		require.True(t, r.blank)
	})
	t.Run("entries without a membership are damage", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, entries(1, 2, 1), 0))
		require.ErrorIs(t, r.finish(), ErrDamaged)
	})
	t.Run("a log without its beginning and without a snapshot is damage", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, record{conf: newConf()}, 0))
		require.NoError(t, step(r, entries(7, 2, 1), 0))
		require.ErrorIs(t, r.finish(), ErrDamaged)
	})
	t.Run("a gap is damage", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, entries(1, 2, 1), 0))
		require.ErrorIs(t, step(r, entries(4, 1, 1), 0), ErrDamaged)
	})
	t.Run("a falling term is damage", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, entries(1, 2, 2), 0))
		require.ErrorIs(t, step(r, entries(3, 1, 1), 0), ErrDamaged)
	})
	t.Run("a snapshot whose first chunk was trimmed is passed over", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, record{chunk: &chunk{index: 3, total: 9, offset: 5, data: []byte("tail")}}, 0))
		require.Nil(t, r.snap)
	})
	t.Run("a snapshot that a crash cut short leaves the log as it was", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, record{conf: newConf()}, 0))
		require.NoError(t, step(r, entries(1, 3, 1), 0))
		require.NoError(t, step(r, record{chunk: &chunk{index: 3, total: 9, data: []byte("head")}}, 0))
		require.NoError(t, r.finish())
		require.Zero(t, r.st.base)
		require.EqualValues(t, 3, r.st.last())
		require.EqualValues(t, 1, r.st.hard.GetCommit())
	})
	t.Run("chunks of two snapshots do not join", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, record{chunk: &chunk{index: 3, total: 9, data: []byte("head")}}, 0))
		tail := record{chunk: &chunk{index: 4, total: 9, offset: 4, data: []byte("tail!")}}
		require.ErrorIs(t, step(r, tail, 0), ErrDamaged)
	})
	t.Run("a snapshot that is none is damage", func(t *testing.T) {
		r := fresh()
		none := record{chunk: &chunk{index: 3, term: 1, total: 4, conf: newConf(), data: []byte("none")}}
		require.NoError(t, step(r, none, 0))
		require.ErrorIs(t, r.finish(), ErrDamaged)
	})
}

func TestReplayDecidesWhoTheMembersAre(t *testing.T) {
	t.Run("a membership in force says what is committed", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, record{conf: &raftpb.ConfState{Voters: []uint64{1}}}, 0))
		require.NoError(t, step(r, entries(1, 3, 1), 0))
		require.NoError(t, step(r, record{applied: 2, conf: newConf()}, 0))
		require.NoError(t, r.finish())
		require.EqualValues(t, 2, r.st.hard.GetCommit())
		require.Len(t, r.st.conf.GetVoters(), 1, "Raft begins with the one before")
		require.NoError(t, newConf().Equivalent(r.conf))
	})
	t.Run("a membership in force whose entry is gone is damage", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, record{conf: newConf()}, 0))
		require.NoError(t, step(r, entries(1, 3, 1), 0))
		require.NoError(t, step(r, record{applied: 4, conf: newConf()}, 0))
		require.ErrorIs(t, r.finish(), ErrDamaged)
	})
	t.Run("a snapshot replaces a log that it contradicts", func(t *testing.T) {
		r := fresh()
		require.NoError(t, step(r, record{conf: newConf()}, 0))
		require.NoError(t, step(r, entries(1, 3, 1), 0))
		some := record{chunk: &chunk{index: 2, term: 2, total: 4, conf: newConf(), data: []byte("some")}}
		require.NoError(t, step(r, some, 0))
		require.EqualValues(t, 2, r.st.last())
	})
}

// wholeSnapshot is a snapshot in one chunk, of a state as of index.
func wholeSnapshot(index uint64) record {
	s := metadata.NewState()
	s.Apply(index, 1, metadata.NewCommand(&metadatapb.InitCluster{}))
	data := s.Snapshot()
	return record{chunk: &chunk{index: index, term: 1, total: uint64(len(data)), conf: newConf(), data: data}}
}

func TestASnapshotThatTheNextOneOutlivedIsPassedOver(t *testing.T) {
	// 101 to 120 were written at 40 to 48, the snapshot as of 113 at 50, the one as of 117 at 60: trimmed to 48.
	r := fresh()
	require.NoError(t, step(r, entries(118, 3, 1), 48))
	require.NoError(t, step(r, wholeSnapshot(113), 50))
	require.NoError(t, step(r, wholeSnapshot(117), 60))
	require.NoError(t, r.finish())
	require.Equal(t, []uint64{117, 120}, []uint64{r.st.base, r.st.last()})
	require.Equal(t, wal.Position(60), r.from)

	r = fresh()
	require.NoError(t, step(r, entries(115, 3, 1), 46))
	require.NoError(t, step(r, wholeSnapshot(113), 50))
	require.ErrorIs(t, r.finish(), ErrDamaged, "none follows")
}

func TestWhoJoinsIsAVoterOnceTheJointMembershipIsLeft(t *testing.T) {
	voters := func(c *raftpb.ConfState) (ids []uint64) {
		for _, m := range membersOf(nil, c) {
			if m.Voter {
				ids = append(ids, m.ID)
			}
		}
		return ids
	}
	c := &raftpb.ConfState{Voters: []uint64{1, 2, 3}, VotersOutgoing: []uint64{1, 2}}
	require.Equal(t, []uint64{1, 2}, voters(c), "1 and 2 both have to agree still")
	c.VotersOutgoing = nil
	require.Equal(t, []uint64{1, 2, 3}, voters(c))
}
