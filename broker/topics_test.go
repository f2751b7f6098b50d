package broker

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func indexOf(n int) *topicIndex {
	var x topicIndex
	x.init()
	for i := range n {
		x.change([]*topic{topicOf(i)}, nil)
	}
	return &x
}

func topicOf(i int) *topic {
	return &topic{name: fmt.Sprintf("t%05d", i), id: [16]byte{1, byte(i >> 8), byte(i)}}
}

func TestAChangeOfTheIndexIsWhatRequestsSee(t *testing.T) {
	x := indexOf(5)
	before := x.list()
	old := x.byName["t00001"]
	again := &topic{name: "t00001", id: [16]byte{9}} // created anew in the same look
	marked := topicOf(3)
	marked.deleting = true
	x.change([]*topic{marked, again}, []*topic{old, x.byName["t00004"]})
	require.Same(t, again, x.byName["t00001"])
	require.Nil(t, x.byID[old.id])
	require.Nil(t, x.byName["t00004"])
	require.Equal(t, []*topic{marked}, x.leaving)
	require.Equal(t, []*topic{x.byName["t00000"], again, x.byName["t00002"], marked}, x.list())
	require.Len(t, before, 5, "who holds a list keeps it")

	x.change([]*topic{topicOf(7)}, nil)
	require.Equal(t, []*topic{marked}, x.leaving, "it stays until it is gone")
	x.change(nil, []*topic{marked})
	require.Empty(t, x.leaving)
	require.Len(t, x.list(), 4)
}

// TestAChangeCostsTheSameHoweverManyTopicsThereAre: creating 10,000 of them takes 10,000 changes.
func TestAChangeCostsTheSameHoweverManyTopicsThereAre(t *testing.T) {
	cost := func(n int) float64 {
		x := indexOf(n)
		next := []*topic{topicOf(n / 2)}
		return testing.AllocsPerRun(100, func() { x.change(next, nil) })
	}
	require.Equal(t, cost(10), cost(10_000))
}
