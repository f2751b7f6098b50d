package partition

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker/batch"
)

// from builds a batch of count records of a producer; id -1 for none.
func from(t testing.TB, id int64, epoch int16, seq, count int32, ts int64) batch.Batch {
	t.Helper()
	o := batch.Plain()
	if id >= 0 {
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = id, epoch, seq
	}
	rs := make([]batch.Record, count)
	for i := range rs {
		rs[i].Timestamp = ts
	}
	b, err := batch.Build(o, rs...)
	require.NoError(t, err)
	return b
}

func plain(t testing.TB, count int32, ts int64) batch.Batch { return from(t, -1, 0, 0, count, ts) }

func empty(t testing.TB) *Log {
	t.Helper()
	l, err := Open(1, 0, 0, NewState())
	require.NoError(t, err)
	return l
}

func appendTo(t testing.TB, l *Log, b batch.Batch) Decision {
	t.Helper()
	d, err := l.Append(b)
	require.NoError(t, err)
	return d
}

// reopen carries the state over to the next leader, as a move or a restart does.
func reopen(t testing.TB, l *Log, epoch int32) *Log {
	t.Helper()
	s, err := Restore(l.State().Snapshot())
	require.NoError(t, err)
	n, err := Open(epoch, l.LogEnd(), l.LogStart(), s)
	require.NoError(t, err)
	return n
}

func TestAppendPlacesBatchesOneBehindTheOther(t *testing.T) {
	l := empty(t)
	b := plain(t, 3, 10)
	require.Equal(t, Decision{Base: 0, End: 3, LogAppendTime: -1}, appendTo(t, l, b))
	b2 := plain(t, 2, 10)
	require.Equal(t, Decision{Base: 3, End: 5, LogAppendTime: -1}, appendTo(t, l, b2))
	require.Equal(t, int64(3), b2.BaseOffset())
	require.Equal(t, int32(1), b2.LeaderEpoch())
	_, err := batch.Verify(b2, batch.Rules{})
	require.NoError(t, err)
	require.Equal(t, int64(0), l.HighWatermark(), "not before Durable")
	require.True(t, l.Durable(5))
	require.False(t, l.Durable(3), "never backwards")
	require.Equal(t, []int64{5, 5, 5}, []int64{l.HighWatermark(), l.LastStable(), l.LogEnd()})
}

func TestIdempotentProducersFollowKafka(t *testing.T) {
	type step struct {
		epoch      int16
		seq, count int32
		base       int64 // of the answer
		dup        bool
		err        error
	}
	const last = math.MaxInt32
	cases := []struct {
		name  string
		steps []step
	}{
		{"sequences follow", []step{{0, 0, 2, 0, false, nil}, {0, 2, 1, 2, false, nil}}},
		{"an unknown producer may begin anywhere", []step{{0, 77, 1, 0, false, nil}}},
		{"a retry gets its original's offset", []step{
			{0, 0, 2, 0, false, nil}, {0, 2, 1, 2, false, nil}, {0, 0, 2, 0, true, nil}}},
		{"a gap", []step{{0, 0, 2, 0, false, nil}, {0, 3, 1, 0, false, ErrOutOfOrderSequence}}},
		{"another length is no retry", []step{{0, 0, 2, 0, false, nil}, {0, 0, 1, 0, false, ErrOutOfOrderSequence}}},
		{"the fifth last is remembered, the sixth is not", []step{
			{0, 0, 1, 0, false, nil}, {0, 1, 1, 1, false, nil}, {0, 2, 1, 2, false, nil}, {0, 3, 1, 3, false, nil},
			{0, 4, 1, 4, false, nil}, {0, 5, 1, 5, false, nil}, {0, 1, 1, 1, true, nil},
			{0, 0, 1, 0, false, ErrOutOfOrderSequence}}},
		{"sequences wrap", []step{{0, last, 1, 0, false, nil}, {0, 0, 1, 1, false, nil}, {0, 1, 1, 2, false, nil}}},
		{"sequences wrap inside a batch", []step{
			{0, last - 1, 4, 0, false, nil}, {0, 2, 1, 4, false, nil}, {0, last - 1, 4, 0, true, nil}}},
		{"a new epoch begins at 0", []step{
			{0, 5, 1, 0, false, nil}, {1, 6, 1, 0, false, ErrOutOfOrderSequence}, {1, 0, 1, 1, false, nil}}},
		{"an old epoch is fenced", []step{{1, 0, 1, 0, false, nil}, {0, 0, 1, 0, false, ErrProducerEpoch}}},
		{"a retry of an old epoch is fenced, not answered", []step{
			{0, 0, 1, 0, false, nil}, {1, 0, 1, 1, false, nil}, {0, 0, 1, 0, false, ErrProducerEpoch}}},
	}
	for _, restart := range []bool{false, true} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				l := empty(t)
				for i, s := range c.steps {
					if restart {
						l = reopen(t, l, int32(i+1))
					}
					before := l.LogEnd()
					d, err := l.Append(from(t, 9, s.epoch, s.seq, s.count, 1))
					require.ErrorIs(t, err, s.err, "step %d", i)
					if s.err != nil || s.dup {
						require.Equal(t, before, l.LogEnd(), "step %d appended", i)
					}
					if s.err == nil {
						require.Equal(t, Decision{s.dup, s.base, s.base + int64(s.count), -1}, d, "step %d", i)
					}
				}
			})
		}
	}
}

func TestADuplicateOfAnAppendInFlightPointsAboveTheHighWatermark(t *testing.T) {
	l := empty(t)
	appendTo(t, l, from(t, 9, 0, 0, 3, 1))
	d := appendTo(t, l, from(t, 9, 0, 0, 3, 1))
	require.True(t, d.Duplicate)
	require.Greater(t, d.End, l.HighWatermark(), "the answer must wait")
	l.Durable(d.End)
	require.LessOrEqual(t, d.End, l.HighWatermark())
}

func TestADuplicateTellsItsOriginalsLogAppendTime(t *testing.T) {
	l := empty(t)
	b := from(t, 9, 0, 0, 1, 1)
	b.SetLogAppendTime(1000)
	require.Equal(t, int64(1000), appendTo(t, l, b).LogAppendTime)
	b = from(t, 9, 0, 0, 1, 1)
	b.SetLogAppendTime(2000)
	require.Equal(t, Decision{true, 0, 1, 1000}, appendTo(t, l, b))
}

func TestTransactionalBatchesAreRefused(t *testing.T) {
	b, err := batch.Build(batch.Options{ProducerID: 1, Transactional: true}, batch.Record{})
	require.NoError(t, err)
	_, err = empty(t).Append(b)
	require.ErrorIs(t, err, ErrTransaction)
}

func TestAFailedAppendClosesTheLog(t *testing.T) {
	l := empty(t)
	appendTo(t, l, plain(t, 1, 1))
	l.Fail()
	require.True(t, l.Closed())
	require.False(t, l.Durable(1), "the high watermark stands still")
	_, err := l.Append(plain(t, 1, 1))
	require.ErrorIs(t, err, ErrClosed)
}

func TestTrimMovesTheLogStartUpToTheHighWatermark(t *testing.T) {
	l := empty(t)
	appendTo(t, l, plain(t, 10, 1))
	l.Durable(10)
	appendTo(t, l, plain(t, 10, 1))
	for _, c := range []struct {
		to, start int64
		moved     bool
		err       error
	}{{4, 4, true, nil}, {4, 4, false, nil}, {2, 4, false, nil}, {11, 4, false, ErrOffsetOutOfRange},
		{-1, 4, false, ErrOffsetOutOfRange}, {10, 10, true, nil}} {
		moved, err := l.TrimTo(c.to)
		require.ErrorIs(t, err, c.err)
		require.Equal(t, c.moved, moved)
		require.Equal(t, c.start, l.LogStart())
	}
}

func TestFetchOffsetsLieBetweenLogStartAndHighWatermark(t *testing.T) {
	l := empty(t)
	appendTo(t, l, plain(t, 10, 1))
	l.Durable(10)
	appendTo(t, l, plain(t, 5, 1))
	_, err := l.TrimTo(3)
	require.NoError(t, err)
	for offset, want := range map[int64]error{
		-1: ErrOffsetOutOfRange, 2: ErrOffsetOutOfRange, 3: nil, 9: nil, 10: nil, 11: ErrOffsetOutOfRange,
	} {
		require.ErrorIs(t, l.CheckFetch(offset), want, "offset %d", offset)
	}
	require.Equal(t, int64(10), l.FetchEnd(false))
	require.Equal(t, int64(10), l.FetchEnd(true))
}

func TestLeaderEpochsOfClientsAreFenced(t *testing.T) {
	l, err := Open(5, 0, 0, NewState())
	require.NoError(t, err)
	for epoch, want := range map[int32]error{
		-1: nil, 4: ErrFencedLeaderEpoch, 5: nil, 6: ErrUnknownLeaderEpoch,
	} {
		require.ErrorIs(t, l.CheckLeaderEpoch(epoch), want, "epoch %d", epoch)
	}
}

func TestOffsetForLeaderEpochEndsAtTheNextEpochsStart(t *testing.T) {
	l, err := Open(2, 0, 0, NewState())
	require.NoError(t, err)
	for _, epoch := range []int32{2, 4, 5, 9} { // 5 gets no batch
		l = reopen(t, l, epoch)
		if epoch != 5 {
			l.Durable(appendTo(t, l, plain(t, 10, 1)).End)
		}
	}
	appendTo(t, l, plain(t, 10, 1)) // not durable: not shown
	check := func(requested, epoch int32, end int64) {
		t.Helper()
		e, o := l.OffsetForLeaderEpoch(requested)
		require.Equal(t, []int64{int64(epoch), end}, []int64{int64(e), o}, "epoch %d", requested)
	}
	check(-1, -1, -1)
	check(0, 0, 0) // older than everything: from the log start offset on
	check(2, 2, 10)
	check(3, 2, 10)
	check(4, 4, 20)
	check(5, 4, 20)
	check(8, 4, 20)
	check(9, 9, 30)
	check(10, -1, -1)
	_, err = l.TrimTo(15)
	require.NoError(t, err)
	check(2, 2, 15)
	check(0, 0, 15)
	check(4, 4, 20)
	l = reopen(t, l, 12)
	check(9, 9, 40)
	check(12, 12, 40)
	require.Equal(t, []int32{2, 4, 9, 12}, []int32{l.EpochAt(9), l.EpochAt(10), l.EpochAt(39), l.EpochAt(40)})
}

func TestTheLargestTimestampShowsOnlyOnceDurable(t *testing.T) {
	l := empty(t)
	_, _, ok := l.MaxTimestamp()
	require.False(t, ok)
	for _, ts := range []int64{50, 40, 70, 70} {
		appendTo(t, l, plain(t, 2, ts))
	}
	check := func(durable, wantTS, wantBase int64) {
		t.Helper()
		l.Durable(durable)
		ts, base, ok := l.MaxTimestamp()
		require.True(t, ok)
		require.Equal(t, []int64{wantTS, wantBase}, []int64{ts, base})
	}
	check(2, 50, 0)
	check(4, 50, 0)
	check(6, 70, 4)
	check(8, 70, 4)
	l = reopen(t, l, 2)
	check(8, 70, 4) // the first batch that has it
	_, err := l.TrimTo(5)
	require.NoError(t, err)
	_, _, ok = l.MaxTimestamp()
	require.False(t, ok, "the batch that had it is not all there")
}

func TestALogOpensOnlyOnStateAtItsStart(t *testing.T) {
	s := NewState()
	_, err := Open(1, 5, 0, s)
	require.ErrorIs(t, err, ErrStateAt)
	require.NoError(t, s.SkipTo(5)) // an accepted gap
	_, err = Open(1, 5, 6, s)
	require.ErrorIs(t, err, ErrOffsetOutOfRange)
	l, err := Open(3, 5, 0, s)
	require.NoError(t, err)
	appendTo(t, l, plain(t, 1, 1))
	_, err = Open(2, 6, 0, l.State())
	require.ErrorIs(t, err, ErrOrder)
	require.ErrorIs(t, s.SkipTo(4), ErrOrder)
}

func TestTheProducerThatWroteLongestAgoIsForgotten(t *testing.T) {
	s := newState(2)
	l, err := Open(1, 0, 0, s)
	require.NoError(t, err)
	for _, id := range []int64{1, 2, 1, 3} {
		appendTo(t, l, from(t, id, 0, int32(l.LogEnd()/2), 1, 1)) // 0, 0, 1, 1
	}
	ids := []int64{}
	for _, p := range s.Producers() {
		ids = append(ids, p.ID)
	}
	require.Equal(t, []int64{1, 3}, ids)
	require.False(t, appendTo(t, l, from(t, 2, 0, 0, 1, 1)).Duplicate, "2 is new again")
}

func TestTheEpochHistoryKeepsTheNewest(t *testing.T) {
	s := NewState()
	for e := range int32(MaxEpochs + 3) {
		s.noteEpoch(e, int64(e))
	}
	require.Len(t, s.Epochs(), MaxEpochs)
	require.Equal(t, EpochStart{3, 3}, s.Epochs()[0])
}
