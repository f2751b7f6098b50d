package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

// TestACoordinatorMovesWithItsGroups: generations go on, members stay, and no offset whose commit was answered is lost.
func TestACoordinatorMovesWithItsGroups(t *testing.T) {
	r := newCluster(t, 2)
	var id [16]byte
	r.do(r.broker(1), func(c *wire) { id = c.topic(wireTopic, 1) })
	const group = "team"
	at := r.coordinator(group)
	var member string
	var generation int32
	r.do(at, func(c *wire) {
		member, generation = c.joined(5, group)
		c.expect(c.committed(commitOf(5, group, member, generation, 1, "first")) == 0, "committed")
	})
	for round := range int64(6) {
		next := r.other(at)
		var moves []*metadatapb.BeginMove
		r.state(func(s *metadata.State) {
			topic, _ := s.TopicByName(offsets)
			for p := range topic.Streams {
				if v, _ := s.Partition(topic.ID, int32(p)); v.Owner == at.id {
					moves = append(moves, &metadatapb.BeginMove{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, To: &next.id})
				}
			}
		})
		acked := 1 + 100*round
		for _, m := range moves {
			require.Zero(t, r.propose(at, m).GetRefusal())
		}
		r.do(at, func(c *wire) { // until the coordinator is sealed
			for range 50 {
				if code := c.committed(commitOf(5, group, member, generation, acked+1, "more")); code != 0 {
					c.expect(code == 16, "NOT_COORDINATOR, not %d", code)
					return
				}
				acked++
			}
		})
		r.do(next, func(c *wire) {
			for range 200 {
				got, _, code := c.offsetOf(5, group, id)
				if code == 0 {
					c.expect(got == acked, "round %d: the offset is %d, %d was answered", round, got, acked)
					c.expect(c.heartbeat(3, group, member, generation) == 0, "the member is known")
					c.expect(c.committed(commitOf(5, group, member, generation, 1+100*(round+1), "next")) == 0, "it commits")
					return
				}
				c.expect(code == 14 || code == 15 || code == 16, "code %d", code)
				c.must(c.h.Sleep(c.sc, retryWait))
			}
			c.expect(false, "the group is coordinated again")
		})
		at = next
	}
}

// TestNoOffsetIsLostWhoeverDiesWhileItsCoordinatorMoves: at every step.
func TestNoOffsetIsLostWhoeverDiesWhileItsCoordinatorMoves(t *testing.T) {
	const group = "team"
	for _, who := range []string{"old", "new"} {
		for step := 0; step < 600; step += 60 {
			r := newClusterUnder(t, 2, uint64(step), nil)
			var id [16]byte
			r.do(r.broker(1), func(c *wire) { id = c.topic(wireTopic, 1) })
			at := r.coordinator(group)
			next := r.other(at)
			acked := int64(0)
			r.do(at, func(c *wire) {
				for range 5 {
					acked++
					c.expect(c.committed(commitOf(5, group, "", -1, acked, "note")) == 0, "committed")
				}
			})
			var moves []*metadatapb.BeginMove
			r.state(func(s *metadata.State) {
				topic, _ := s.TopicByName(offsets)
				for p := range topic.Streams {
					if v, _ := s.Partition(topic.ID, int32(p)); v.Owner == at.id {
						moves = append(moves, &metadatapb.BeginMove{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, To: &next.id})
					}
				}
			})
			for _, m := range moves {
				require.Zero(t, r.propose(next, m).GetRefusal())
			}
			n := 0
			require.NoError(t, r.w.Run(func() bool { n++; return n > step }))
			dies := at
			if who == "new" {
				dies = next
			}
			r.kill(dies)
			r.revive(dies)
			r.do(r.coordinator(group), func(c *wire) {
				got, _, code := c.offsetOf(5, group, id)
				c.expect(code == 0 && got == acked, "%s dies at %d: offset %d (%d), %d was answered", who, step, got, code, acked)
			})
		}
	}
}

// Its end is final without its state, and whoever waited for that would be fenced. The next owner has the state as soon
// as the store answers.
func TestACoordinatorIsGivenUpAlthoughTheStoreDoesNotAnswer(t *testing.T) {
	r := newCluster(t, 2)
	var id [16]byte
	r.do(r.broker(1), func(c *wire) { id = c.topic(wireTopic, 1) })
	const group = "team"
	at := r.coordinator(group)
	next := r.other(at)
	r.do(at, func(c *wire) { c.expect(c.committed(commitOf(5, group, "", -1, 7, "note")) == 0, "committed") })
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Minute))) // its state is in objects only
	r.w.SetFaults(sim.Faults{StoreError: 1_000_000})
	var moves []metadata.Partition
	owned := func(s *metadata.State) (list []metadata.Partition) {
		topic, _ := s.TopicByName(offsets)
		for p := range topic.Streams {
			if v, _ := s.Partition(topic.ID, int32(p)); v.Owned && v.Owner == at.id {
				list = append(list, v)
			}
		}
		return list
	}
	r.state(func(s *metadata.State) { moves = owned(s) })
	for _, v := range moves {
		require.Zero(t, r.propose(at, &metadatapb.BeginMove{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, To: &next.id}).
			GetRefusal())
	}
	r.until(9*time.Second, "they are given up", func() (none bool) {
		r.state(func(s *metadata.State) { none = len(owned(s)) == 0 })
		return none
	})
	r.w.SetFaults(sim.Faults{})
	r.do(r.coordinator(group), func(c *wire) {
		got, _, code := c.offsetOf(5, group, id)
		c.expect(code == 0 && got == 7, "offset %d (%d)", got, code)
	})
	require.Nil(t, at.ended)
	require.Nil(t, next.ended)
}
