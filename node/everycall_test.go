package node_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// atEveryCall runs a fresh node up to the point that before reaches, crashes it at its n-th I/O call during act,
// starts it again and runs after; for n = 1, 2, … until act ends without a crash.
func atEveryCall(t *testing.T, before func(c *client) error, act func(r *rig) error, after func(c *client) error) {
	for n := uint64(1); ; n++ {
		r := newRig(t, sim.Config{Seed: 1000 + n})
		require.NoError(t, r.boot())
		r.client(before)
		r.m.CrashAt(r.m.Calls()+n, sim.When(1+n%2), sim.Seeded)
		err := act(r)
		whole := r.m.Alive()
		r.m.CrashAt(0, sim.BeforeEffect, sim.Seeded)
		if whole {
			require.NoError(t, err, "call %d", n)
			r.m.KillWith(sim.LoseUnsynced)
		}
		require.NoError(t, r.boot(), "after a crash at call %d", n)
		require.NoError(t, r.w.Do(r.clients, func(h host.Host, sc *host.Scope) error {
			c := &client{h: h, sc: sc}
			defer c.close()
			return after(c)
		}), "after a crash at call %d", n)
		require.NoError(t, r.w.Close())
		if whole {
			t.Logf("%d calls", n-1)
			return
		}
	}
}

const acked = 30

func produceAcked(c *client) error {
	if err := errors.Join(c.coordinator("billing"), c.createTopic(testTopic, 3)); err != nil {
		return err
	}
	for i := range acked {
		if _, err := c.produce(int32(i%3), fmt.Sprint("value ", i)); err != nil {
			return err
		}
	}
	code, err := c.commit("billing", testTopic, 5)
	return errors.Join(err, answered(code))
}

func readAcked(c *client) error {
	seen := map[string]int{}
	for p := range int32(3) {
		values, _, err := c.fetch(p, 0)
		if err != nil {
			return fmt.Errorf("partition %d: %w", p, err)
		}
		for _, v := range values {
			seen[v]++
		}
	}
	for i := range acked {
		if v := fmt.Sprint("value ", i); seen[v] != 1 {
			return fmt.Errorf("%s is there %d times", v, seen[v])
		}
	}
	offset, err := c.committed("billing", testTopic)
	if err == nil && offset != 5 {
		err = fmt.Errorf("offset %d is committed, not 5", offset)
	}
	return err
}

func TestACrashAtAnyCallOfAStopLosesNothing(t *testing.T) {
	atEveryCall(t, produceAcked, func(r *rig) error {
		return r.w.Do(r.m, func(_ host.Host, sc *host.Scope) error { return r.node.Stop(sc) })
	}, readAcked)
}

func TestACrashAtAnyCallOfADeletionLeavesAWholeTopicOrNone(t *testing.T) {
	atEveryCall(t, produceAcked, func(r *rig) error {
		return r.w.Do(r.clients, func(h host.Host, sc *host.Scope) error {
			c := &client{h: h, sc: sc}
			defer c.close()
			return c.deleteTopic(testTopic)
		})
	}, func(c *client) error {
		err := c.createTopic(testTopic, 3)
		if errors.Is(err, codeError(36)) { // it was not marked yet
			return readAcked(c)
		}
		if err != nil {
			return err
		}
		for p := range int32(3) {
			values, hw, err := c.fetch(p, 0)
			if err == nil && (hw != 0 || len(values) > 0) {
				err = fmt.Errorf("the new topic holds %q, high watermark %d", values, hw)
			}
			if err != nil {
				return err
			}
		}
		offset, err := c.committed("billing", testTopic)
		if err == nil && offset != -1 {
			err = fmt.Errorf("offset %d of the deleted topic is still committed", offset)
		}
		return errors.Join(err, c.h.Sleep(c.sc, 2*time.Second)) // upload and trim go on
	})
}
