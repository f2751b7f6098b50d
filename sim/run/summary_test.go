package run

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/internal/probe"
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
		Fired: []Fired{{"a", 5}, {"c", 1}}, Probes: []probe.Count{{Name: "wal.torn tail dropped", Hits: 2}},
		Audits: 9, Fenced: 4, Beyond: true})
	s.Elapsed = 6 * time.Second
	var out strings.Builder
	require.NoError(t, s.Write(&out, true))
	require.True(t, strings.HasPrefix(out.String(), `seed 3 failed: Lost orders-1: gone
  replay: weir sim run --seed 3
seeds 1..3: 2 passed, 1 failed, each in two processes
operations: 5100: 20 produces acknowledged (0 records), 4 unknown (0 of them applied), 0 failed
read: 100 records in 0 fetches, 0 ends listed, 0 records at the end, 0 operations put in order
crashes: 5 at 2 distinct call sites
      3  wal.sync write
      2  stream.put store.put
objects: 51 uploaded, restarts: 6
audits: 9, commits of past generations refused: 4, seeds damaged beyond the promise: 1
least of a seed: 2100 operations, 2 crashes, 21 objects
faults: 8 fired: a 7, c 1
time: 60.0 s simulated in 6.00 s: 10.0x real, 2000 events, 333 a second
rare places: 1 of `), out.String())
	require.True(t, strings.HasSuffix(out.String(), "hash="+s.Hash().String()+"\n"))
	require.Contains(t, out.String(), "\n  never: ")
	require.NotContains(t, out.String(), "wal.torn tail dropped", "it was reached")
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

// everyFault is a result in which every kind of fault fired n times, and did so between.
func everyFault(seed, n uint64) *Result {
	r := passed(seed, Hash(seed+1), 2000)
	r.Fired = nil
	for _, k := range fault.Kinds() {
		r.Fired = append(r.Fired, Fired{k.String(), n})
		r.Between = append(r.Between, Fired{k.String(), 1})
	}
	return r
}

func TestALongSweepFailsIfAFaultFiredTooSeldom(t *testing.T) {
	sweep := func(seeds uint64, change func(*Result)) *Summary {
		s := NewSummary(Range{0, seeds - 1}, true)
		for i := range seeds {
			r := everyFault(i, i%50/49*5)
			change(r)
			s.Add(r)
		}
		return s
	}
	require.True(t, sweep(1000, func(*Result) {}).OK())
	for _, c := range []struct {
		says   string
		change func(*Result)
	}{
		{"D7.sync-error fired 0 times in 0 seeds; 100 times in 20 are needed",
			func(r *Result) { drop(r.Fired, "D7.sync-error") }},
		{"N1.drop never fired between an effect and its acknowledgement",
			func(r *Result) { drop(r.Between, "N1.drop") }},
	} {
		long, short := sweep(1000, c.change), sweep(200, c.change)
		require.Equal(t, []string{c.says}, long.Unmet())
		require.False(t, long.OK())
		require.True(t, short.OK(), "nothing is demanded of a short one")
		var out strings.Builder
		require.NoError(t, long.Write(&out, false))
		require.Contains(t, out.String(), "demand not met: "+c.says)
	}
	wiped := sweep(1000, func(r *Result) { drop(r.Between, "P2.wipe") })
	require.True(t, wiped.OK(), "what strikes while nothing runs is between nothing")
}

func drop(list []Fired, id string) {
	for i := range list {
		if list[i].Fault == id {
			list[i].Count = 0
		}
	}
}

func TestASweepWhoseCanaryPassesHasFailed(t *testing.T) {
	s := NewSummary(Range{1, 1}, false)
	s.Add(passed(1, 1, 2000))
	require.True(t, s.OK())
	s.Canary = &Canary{Seed: 1, Failed: true, Oracle: "history:Moved"}
	require.True(t, s.OK())
	s.Canary.Failed = false
	require.False(t, s.OK())
	var out strings.Builder
	require.NoError(t, s.Write(&out, false))
	require.Contains(t, out.String(), "this pipeline finds nothing")
}

func TestASweepsFileHasWhatTheReportTells(t *testing.T) {
	s := NewSummary(Range{1, 3}, true)
	s.Add(passed(1, 0xa, 3000))
	s.Add(&Result{Seed: 2, Oracle: OracleStuck, Failure: "no event\nstacks", Incomplete: true})
	s.Add(&Result{Seed: 3, Oracle: "history:Lost", Judged: true, Failure: "Lost: x", History: 77})
	s.Elapsed = 10 * time.Second
	f := s.File("weir sim sweep --seeds 1..3")
	require.Equal(t, Verdicts{OK: 1, Illegal: 1, Unknown: 1}, f.Verdicts)
	require.Equal(t, []Brief{{2, OracleStuck, "no event", "weir sim run --seed 2"},
		{3, "history:Lost", "Lost: x", "weir sim run --seed 3"}}, f.Failed)
	require.Equal(t, Largest{3, 77}, f.Largest)
	require.Equal(t, &Pinned{1, 0xa, 1000}, f.Pinned)
	require.Equal(t, []int{3000, 0, 0}, f.PerSeed.Ops)
	require.InDelta(t, 0.3, f.SeedsPerSecond, 1e-9)
	require.Len(t, f.Faults, len(fault.Kinds()))
	dir := t.TempDir()
	require.NoError(t, WriteJSON(dir, SweepJSON, f))
	var again SweepFile
	found, err := ReadJSON(dir, SweepJSON, &again)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, *f, again)
}
