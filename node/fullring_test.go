package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

const (
	storedValue = "value that an object holds"
	loggedValue = "value that only the WAL holds"
)

// stuffed is a killed node with a full ring, nearly all of partition 0: its first record is in an object with the
// state that the others follow, the second is the first of them.
func stuffed(t *testing.T, seed uint64) *rig {
	t.Helper()
	r := newRig(t, sim.Config{Seed: seed})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 2); err != nil {
			return err
		}
		_, err := c.produce(0, storedValue)
		return err
	})
	require.NoError(t, r.w.Run(func() bool { return r.objectWith(storedValue) != "" }))
	r.client(func(c *client) error {
		_, err := c.produce(1, "another")
		return errors.Join(err, c.h.Sleep(c.sc, 2*time.Second))
	})
	r.w.SetFaults(sim.Faults{StoreError: sim.Always})
	r.client(func(c *client) error {
		if _, err := c.produce(0, loggedValue); err != nil {
			return err
		}
		for size := 1 << 14; size > 0; size >>= 4 {
			var err error
			for n := 0; err == nil; n++ {
				if _, err = c.produce(0, strings.Repeat("x", size)); n > walBytes>>12 {
					return fmt.Errorf("the ring holds more than it has room for")
				}
			}
		}
		return nil
	})
	r.m.KillWith(sim.KeepUnsynced)
	r.w.SetFaults(sim.Faults{})
	return r
}

// objectWith returns the key of the first object that holds text, or "".
func (r *rig) objectWith(text string) string {
	for _, key := range r.w.Objects() {
		if obj, _ := r.w.Object(key); bytes.Contains(obj, []byte(text)) {
			return key
		}
	}
	return ""
}

// TestADamagedStartWithAFullRingServesTheRest: the ring is full of a partition that cannot be committed, for its
// state is lost with an object, or a record in the ring is spoilt. What is there of it is copied to an object, and
// the node serves.
func TestADamagedStartWithAFullRingServesTheRest(t *testing.T) {
	for what, damage := range map[string]func(r *rig){
		"a deleted object": func(r *rig) { r.w.DeleteObject(r.objectWith(storedValue)) },
		"a spoilt record": func(r *rig) {
			v := r.m.Volume("wal")
			for _, name := range v.Files() {
				if img, _ := v.Current(name); bytes.Contains(img, []byte(loggedValue)) {
					v.Flip(name, int64(bytes.Index(img, []byte(loggedValue))), 1)
				}
			}
		},
	} {
		r := stuffed(t, 40)
		damage(r)
		r.node, r.ended = nil, nil
		r.m.Boot(func(h host.Host, sc *host.Scope) { r.node, r.ended = node.Start(sc, h, r.config(h)) })
		within := r.w.Now() + host.Time(20*time.Second)
		require.NoError(t, r.w.Run(func() bool { return r.node != nil || r.ended != nil || r.w.Now() > within }), what)
		require.NoError(t, r.ended, what)
		require.NotNil(t, r.node, "%s: it does not serve", what)
		r.client(func(c *client) error {
			for range 2 * walBytes >> 16 {
				if _, err := c.produce(1, strings.Repeat("y", 1<<16)); err != nil {
					return fmt.Errorf("%s: %w", what, err)
				}
			}
			_, err := c.produce(0, "refused")
			if !errors.Is(err, codeError(56)) {
				return fmt.Errorf("%s: partition 0 is not offline: %w", what, err)
			}
			return nil
		})
		require.Len(t, r.quarantines(), 1, what)
		require.NoError(t, r.stop(), what)
	}
}
