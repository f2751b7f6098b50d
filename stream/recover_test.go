package stream

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/wal"
)

// found is an entry of stream 1, epoch 3, in a frame of its own at position frame.
func found(frame wal.Position, base int64, count uint32) wal.Found {
	kind := wal.KindData
	if count == 0 {
		kind = wal.KindState
	}
	return wal.Found{
		Entry:  wal.Entry{Stream: 1, Epoch: 3, Kind: kind, Base: base, Count: count, Length: 10},
		Extent: wal.Extent{Len: 10, Frame: frame},
	}
}

// recoveryCase is one range, what a scan found of it, and what recovery makes of that.
type recoveryCase struct {
	name    string
	info    RangeInfo
	entries []wal.Found
	damage  []wal.Damage
	end     int64
	kept    int
	hole    *[2]int64
}

func recoveryCases() []recoveryCase {
	type entries = []wal.Found
	open := RangeInfo{ID: 1, Epoch: 3, Start: 100, End: Open, Committed: 100}
	with := func(change func(*RangeInfo)) RangeInfo { r := open; change(&r); return r }
	unlisted := []wal.Damage{{From: 5000, To: 6000, Why: "header"}}
	listed := func(lost ...wal.Found) []wal.Damage {
		return []wal.Damage{{From: 5000, To: 6000, Listed: true, Lost: lost}}
	}
	hole := func(from, to int64) *[2]int64 { return &[2]int64{from, to} }
	return []recoveryCase{
		{"nothing found", open, nil, nil, 100, 0, nil},
		{"state and data", open, entries{found(0, 100, 0), found(1, 100, 5), found(2, 105, 5)}, nil, 110, 2, nil},
		{"committed entries are skipped", with(func(r *RangeInfo) { r.Committed = 105 }),
			entries{found(1, 100, 5), found(2, 105, 5)}, nil, 110, 1, nil},
		{"committed past the scan's end", with(func(r *RangeInfo) { r.Committed = 120 }),
			entries{found(1, 100, 5), found(2, 105, 5)}, nil, 120, 0, nil},
		{"the log begins after the committed end", open, entries{found(1, 105, 5)}, nil, 110, 1, hole(100, 105)},
		{"the log begins at the log start offset", with(func(r *RangeInfo) { r.LogStart = 105 }),
			entries{found(1, 105, 5)}, nil, 110, 1, nil},
		{"the log start offset is past the scan's end", with(func(r *RangeInfo) { r.LogStart = 130 }),
			nil, nil, 130, 0, nil},
		{"a gap", open, entries{found(1, 100, 5), found(2, 110, 5)}, nil, 115, 2, hole(105, 110)},
		{"two gaps: the first counts", open, entries{found(1, 100, 5), found(2, 110, 5), found(3, 120, 5)}, nil, 125, 3,
			hole(105, 110)},
		{"an entry twice", open, entries{found(1, 100, 5), found(2, 100, 5)}, nil, 105, 1, hole(105, Unknown)},
		{"beyond the sealed end", with(func(r *RangeInfo) { r.End = 105 }),
			entries{found(1, 100, 5), found(2, 105, 5)}, nil, 105, 1, nil},
		{"across the sealed end", with(func(r *RangeInfo) { r.End = 107 }),
			entries{found(1, 100, 5), found(2, 105, 5)}, nil, 105, 1, hole(105, 107)},
		{"short of the sealed end", with(func(r *RangeInfo) { r.End = 120 }),
			entries{found(1, 100, 5)}, nil, 105, 1, hole(105, 120)},
		{"damage between that the entries tile across", open,
			entries{found(1, 100, 5), found(7000, 105, 5)}, unlisted, 110, 2, nil},
		{"damage between with a gap", open, entries{found(1, 100, 5), found(7000, 110, 5)}, unlisted, 115, 2,
			hole(105, 110)},
		{"damage behind the last entry", open, entries{found(1, 100, 5)}, unlisted, 105, 1, hole(105, Unknown)},
		{"damage behind a known end", with(func(r *RangeInfo) { r.End = 105 }),
			entries{found(1, 100, 5)}, unlisted, 105, 1, nil},
		{"damage before the opening state", open, entries{found(7000, 100, 0)}, unlisted, 100, 0, nil},
		{"damage in a range of which nothing is left", open, nil, unlisted, 100, 0, hole(100, Unknown)},
		{"damage that lists others", open, entries{found(1, 100, 5)}, listed(), 105, 1, nil},
		{"damage that lists the last entry", open, entries{found(1, 100, 5)}, listed(found(5000, 105, 5)), 105, 1,
			hole(105, 110)},
		{"damage that lists a committed entry", with(func(r *RangeInfo) { r.Committed = 105 }), nil,
			listed(found(5000, 100, 5)), 105, 0, nil},
		{"damage that lists the opening state", open, entries{found(7000, 100, 5)},
			listed(found(5000, 100, 0)), 105, 1, nil},
		{"damage that lists what is below the log start offset", with(func(r *RangeInfo) { r.LogStart = 105 }),
			entries{found(7000, 105, 5)}, listed(found(5000, 100, 5)), 110, 1, nil},
	}
}

func TestRecoveryJudgesEachRangeByItself(t *testing.T) {
	for _, c := range recoveryCases() {
		s, kept := newScan(c.info), 0
		for i := range c.entries {
			if s.take(&c.entries[i]) && c.entries[i].Kind == wal.KindData {
				kept++
			}
		}
		for i := range c.damage {
			for j := range c.damage[i].Lost {
				s.lose(&c.damage[i].Lost[j])
			}
		}
		s.finish(c.damage)
		require.Equal(t, c.end, s.r.end, "%s: end", c.name)
		require.Equal(t, c.kept, kept, "%s: entries kept", c.name)
		if c.hole == nil {
			require.Nil(t, s.r.hole, "%s", c.name)
			continue
		}
		require.NotNil(t, s.r.hole, "%s", c.name)
		require.Equal(t, *c.hole, [2]int64{s.r.hole.From, s.r.hole.To}, "%s: hole", c.name)
	}
}
