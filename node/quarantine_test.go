package node_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

const (
	holedAt     = 3 // the offset of partition 0 that is spoilt
	spoiltValue = "value 3 of partition 0"
	walBytes    = 2 << 20 // the ring of a rig's node
)

// spoilt is a killed node with a changed byte in one record of partition 0 that only its WAL held.
func spoilt(t *testing.T, seed uint64) *rig {
	t.Helper()
	return spoiltIn(t, sim.Config{Seed: seed})
}

func spoiltIn(t *testing.T, cfg sim.Config) *rig {
	t.Helper()
	r := newRig(t, cfg)
	r.change = func(c *node.Config) { c.UploadAge = time.Hour }
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 2); err != nil {
			return err
		}
		for i := range 12 {
			if _, err := c.produce(int32(i%2), fmt.Sprintf("value %d of partition %d", i/2, i%2)); err != nil {
				return err
			}
		}
		return nil
	})
	r.m.KillWith(sim.KeepUnsynced)
	r.change = nil
	v := r.m.Volume("wal")
	for _, name := range v.Files() {
		if img, _ := v.Current(name); bytes.Contains(img, []byte(spoiltValue)) {
			require.True(t, v.Flip(name, int64(bytes.Index(img, []byte(spoiltValue))), 1))
			return r
		}
	}
	t.Fatal("the record is not in the WAL")
	return nil
}

// quarantines returns the keys of the quarantine objects in the store.
func (r *rig) quarantines() []string {
	return slices.DeleteFunc(r.w.Objects(), func(key string) bool {
		obj, _ := r.w.Object(key)
		return !bytes.HasPrefix(obj, []byte("weir.qua"))
	})
}

// quarantined tells whether the node refers to a quarantine object.
func (r *rig) quarantined() bool {
	list := r.quarantines()
	if len(list) == 0 || r.node == nil {
		return false
	}
	leaked, _ := r.node.Orphans(r.w.Objects())
	return slices.ContainsFunc(list, func(key string) bool { return !slices.Contains(leaked, key) })
}

// fillRing produces three times what the ring holds to the partition that is whole, and looks at the other.
func fillRing(c *client) error {
	for range 3 * walBytes >> 16 {
		if _, err := c.produce(1, strings.Repeat("x", 1<<16)); err != nil {
			return err
		}
	}
	return offline(c)
}

// offline requires that partition 0 takes nothing and gives nothing from the hole on.
func offline(c *client) error {
	_, err := c.produce(0, "refused")
	_, _, ferr := c.fetch(0, holedAt)
	for _, err := range []error{err, ferr} {
		if !errors.Is(err, codeError(56)) {
			return fmt.Errorf("partition 0 is not offline: %w", err)
		}
	}
	return nil
}

// settle waits until the store holds what metadata refers to and nothing else.
func (r *rig) settle() {
	r.t.Helper()
	require.NoError(r.t, r.w.Run(func() bool {
		leaked, missing := r.node.Orphans(r.w.Objects())
		return len(leaked)+len(missing) == 0
	}))
}

// serves requires that the node keeps nothing of the hole in its ring: the whole partition goes on for longer
// than the ring, and the node stops and starts in order.
func (r *rig) serves() {
	r.t.Helper()
	r.client(fillRing)
	r.settle()
	require.Len(r.t, r.quarantines(), 1)
	require.NoError(r.t, r.stop())
	require.NoError(r.t, r.boot())
	r.client(func(c *client) error {
		values, _, err := c.fetch(1, 0)
		if err == nil && (len(values) < 6 || values[5] != "value 5 of partition 1") {
			err = fmt.Errorf("partition 1 holds %d values", len(values))
		}
		_, perr := c.produce(1, "after")
		return errors.Join(err, perr, offline(c))
	})
	require.NoError(r.t, r.stop())
	require.Len(r.t, r.quarantines(), 1)
}

// Rule 38: what a hole left in the WAL is copied to an object and pins the ring no longer.
func TestDamageInTheWALIsQuarantinedAndPinsNothing(t *testing.T) {
	r := spoilt(t, 20)
	require.NoError(t, r.boot())
	require.NoError(t, r.w.Run(r.quarantined))
	obj, _ := r.w.Object(r.quarantines()[0])
	le, table := binary.LittleEndian, crc32.MakeTable(crc32.Castagnoli)
	require.Equal(t, le.Uint32(obj[124:]), crc32.Checksum(obj[:124], table))
	require.Equal(t, le.Uint32(obj[len(obj)-4:]), crc32.Checksum(obj[:len(obj)-4], table))
	require.EqualValues(t, holedAt, le.Uint64(obj[72:]))
	require.EqualValues(t, len(obj)-132, le.Uint64(obj[96:])-le.Uint64(obj[88:]))
	text := []byte(spoiltValue)
	text[0] ^= 1
	for _, part := range [][]byte{text, []byte("value 4 of partition 0"), []byte("value 5 of partition 0")} {
		require.True(t, bytes.Contains(obj, part), "%q", part)
	}
	r.serves()
}

// Without the store the copy cannot be made: the stop says so, and the next start does it.
func TestAStopSaysThatAHoleIsNotQuarantined(t *testing.T) {
	r := spoilt(t, 21)
	r.w.SetFaults(sim.Faults{StoreError: sim.Always})
	require.NoError(t, r.boot())
	require.Error(t, r.stop())
	require.Empty(t, r.quarantines())
	r.w.SetFaults(sim.Faults{})
	require.NoError(t, r.boot())
	require.NoError(t, r.stop(), "a stop quarantines what nobody did before")
	require.NoError(t, r.boot())
	r.serves()
}

// From the start that finds the damage to the trim past it, a crash at any call ends in the same state.
func TestACrashAtAnyCallOfAQuarantineIsRepeated(t *testing.T) {
	for n := uint64(1); ; n++ {
		r := spoilt(t, 3000+n)
		r.m.CrashAt(r.m.Calls()+n, sim.When(1+n%2), sim.Seeded)
		r.node, r.ended = nil, nil
		r.m.Boot(func(h host.Host, sc *host.Scope) {
			if nd, err := node.Start(sc, h, r.config(h)); err == nil {
				r.node = nd
			}
		})
		require.NoError(t, r.w.Run(func() bool { return !r.m.Alive() || r.quarantined() }), "call %d", n)
		whole := r.m.Alive()
		r.m.CrashAt(0, sim.BeforeEffect, sim.Seeded)
		r.m.KillWith(sim.LoseUnsynced)
		require.NoError(t, r.boot(), "after a crash at call %d", n)
		require.NoError(t, r.w.Run(r.quarantined), "after a crash at call %d", n)
		r.serves()
		require.NoError(t, r.w.Close())
		if whole {
			t.Logf("%d calls", n-1)
			return
		}
	}
}
