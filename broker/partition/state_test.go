package partition

import (
	"encoding/hex"
	"flag"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/broker/batch"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files instead of comparing")

// full is a state that uses every field of the format.
func full(t testing.TB) *State {
	l := empty(t)
	for i := range int32(7) {
		appendTo(t, l, from(t, 9, 0, i, 1, 1000+int64(i)))
	}
	appendTo(t, l, from(t, 4, 2, math.MaxInt32, 2, 500))
	l = reopen(t, l, 6)
	b, err := batch.Build(batch.Options{ProducerID: 5, Transactional: true}, batch.Record{Timestamp: 3})
	require.NoError(t, err)
	b.SetBaseOffset(l.LogEnd())
	b.SetLeaderEpoch(6)
	require.NoError(t, l.State().Apply(b)) // the shape is ready; Log admits none yet
	l.State().aborted = append(l.State().aborted, Aborted{4, 1, 2, 3})
	return l.State()
}

func TestStateBytesAreGolden(t *testing.T) {
	var text []byte
	p := full(t).Snapshot()
	for rest := p; len(rest) > 0; rest = rest[min(32, len(rest)):] {
		text = append(hex.AppendEncode(text, rest[:min(32, len(rest))]), '\n')
	}
	const path = "testdata/state-v1.hex"
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(text))
	s, err := Restore(p)
	require.NoError(t, err)
	require.Equal(t, p, s.Snapshot())
	require.Equal(t, int64(9), s.firstOpen(), "the open transaction is known again")
}

func TestRestoreRefusesEveryFlippedByte(t *testing.T) {
	p := full(t).Snapshot()
	for i := range p {
		q := append([]byte(nil), p...)
		q[i] ^= 0x40
		_, err := Restore(q)
		require.Error(t, err, "byte %d", i)
	}
	for i := range p {
		_, err := Restore(p[:i])
		require.Error(t, err, "%d bytes", i)
	}
}

func TestRestoreNamesANewerVersion(t *testing.T) {
	p := NewState().Snapshot()
	p[4] = 2
	_, err := Restore(p)
	require.ErrorIs(t, err, ErrStateVersion)
}

func TestApplyRefusesWhatDoesNotFollow(t *testing.T) {
	s := NewState()
	place := func(base int64, epoch int32) error {
		b := plain(t, 2, 1)
		b.SetBaseOffset(base)
		b.SetLeaderEpoch(epoch)
		return s.Apply(b)
	}
	require.NoError(t, place(0, 3))
	require.ErrorIs(t, place(1, 3), ErrOrder)
	require.ErrorIs(t, place(2, 2), ErrOrder)
	require.NoError(t, place(10, 3), "an accepted gap")
	require.ErrorIs(t, s.ApplyAll([]byte("not a batch at all, but long enough to look")), batch.ErrMagic)
}

func TestAShadowThatMissedABatchPanics(t *testing.T) {
	sh, err := NewShadow(NewState().Snapshot())
	require.NoError(t, err)
	b := plain(t, 2, 1)
	sh.Apply(0, 2, b)
	require.Equal(t, int64(2), sh.End())
	require.Panics(t, func() { sh.Apply(0, 2, b) }, "again")
	require.Panics(t, func() { sh.Apply(2, 3, plain(t, 2, 1)) }, "another count")
}

func TestAHeadThatIsNotExactlyOneBatchTellsNothing(t *testing.T) {
	b := plain(t, 2, 1)
	sh := &Shadow{state: NewState()}
	size := len(b)
	require.False(t, sh.ApplyHead(0, 2, b[:batch.HeaderSize-1], size), "cut short")
	require.False(t, sh.ApplyHead(0, 2, b[:batch.HeaderSize], size+1), "two batches in one entry")
	require.False(t, sh.ApplyHead(0, 3, b[:batch.HeaderSize], size), "another count")
	require.False(t, sh.ApplyHead(5, 2, b[:batch.HeaderSize], size), "another offset")
	require.Zero(t, sh.End())
	require.True(t, sh.ApplyHead(0, 2, b[:batch.HeaderSize], size))
	require.Equal(t, int64(2), sh.End())
}

// TestSnapshotsEqualAReplay drives a log through appends, retries, gaps, failures and restarts and
// compares it at every restart with a replay of all batches from offset 0, and a producer's view of its
// acknowledged sequences with the log's.
func TestSnapshotsEqualAReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "retry": m.retry, "odd": m.odd, "durable": m.durable,
			"restart": m.restart, "trim": m.trim, "": m.check,
		})
	})
}

const modelProducers = 3

type model struct {
	t      *rapid.T
	l      *Log
	bytes  []byte        // every placed batch
	sent   []batch.Batch // the same, one by one
	shadow *Shadow
	behind int      // bytes the shadow has seen
	next   [5]int32 // next sequence of each producer
	hw     int64
}

func newModel(t *rapid.T) *model {
	l, err := Open(0, 0, 0, newState(modelProducers))
	require.NoError(t, err)
	return &model{t: t, l: l, shadow: &Shadow{state: newState(modelProducers)}}
}

func (m *model) build(t *rapid.T, id int64, seq, count int32) batch.Batch {
	o := batch.Plain()
	if id >= 0 {
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = id, 0, seq
	}
	rs := make([]batch.Record, count)
	rs[0].Timestamp = rapid.Int64Range(0, 50).Draw(t, "timestamp")
	b, err := batch.Build(o, rs...)
	require.NoError(t, err)
	return b
}

func (m *model) place(t *rapid.T, b batch.Batch) {
	end := m.l.LogEnd()
	d, err := m.l.Append(b)
	if err != nil || d.Duplicate {
		require.Equal(t, end, m.l.LogEnd())
		return
	}
	require.Equal(t, end, d.Base)
	m.bytes = append(m.bytes, b...)
	m.sent = append(m.sent, b)
	if id := b.ProducerID(); id >= 0 {
		m.next[id] = batch.AddSequence(b.LastSequence(), 1)
	}
}

func (m *model) append(t *rapid.T) {
	id := rapid.Int64Range(-1, int64(len(m.next)-1)).Draw(t, "producer")
	count := rapid.Int32Range(1, 3).Draw(t, "count")
	seq := int32(0)
	if id >= 0 {
		seq = m.next[id]
	}
	b := m.build(t, id, seq, count)
	before := len(m.sent)
	m.place(t, b)
	require.Len(t, m.sent, before+1, "the next sequence is always accepted")
}

// retry sends a batch again: it is answered with its original's offset, or refused, or, if the producer
// was forgotten, appended as if new; never appended while the log remembers it.
func (m *model) retry(t *rapid.T) {
	if len(m.sent) == 0 {
		return // nothing was sent
	}
	old := m.sent[rapid.IntRange(0, len(m.sent)-1).Draw(t, "which")]
	if old.ProducerID() < 0 {
		return // it is known by no sequence
	}
	known := m.l.State().producers.get(old.ProducerID()) != nil
	again := append(batch.Batch(nil), old...)
	d, err := m.l.Check(again)
	switch {
	case known && err == nil && !d.Duplicate:
		require.Equal(t, m.next[old.ProducerID()], old.BaseSequence(), "it was forgotten and went back")
	case err == nil && d.Duplicate:
		newest := m.newest(old)
		require.Equal(t, []int64{newest.BaseOffset(), newest.NextOffset()}, []int64{d.Base, d.End})
	}
	m.place(t, again)
}

// newest is the last batch placed with old's producer, sequence and length.
func (m *model) newest(old batch.Batch) batch.Batch {
	for i := len(m.sent) - 1; ; i-- {
		b := m.sent[i]
		if b.ProducerID() == old.ProducerID() && b.BaseSequence() == old.BaseSequence() && b.Count() == old.Count() {
			return b
		}
	}
}

func (m *model) odd(t *rapid.T) {
	id := rapid.Int64Range(0, int64(len(m.next)-1)).Draw(t, "producer")
	m.place(t, m.build(t, id, rapid.Int32Range(0, 9).Draw(t, "sequence"), 1))
}

func (m *model) durable(t *rapid.T) {
	m.l.Durable(rapid.Int64Range(0, m.l.LogEnd()).Draw(t, "end"))
}

func (m *model) trim(t *rapid.T) {
	_, err := m.l.TrimTo(rapid.Int64Range(0, m.l.HighWatermark()).Draw(t, "offset"))
	require.NoError(t, err)
}

func (m *model) restart(t *rapid.T) {
	snapshot := m.l.State().Snapshot()
	replayed := newState(modelProducers)
	require.NoError(t, replayed.ApplyAll(m.bytes))
	require.Equal(t, replayed.Snapshot(), snapshot, "a replay from 0")
	for _, b := range m.sent[m.behind:] {
		if b.BaseOffset()%2 == 0 { // by its header alone
			ok := m.shadow.ApplyHead(b.BaseOffset(), uint32(b.Count()), b[:batch.HeaderSize:batch.HeaderSize], len(b))
			require.True(t, ok)
		} else {
			m.shadow.Apply(b.BaseOffset(), uint32(b.Count()), b)
		}
	}
	m.behind = len(m.sent)
	require.Equal(t, snapshot, m.shadow.Snapshot(), "the shadow")
	s, err := restore(snapshot, modelProducers)
	require.NoError(t, err)
	m.l, err = Open(m.l.LeaderEpoch()+1, m.l.LogEnd(), m.l.LogStart(), s)
	require.NoError(t, err)
}

func (m *model) check(t *rapid.T) {
	l := m.l
	require.True(t, l.LogStart() <= l.LastStable() && l.LastStable() <= l.HighWatermark() &&
		l.HighWatermark() <= l.LogEnd())
	require.GreaterOrEqual(t, l.HighWatermark(), m.hw)
	m.hw = l.HighWatermark()
	require.LessOrEqual(t, len(l.State().Producers()), modelProducers)
	var maxTS int64 = -1
	for _, b := range m.sent {
		if b.NextOffset() <= l.HighWatermark() {
			maxTS = max(maxTS, b.MaxTimestamp())
		}
	}
	ts, _, _ := l.MaxTimestamp()
	require.Equal(t, maxTS, ts)
}

// FuzzRestore: any bytes are refused or are exactly what Snapshot writes.
func FuzzRestore(f *testing.F) {
	f.Add(NewState().Snapshot())
	f.Add(full(f).Snapshot())
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) >= stateFixed+crcSize { // let mutations past the CRC
			p = append([]byte(nil), p...)
			fixCRC(p)
		}
		s, err := Restore(p)
		if err == nil && string(s.Snapshot()) != string(p) {
			t.Fatalf("accepted %x, wrote %x", p, s.Snapshot())
		}
	})
}
