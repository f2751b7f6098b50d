package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// operate runs fn as an operator at a node.
func (c *crowd) operate(p *peer, fn func(sc *host.Scope, o node.Operator) error) {
	c.t.Helper()
	require.NoError(c.t, c.w.Do(p.m, func(_ host.Host, sc *host.Scope) error {
		return fn(sc, node.Operator{Meta: p.node.Metadata()})
	}))
}

func (c *crowd) look(p *peer) ([]node.Offline, []node.Waiting) {
	return node.Operator{Meta: p.node.Metadata()}.Look()
}

// lose kills a node and removes its ring, as a node that asked knows it.
func (c *crowd) lose(asked, dead *peer) (w metadata.WAL) {
	c.t.Helper()
	asked.node.Metadata().Read(func(s *metadata.State) {
		for _, x := range s.WALs() {
			if x.Held && x.Holder == dead.id {
				w = x
			}
		}
	})
	c.kill(dead)
	thief := c.w.Machine("thief")
	thief.Attach("v", c.clients.Volume("cluster/"+w.Volume.String()))
	require.NoError(c.t, c.w.Do(thief, func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		return vol.Remove("ring-" + w.ID.String())
	}))
	return w
}

// TestAnOperatorGivesUpALostVolumeAndItsPartitionsServeAgain loses the volume of a dead broker, for good.
func TestAnOperatorGivesUpALostVolumeAndItsPartitionsServeAgain(t *testing.T) {
	c := newCrowd(t, 3, 3)
	c.form()
	c.w.SetFaults(sim.Faults{StoreError: 1_000_000}) // all that is produced is in WALs only
	asked := c.list[0]
	require.NoError(t, c.client(asked, func(k *client) error { return k.createTopic(testTopic, 1) }))
	c.until(time.Minute, "somebody owns it", func() bool { return c.owner(asked, 0) != nil })
	dead := c.owner(asked, 0)
	if dead == asked {
		asked = c.list[1]
	}
	require.NoError(t, c.client(dead, func(k *client) error {
		for i := range 5 {
			if _, err := k.produce(0, fmt.Sprint("value ", i)); err != nil {
				return err
			}
		}
		return nil
	}))
	holes, waiting := c.look(asked)
	require.Empty(t, holes)
	require.Empty(t, waiting)

	w := c.lose(asked, dead)
	c.w.SetFaults(sim.Faults{})
	c.until(time.Minute, "its WAL waits", func() bool {
		_, waiting = c.look(asked)
		return len(waiting) == 1 && waiting[0].Recoverer >= 0
	})
	require.Equal(t, w.ID.String(), waiting[0].WAL)
	require.Positive(t, waiting[0].Open)
	c.pass(5 * time.Second)
	require.Nil(t, c.owner(asked, 0), "nothing is served short")

	c.operate(asked, func(sc *host.Scope, o node.Operator) error {
		a, err := o.Abandon(sc, w.ID)
		if err == nil && len(a.Offline) == 0 {
			err = fmt.Errorf("gave up %+v", a)
		}
		return err
	})
	holes, _ = c.look(asked)
	require.Len(t, holes, 1)
	require.Equal(t, testTopic, holes[0].Topic)
	require.EqualValues(t, 0, holes[0].From)
	var next int64
	c.operate(asked, func(sc *host.Scope, o node.Operator) (err error) {
		next, err = o.Accept(sc, testTopic, 0, "the test")
		return err
	})
	require.Greater(t, next, int64(5), "no offset that was seen is given out again")
	c.until(time.Minute, "it is served again", func() bool { return c.owner(asked, 0) != nil })
	c.pass(time.Second)
	require.NoError(t, c.client(c.owner(asked, 0), func(k *client) error {
		at, err := k.produce(0, "new")
		if err == nil && at != next {
			err = fmt.Errorf("appended at %d, not %d", at, next)
		}
		return err
	}))
	holes, waiting = c.look(asked)
	require.Empty(t, holes)
	require.Empty(t, waiting)
}
