package fsck_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// load is what the client of most tests does: three partitions, an idempotent producer among them, group offsets, a
// topic that goes away. It goes on until it has done everything or the node is gone.
func load(c *client, rounds int) error {
	if err := c.coordinator("billing"); err != nil {
		return err
	}
	tag := fmt.Sprintf("run%d ", c.r.runs)
	c.r.runs++
	for _, name := range []string{testTopic, "scratch"} {
		if err := c.createTopic(name, 3); err != nil && !errors.Is(err, errExists) {
			return err
		}
	}
	id, epoch, err := c.producerID()
	if err != nil {
		return err
	}
	idem := batch.Plain()
	idem.ProducerID, idem.ProducerEpoch = id, epoch
	for i := range rounds {
		pad := strings.Repeat("x", i%7*700)
		if _, err := c.produce(int32(i%2), batch.Plain(), fmt.Sprint(tag, "a", i, pad), fmt.Sprint(tag, "b", i)); err != nil {
			return err
		}
		idem.BaseSequence = int32(i)
		if _, err := c.produce(2, idem, fmt.Sprint(tag, "i", i)); err != nil {
			return err
		}
		if err := c.commit("billing", int64(i)); err != nil {
			return err
		}
		if i == rounds/2 {
			if err := c.deleteTopic("scratch"); err != nil {
				return err
			}
		}
		if err := c.h.Sleep(c.sc, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func TestAHealthyNodeIsCleanAtEveryInstant(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 1})
	require.NoError(t, r.boot())
	done, groupRecords := false, 0
	r.clients.Host().Go(nil, "load", func(sc *host.Scope) {
		c := &client{r: r, h: r.clients.Host(), sc: sc}
		defer c.close()
		require.NoError(t, load(c, 120))
		done = true
	})
	for !done {
		require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(7*time.Millisecond)))
		groupRecords = max(groupRecords, r.clean(fsck.Options{}).Counts.GroupRecords)
	}
	require.Positive(t, groupRecords)
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(10*time.Second)))
	rep := r.clean(fsck.Options{NoLeaks: true})
	require.Positive(t, rep.Counts.Checkpoints)
	require.Positive(t, rep.Counts.ObjectBytes)
	require.NoError(t, r.w.Do(r.m, func(_ host.Host, sc *host.Scope) error { return r.node.Stop(sc) }))
	rep = r.clean(fsck.Options{Stopped: true})
	require.EqualValues(t, len(r.acked), rep.Counts.Records)
	t.Logf("%d checks", r.checks)
	require.NoError(t, r.w.Close())
}

// TestACrashAtAnyCallLeavesACleanImage crashes the node at I/O calls all over its life; what is durable then must be
// clean and hold everything that was acknowledged, and so again when it has started anew.
func TestACrashAtAnyCallLeavesACleanImage(t *testing.T) {
	checked := 0
	for n := uint64(1); n < 1500; n += 1 + n/12 {
		r := newRig(t, sim.Config{Seed: 4000 + n})
		r.m.CrashAt(n, sim.When(1+n%2), sim.Seeded)
		for range 6 {
			if err := r.boot(); r.m.Alive() {
				require.NoError(t, err)
				_ = r.client(func(c *client) error { return load(c, 12) }) // the crash may end it, or it was done before
			}
			if r.m.Alive() {
				r.m.KillWith(sim.Seeded)
			}
			r.clean(fsck.Options{})
			r.m.CrashAt(r.m.Calls()+1+n%97, sim.When(1+n%2), sim.Seeded)
		}
		checked += r.checks
		require.NoError(t, r.w.Close())
	}
	t.Logf("%d checks", checked)
}
