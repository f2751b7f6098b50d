package stream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
	"github.com/weirmq/weir/wal/objectwal"
)

// bootOnObjects ends the object WAL of the life before, has an engine of its own upload what that owes, and opens every
// stream on a new one: as an owner does that has no disk.
func (r *rig) bootOnObjects(h host.Host, sc *host.Scope) error {
	r.h, r.cat.h = h, h
	var err error
	if r.pool, err = wal.NewSlabPool(h, r.slabs, r.slab); err != nil {
		return err
	}
	r.pool.Poison = true
	r.gen++
	store := objectstore.WithRetry(h, r.w.Store(h), objectstore.Policy{})
	for _, x := range r.streams {
		x.s = nil
	}
	if r.walNo > 1 {
		if err := r.finishDead(h, sc, wal.UUID{r.walNo - 1}); err != nil {
			return err
		}
	}
	log, err := objectwal.Create(nil, h, objectwal.Config{Store: store, Slabs: r.pool, Linger: 5 * time.Millisecond,
		Bytes: 16 << 10, Attempt: 2 * time.Second}, wal.Identity{WAL: wal.UUID{r.walNo}, Broker: 1, BrokerEpoch: r.gen,
		Generation: r.gen})
	if err != nil {
		return err
	}
	r.walNo++
	r.e = stream.NewEngine(h, r.cfg, log, store, r.cat)
	r.pool.Pressure = func() { r.e.Evict() }
	r.e.Start(sc)
	for _, x := range r.streams {
		last := r.cat.streams[x.id].last()
		state, err := r.e.StateAt(sc, x.id, last.epoch, last.start)
		if err != nil {
			return err
		}
		x.s, err = r.e.Open(sc, stream.OpenRange{ID: x.id, Epoch: last.epoch, Start: last.start, LogStart: x.start,
			State: state})
		if err != nil {
			return fmt.Errorf("open stream %d: %w", x.id, err)
		}
	}
	return nil
}

// finishDead seals what a dead writer's log holds, and uploads it.
func (r *rig) finishDead(h host.Host, sc *host.Scope, id wal.UUID) error {
	log, rec, err := objectwal.Fence(sc, h, objectwal.ReadConfig{Store: r.w.Store(h)}, objectwal.Expect{WAL: id,
		Broker: 1, BrokerEpoch: r.gen, Generation: r.gen})
	if err != nil {
		return err
	}
	e := stream.NewEngine(h, r.cfg, log, objectstore.WithRetry(h, r.w.Store(h), objectstore.Policy{}), r.cat)
	got, err := e.Recover(rec, r.cat.rangeInfos())
	if err != nil {
		return err
	}
	for _, g := range got {
		x := r.find(g.ID)
		if g.Epoch != r.cat.streams[g.ID].last().epoch {
			continue
		}
		if g.Hole != nil || g.End < x.acked {
			return fmt.Errorf("stream %d recovered to %d, acknowledged to %d, hole %v", g.ID, g.End, x.acked, g.Hole)
		}
		for len(x.list) > 0 && x.list[len(x.list)-1].base >= g.End {
			x.list = x.list[:len(x.list)-1]
		}
		x.next, x.acked, x.broken = g.End, g.End, false
		r.cat.seal(g.ID, g.End)
	}
	e.Start(sc)
	return errors.Join(e.Flush(sc), e.Close(), log.Close(sc))
}

func TestStreamsLiveOnObjectsAlone(t *testing.T) {
	faults := sim.Faults{StoreError: 10_000, StoreAppliedError: 20_000, StoreLate: 10_000, StoreOwnExists: 10_000}
	r := newRig(t, sim.Config{Seed: 11, Faults: faults,
		Store: sim.StoreConfig{LateMax: 5 * time.Second, Timeout: 2 * time.Second}}, 3)
	for life := range 4 {
		require.NoError(t, r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
			if err := r.bootOnObjects(h, sc); err != nil {
				return err
			}
			for i := range 60 {
				if err := r.append(sc, r.streams[i%3], 200+i*40, i%7 == 0); err != nil {
					return err
				}
			}
			return r.verify(sc)
		}), "life %d", life)
		r.m.Kill()
	}
	require.NoError(t, r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
		if err := r.bootOnObjects(h, sc); err != nil {
			return err
		}
		return r.verify(sc)
	}))
	r.m.Kill()
	require.Equal(t, byte(6), r.walNo)
}
