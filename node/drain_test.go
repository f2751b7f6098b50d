package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

func TestWhenAllNodesLeaveAtOnceEverythingIsInObjects(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		c := newCrowd(t, seed, 3)
		c.form()
		c.fill(6)
		begun := c.w.Now()
		for i, err := range c.stop(c.list...) {
			require.NoError(t, err, "n%d", i+1)
		}
		require.Less(t, c.w.Now().Sub(begun), 25*time.Second, "nobody waits for those who have left")
		require.NoError(t, c.w.Do(c.clients, func(h host.Host, sc *host.Scope) error {
			for _, name := range c.w.SharedNames() {
				vol, err := h.Disk().Volume(sc, name)
				if err != nil {
					return err
				}
				list, err := vol.List("")
				require.Empty(t, list, "a WAL is left on %s", name)
				if err != nil {
					return err
				}
			}
			return nil
		}))
		for _, p := range c.list {
			c.boot(p)
		}
		c.until(time.Minute, "all nodes serve again", c.serve)
		c.list[0].node.Metadata().Read(func(s *metadata.State) {
			require.Empty(t, s.Debts())
			released := 0
			for _, w := range s.WALs() {
				if w.State == metadatapb.WalState_WAL_STATE_RELEASED {
					released++
				}
			}
			require.Equal(t, 3, released, "what they had before")
		})
		for part := range int32(6) {
			c.produce(c.list[0], part, "again")
		}
	}
}

func TestAStopLeavesNothingForOthersToRecover(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		c := newCrowd(t, seed, 3)
		c.form()
		c.fill(24)
		p := c.list[seed%3]
		at := c.list[(seed+1)%3]
		begun := c.w.Now()
		require.NoError(t, c.stop(p)[0])
		took := c.w.Now().Sub(begun)
		require.Less(t, took, 10*time.Second)
		at.node.Metadata().Read(func(s *metadata.State) {
			b, _ := s.Broker(p.id)
			require.True(t, b.Deregistered, "n%d: %+v", p.id, b)
			require.Empty(t, s.Orphans())
			for _, w := range s.WALs() {
				require.Equal(t, w.Broker == p.id, w.State == metadatapb.WalState_WAL_STATE_RELEASED)
			}
		})
		for part := range int32(24) {
			c.produce(at, part, "while it is away")
		}
		t.Logf("seed %d: it took %v", seed, took)
		c.boot(p)
		c.until(time.Minute, "it is back", c.serve)
	}
}

func TestAKilledBrokersPartitionsAreServedAfterALease(t *testing.T) {
	for i := range 3 {
		c := newCrowd(t, uint64(i+1), 3)
		c.form()
		c.fill(24)
		dead, at := c.list[i], c.list[(i+1)%3]
		begun := c.w.Now()
		c.kill(dead)
		fenced := time.Duration(0)
		c.until(20*time.Second, "its fence", func() bool {
			live := true
			at.node.Metadata().Read(func(s *metadata.State) {
				b, _ := s.Broker(dead.id)
				live = b.Live
			})
			return !live
		})
		fenced = c.w.Now().Sub(begun)
		c.until(20*time.Second, "owners", func() bool {
			for part := range int32(24) {
				if o := c.owner(at, part); o == nil || o == dead {
					return false
				}
			}
			return true
		})
		owned := c.w.Now().Sub(begun)
		t.Logf("n%d: fenced after %v, all partitions owned after %v", dead.id, fenced, owned)
		lease := dead.cfg.Lease
		require.Less(t, fenced, 2*lease+2*time.Second, "an election, a lease and its margin")
		require.GreaterOrEqual(t, fenced, lease/2)
		require.Less(t, owned-fenced, 500*time.Millisecond)
		for part := range int32(24) {
			c.produce(at, part, "without it")
		}
	}
}

// A start waits for the others at many places. At none does it wait on when its controller is dead: the vote would be
// missing until somebody looks.
func TestAStartEndsWithItsController(t *testing.T) {
	for after := time.Duration(0); after < 60*time.Millisecond; after += 3 * time.Millisecond {
		c := newCrowd(t, 1, 3)
		c.form()
		p := c.list[0]
		c.kill(p)
		c.boot(p)
		c.pass(after)
		c.kill(c.list[1])
		c.kill(c.list[2])
		p.m.SetFaults(&sim.Faults{SyncError: 1_000_000})
		c.boot(c.list[1]) // there is something to vote for
		c.until(time.Minute, "its start ends", func() bool { return p.ended != nil })
		p.m.SetFaults(nil)
		c.boot(p)
		c.until(time.Minute, "the two serve", c.serve)
	}
}
