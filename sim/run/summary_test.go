package run

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check"
)

func TestParseRange(t *testing.T) {
	for text, want := range map[string]Range{
		"1..200": {1, 200}, "7": {7, 7}, "7..7": {7, 7}, "0..0": {0, 0},
		"18446744073709551615": {1<<64 - 1, 1<<64 - 1},
	} {
		got, err := ParseRange(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "..", "1..", "..2", "2..1", "1-2", "1...2", "a..b", "-1..2", "1..2..3",
		"0..18446744073709551615", "1..100000001", "1 .. 2"} {
		_, err := ParseRange(text)
		require.ErrorContains(t, err, "seeds", text)
	}
	require.Equal(t, 200, Range{1, 200}.Len())
	require.Equal(t, "1..200", Range{1, 200}.String())
}

func passed(seed uint64, hash Hash, ops int) *Result {
	return &Result{Seed: seed, Hash: hash, Events: 1000, Virtual: 30 * time.Second, Ops: ops, Objects: ops / 100,
		Restarts: 3, Crashes: []string{"wal.sync write", "stream.put store.put"}, Fired: []Fired{{"a", 1}, {"b", 0}},
		Counts: check.Counts{Acked: 10, Unknown: 2, ReadRecords: 50}}
}

func TestASummaryAddsUp(t *testing.T) {
	s := NewSummary(Range{1, 3}, true)
	s.Add(passed(1, 0xa, 3000))
	s.Add(passed(2, 0xb, 2100))
	s.Add(&Result{Seed: 3, Failure: "Lost orders-1: gone\nmore of it", Crashes: []string{"wal.sync write"},
		Fired: []Fired{{"a", 5}, {"c", 1}}})
	s.Elapsed = 6 * time.Second
	var out strings.Builder
	require.NoError(t, s.Write(&out, true))
	require.Equal(t, `seed 3 failed: Lost orders-1: gone
  replay: weir sim run --seed 3
seeds 1..3: 2 passed, 1 failed, each in two processes
operations: 5100: 20 produces acknowledged (0 records), 4 unknown (0 of them applied), 0 failed
read: 100 records in 0 fetches, 0 ends listed, 0 records at the end, 0 operations put in order
crashes: 5 at 2 distinct call sites
      3  wal.sync write
      2  stream.put store.put
objects: 51 uploaded, restarts: 6
least of a seed: 2100 operations, 2 crashes, 21 objects
faults: 8 fired: a 7, c 1
time: 60.0 s simulated in 6.00 s: 10.0x real, 2000 events, 333 a second
hash=`+s.Hash().String()+"\n", out.String())
}

func TestTheCombinedHashIsOfAllHashesInOrder(t *testing.T) {
	hash := func(rs ...*Result) Hash {
		s := NewSummary(Range{1, 9}, false)
		for _, r := range rs {
			s.Add(r)
		}
		return s.Hash()
	}
	a, b := passed(1, 0xa, 1), passed(2, 0xb, 1)
	require.Equal(t, hash(a, b), hash(a, b))
	for _, other := range []Hash{hash(a), hash(b, a), hash(a, passed(2, 0xc, 1)), hash(passed(1, 0xc, 1), b), hash()} {
		require.NotEqual(t, hash(a, b), other)
	}
}

func TestAPartedSeedShowsWhereItParted(t *testing.T) {
	s := NewSummary(Range{4, 4}, true)
	s.Add(&Result{Seed: 4, Parted: true, Failure: "went different ways\nfirst differing event:\n  < x\n  > y"})
	var out strings.Builder
	require.NoError(t, s.Write(&out, false))
	require.Contains(t, out.String(), "seed 4 failed: went different ways\n  first differing event:\n    < x\n    > y\n"+
		"  replay: weir sim sweep --seeds 4..4\n")
}

func TestAReportEndsWithTheHashAndTellsHowToReplay(t *testing.T) {
	var good, bad strings.Builder
	require.NoError(t, passed(7, 0xabc, 10).Write(&good))
	require.True(t, strings.HasPrefix(good.String(), "seed 7 passed\n"))
	require.True(t, strings.HasSuffix(good.String(), "\nhash=0000000000000abc\n"))
	require.NotContains(t, good.String(), "replay")
	require.NoError(t, (&Result{Seed: 7, Failure: "Lost: x\ny\n"}).Write(&bad))
	require.Contains(t, bad.String(), "seed 7 failed: Lost: x\ny\nreplay: weir sim run --seed 7\n")
	require.Contains(t, bad.String(), "go test ./sim -run TestSeeds -seed 7\n")
}

func TestProgressOnATerminalAndElsewhere(t *testing.T) {
	begin := time.Unix(1000, 0)
	var bar, lines strings.Builder
	onTerminal, elsewhere := newProgress(&bar, true, 4, begin), newProgress(&lines, false, 4, begin)
	for i := range 4 {
		r := passed(uint64(i), 1, 1)
		if i == 2 {
			r.Failure = "Lost: x\ny"
		}
		now := begin.Add(time.Duration(i+1) * 5 * time.Second)
		onTerminal.add(r, now)
		elsewhere.add(r, now)
	}
	require.Equal(t, "[============            ] 2/4 seeds, 0.20/s, 6.0x real time, 0 failed\n"+
		"seed 2 failed: Lost: x\n"+
		"[========================] 4/4 seeds, 0.20/s, 6.0x real time, 1 failed\n", lines.String())
	require.Equal(t, 4, strings.Count(bar.String(), "\x1b[K")-1)
	require.Contains(t, bar.String(), "\r\x1b[Kseed 2 failed: Lost: x\n")
}
