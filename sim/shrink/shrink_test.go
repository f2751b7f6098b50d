package shrink_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/sim/shrink"
)

// toy is a plan of a list and a number.
type toy struct {
	list   []int
	number int64
	fancy  bool
}

var (
	list = shrink.List[toy, int]{
		Name: "list",
		Get:  func(p toy) []int { return p.list },
		Set:  func(p toy, l []int) toy { p.list = l; return p },
	}
	number = shrink.Number[toy]{
		Name: "number", Least: 1,
		Get: func(p toy) int64 { return p.number },
		Set: func(p toy, n int64) toy { p.number = n; return p },
	}
)

func plain(p toy) (toy, bool) {
	differs := p.fancy
	p.fancy = false
	return p, differs
}

// tester counts and judges.
type tester struct {
	fails func(toy) bool
	tried int
}

func (t *tester) first(candidates []toy) int {
	for i, c := range candidates {
		t.tried++
		if t.fails(c) {
			return i
		}
	}
	return -1
}

func all(p toy) []toy {
	var fewer []toy
	for i := range p.list {
		fewer = append(fewer, toy{list: slices.Concat(p.list[:i], p.list[i+1:]), number: p.number, fancy: p.fancy})
	}
	return fewer
}

func upTo(n int) []int {
	l := make([]int, n)
	for i := range l {
		l[i] = i
	}
	return l
}

// drawFailure draws what makes a toy fail: some set of elements, all of one of several sets, or a count of them.
func drawFailure(t *rapid.T, n int) func(toy) bool {
	set := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 5), rapid.ID[int])
	has := func(p toy, want []int) bool {
		for _, w := range want {
			if !slices.Contains(p.list, w) {
				return false
			}
		}
		return true
	}
	one, two, most := set.Draw(t, "one"), set.Draw(t, "two"), rapid.IntRange(0, n).Draw(t, "most")
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		return func(p toy) bool { return has(p, one) }
	case 1:
		return func(p toy) bool { return has(p, one) || has(p, two) }
	default: // taking away may help and hurt: not monotone
		return func(p toy) bool { return has(p, one) && (len(p.list) >= most || len(p.list)%2 == 0) }
	}
}

func TestDropLeavesAOneMinimalListThatFails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		fails := drawFailure(t, n)
		begin := toy{list: upTo(n)}
		require.True(t, fails(begin))
		s := shrink.New(begin, (&tester{fails: fails}).first, shrink.Options{Budget: 100_000, Batch: 1})
		shrink.Drop(s, list)
		require.True(t, fails(s.Best()))
		require.True(t, slices.IsSorted(s.Best().list), "the order is kept")
		for _, fewer := range all(s.Best()) {
			require.False(t, fails(fewer), "%v fails and is smaller than %v", fewer.list, s.Best().list)
		}
	})
}

func TestTheOutcomeDoesNotDependOnTheBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		fails := drawFailure(t, n)
		begin := toy{list: upTo(n), number: 100}
		require.True(t, fails(begin))
		budget := rapid.IntRange(1, 200).Draw(t, "budget")
		run := func(batch int) (toy, int) {
			s := shrink.New(begin, (&tester{fails: fails}).first, shrink.Options{Budget: budget, Batch: batch})
			s.Rounds(func(s *shrink.Search[toy]) { shrink.Drop(s, list) },
				func(s *shrink.Search[toy]) { shrink.Lower(s, number) })
			return s.Best(), s.Tried()
		}
		one, tried := run(1)
		many, alsoTried := run(rapid.IntRange(2, 9).Draw(t, "batch"))
		require.Equal(t, one, many)
		require.Equal(t, tried, alsoTried)
		require.LessOrEqual(t, tried, budget)
	})
}

func TestTheBudgetIsKept(t *testing.T) {
	for _, budget := range []int{1, 2, 7, 50} {
		tr := &tester{fails: func(p toy) bool { return len(p.list) > 30 && p.number > 77 }}
		s := shrink.New(toy{list: upTo(1000), number: 1 << 40}, tr.first, shrink.Options{Budget: budget})
		s.Rounds(func(s *shrink.Search[toy]) { shrink.Drop(s, list) },
			func(s *shrink.Search[toy]) { shrink.Lower(s, number) })
		require.Equal(t, budget, tr.tried)
		require.Equal(t, budget, s.Tried())
		require.True(t, tr.fails(s.Best()))
	}
}

func TestLowerFindsWhereANumberBeginsToFail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.Int64Range(1, 1<<40).Draw(t, "least that fails")
		begin := rapid.Int64Range(least, 1<<41).Draw(t, "begin")
		tr := &tester{fails: func(p toy) bool { return p.number >= least }}
		s := shrink.New(toy{number: begin}, tr.first, shrink.Options{})
		shrink.Lower(s, number)
		require.Equal(t, least, s.Best().number)
		require.LessOrEqual(t, tr.tried, 45)
	})
}

func TestSimplifyKeepsWhatStillFails(t *testing.T) {
	for _, needed := range []bool{false, true} {
		tr := &tester{fails: func(p toy) bool { return p.fancy || !needed }}
		s := shrink.New(toy{fancy: true}, tr.first, shrink.Options{})
		s.Rounds(func(s *shrink.Search[toy]) { shrink.Simplify(s, "settings", plain) })
		require.Equal(t, needed, s.Best().fancy)
		require.Equal(t, 1, tr.tried, "a change that changes nothing is not tried")
	}
}

func TestProgressIsToldAfterEachBatch(t *testing.T) {
	var told []shrink.Progress
	tr := &tester{fails: func(p toy) bool { return slices.Contains(p.list, 3) }}
	s := shrink.New(toy{list: upTo(4)}, tr.first, shrink.Options{
		Budget: 100, Progress: func(p shrink.Progress) { told = append(told, p) },
	})
	shrink.Drop(s, list)
	require.Equal(t, []int{3}, s.Best().list)
	require.Equal(t, shrink.Progress{Pass: "list", Size: 1, Tried: 1, Left: 99}, told[0], "all of it")
	require.Equal(t, shrink.Progress{Pass: "list", Size: 4, Tried: 2, Left: 98, Kept: 1}, told[1], "its first half")
	require.Equal(t, 2, told[len(told)-1].Kept)
}
