package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestPlacementSpreadsOverRacksThenOverLoadThenById(t *testing.T) {
	for _, c := range []struct {
		name  string
		seats []Seat
		n     int
		want  []int32
	}{
		{"nobody", nil, 2, nil},
		{"nothing", []Seat{{Broker: 1}}, 0, nil},
		{"one", []Seat{{Broker: 7}}, 3, []int32{7, 7, 7}},
		{"by id", []Seat{{Broker: 2}, {Broker: 1}}, 3, []int32{1, 2, 1}},
		{"least open", []Seat{{Broker: 1, Open: 2}, {Broker: 2}}, 4, []int32{2, 2, 1, 2}},
		{"least load", []Seat{{Broker: 1, Load: 5}, {Broker: 2, Load: 4}}, 2, []int32{2, 1}},
		{"open before load", []Seat{{Broker: 1, Open: 1}, {Broker: 2, Load: 9}}, 1, []int32{2}},
		{
			"racks before load",
			[]Seat{
				{Broker: 1, Rack: "a"}, {Broker: 2, Rack: "a"},
				{Broker: 3, Rack: "b", Open: 50}, {Broker: 4, Rack: "b", Open: 60},
			},
			4, []int32{1, 3, 2, 3},
		},
		{
			"by the size of a rack",
			[]Seat{{Broker: 1, Rack: "a"}, {Broker: 2, Rack: "b"}, {Broker: 3, Rack: "b"}, {Broker: 4, Rack: "b"}},
			8, []int32{1, 2, 3, 4, 1, 2, 3, 4},
		},
		{
			"what the topic has counts",
			[]Seat{{Broker: 1, Rack: "a", Topic: 2, Open: 2}, {Broker: 2, Rack: "b", Open: 9}}, 3, []int32{2, 2, 1},
		},
	} {
		require.Equal(t, c.want, Place(c.seats, c.n), c.name)
	}
}

func TestPlacementIsEvenAndKnowsNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "brokers")
		seats := make([]Seat, n)
		for i := range seats {
			seats[i] = Seat{
				Broker: int32(i), Rack: string('a' + rune(rapid.IntRange(0, 3).Draw(t, "rack"))),
				Open: rapid.IntRange(0, 20).Draw(t, "open"), Load: int64(rapid.IntRange(0, 3).Draw(t, "load")),
			}
		}
		want := rapid.IntRange(0, 40).Draw(t, "partitions")
		mixed := rapid.Permutation(seats).Draw(t, "mixed")
		owners := Place(seats, want)
		require.Len(t, owners, want)
		require.Equal(t, owners, Place(mixed, want))
		got, open := map[int32]int{}, map[int32]int{}
		for _, id := range owners {
			got[id]++
		}
		racks := map[string][2]int{} // partitions, brokers
		for _, x := range seats {
			r := racks[x.Rack]
			racks[x.Rack] = [2]int{r[0] + got[x.Broker], r[1] + 1}
			open[x.Broker] = x.Open + got[x.Broker]
		}
		for _, a := range seats {
			for _, b := range seats {
				ra, rb := racks[a.Rack], racks[b.Rack]
				// Nobody got its last one while a rack, or a broker of its own, was further behind.
				if got[a.Broker] > 0 {
					require.LessOrEqual(t, (ra[0]-1)*rb[1], rb[0]*ra[1], "racks %s and %s", a.Rack, b.Rack)
					if a.Rack == b.Rack {
						require.LessOrEqual(t, open[a.Broker]-1, open[b.Broker], "brokers %d and %d", a.Broker, b.Broker)
					}
				}
			}
		}
	})
}

func TestOwnersThatCannotTakeTheirPartitionsAreReplacedOnlyIfAsked(t *testing.T) {
	w := newWorld(t)
	register := func(b int32, rack string) int64 {
		w.ok(&metadatapb.Register{Broker: b, Nonce: uid(byte(b)), Disk: uid(byte(b)), Rack: rack})
		w.wal(b, w.epoch(b), byte(b))
		return w.epoch(b)
	}
	e1 := register(1, "a")
	register(2, "a")
	e3 := register(3, "b")
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: e1})
	c := &metadatapb.CreateTopic{Name: "t", Id: uid(10), Nonce: uid(60), Owners: []int32{2, 1, 9, -1}}
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, c)
	c.Place = true
	w.ok(c)
	w.ok(c)
	owners := func() (ids []int32) {
		tp, _ := w.s.Topic(id(10))
		for p := range tp.Streams {
			v, _ := w.s.Partition(id(10), int32(p))
			require.True(t, v.Owned)
			ids = append(ids, v.Owner)
		}
		return ids
	}
	require.Equal(t, []int32{2, 3, 2, 3}, owners(), "who was named and can take it does")
	w.ok(&metadatapb.Fence{Broker: 3, Epoch: e3})
	grow := &metadatapb.CreatePartitions{Id: uid(10), Nonce: uid(61), Total: 5, Owners: []int32{3}, Place: true}
	w.ok(grow)
	w.ok(grow)
	tp, _ := w.s.Topic(id(10))
	p, _ := w.s.PartitionOf(tp.Streams[4])
	require.EqualValues(t, 2, p.Owner)
	require.Equal(t, []Seat{{Broker: 2, Rack: "a", Topic: 3, Open: 3}}, w.s.SeatsFor(id(10)))
	w.ok(&metadatapb.Fence{Broker: 2, Epoch: w.epoch(2)})
	grow.Nonce, grow.Total = uid(62), 6
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, grow)
}

func BenchmarkPlaceOfTheLargestTopicOnAHundredBrokers(b *testing.B) {
	seats := make([]Seat, 100)
	for i := range seats {
		seats[i] = Seat{Broker: int32(i), Rack: string('a' + rune(i%3)), Open: i}
	}
	for b.Loop() {
		Place(seats, MaxPartitions)
	}
}
