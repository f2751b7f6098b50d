package stream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// shadow is the simplest state that depends on every byte: offset and a running CRC.
type shadow struct {
	at  int64
	crc uint32
}

func (s *shadow) Apply(base int64, count uint32, data []byte) {
	if base != s.at {
		panic(fmt.Sprintf("shadow at %d is shown offset %d", s.at, base))
	}
	s.at += int64(count)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, data)
}

func (s *shadow) Snapshot() []byte {
	p := binary.BigEndian.AppendUint64(nil, uint64(s.at))
	return binary.BigEndian.AppendUint32(p, s.crc)
}

func newShadow(_ stream.ID, _ stream.Epoch, at int64, state []byte) (stream.Shadow, error) {
	if state == nil {
		return &shadow{}, nil
	}
	s := &shadow{int64(binary.BigEndian.Uint64(state)), binary.BigEndian.Uint32(state[8:])}
	if s.at != at {
		return nil, fmt.Errorf("state is at %d, not %d", s.at, at)
	}
	return s, nil
}

// sample is an entry that a test appended.
type sample struct {
	base  int64
	count uint32
	ts    int64
	data  []byte
}

// expected is what a test knows of one stream across incarnations.
type expected struct {
	id     stream.ID
	list   []sample // all that was placed and not dropped by a recovery
	next   int64
	acked  int64 // end of the last acknowledged entry
	broken bool  // an append failed: the range takes no more
	s      *stream.Stream
	start  int64 // log start offset
}

func (x *expected) shadowAt(at int64) *shadow {
	s := &shadow{}
	for _, e := range x.list {
		if e.base+int64(e.count) > at {
			break
		}
		s.Apply(e.base, e.count, e.data)
	}
	return s
}

// draft is a test's append.
type draft struct {
	x    *expected
	data []byte
	n    uint32
	ts   int64
	base int64
	done *host.Future[error]
}

func (d *draft) Size() int { return len(d.data) }

func (d *draft) Place(dst []byte) (stream.Meta, error) {
	copy(dst, d.data)
	d.base = d.x.next
	d.x.next += int64(d.n)
	d.x.list = append(d.x.list, sample{d.base, d.n, d.ts, d.data})
	return stream.Meta{Base: d.base, Count: d.n, MaxTimestamp: d.ts}, nil
}

func (d *draft) Durable(err error) {
	if err == nil {
		d.x.acked = d.base + int64(d.n)
	} else {
		d.x.broken = true
	}
	if d.done != nil {
		d.done.Complete(err, nil)
	}
}

// rig is a world with one machine that runs an engine, and what outlives it.
type rig struct {
	t       failer
	w       *sim.World
	m       *sim.Machine
	cat     *catalog
	streams []*expected
	walNo   byte
	born    byte
	gen     int64
	cfg     stream.Config
	wcfg    wal.Config
	slabs   int
	slab    int
	rng     *rand.Rand
	ts      int64

	// Of the running incarnation.
	h      host.Host
	log    *wal.Log
	rec    *wal.Recovery
	e      *stream.Engine
	pool   *wal.SlabPool
	dead   error
	failed string
}

// failer is what *testing.T and *rapid.T share.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func newRig(t failer, cfg sim.Config, n int) *rig {
	r := &rig{t: t, w: sim.New(cfg), cat: newCatalog(), slabs: 8, slab: 64 << 10, walNo: 1,
		wcfg: wal.Config{Capacity: 2 << 20}}
	r.m = r.w.Machine("b1")
	r.rng = r.w.Rand("test")
	r.cat.exists = func(key string) bool { _, ok := r.w.Object(key); return ok }
	for i := range n {
		id := stream.ID(i + 1)
		r.cat.create(id)
		r.streams = append(r.streams, &expected{id: id})
	}
	r.cfg = stream.Config{UploadAge: time.Second, UploadBytes: 256 << 10, BlockBytes: 4 << 10, NewShadow: newShadow,
		ColdBytes: 1 << 20, BlockCacheBytes: 64 << 10, IndexCacheBytes: 16 << 10}
	if tt, ok := t.(*testing.T); ok {
		tt.Cleanup(func() {
			if err := r.w.Close(); err != nil {
				tt.Error(err)
			}
		})
	}
	return r
}

// boot opens the log and everything on it, as an owner does, and checks what was recovered.
func (r *rig) boot(h host.Host, sc *host.Scope) error {
	r.h, r.cat.h, r.dead = h, h, nil
	vol, err := h.Disk().Volume(sc, "wal")
	if err != nil {
		return err
	}
	if r.pool, err = wal.NewSlabPool(h, r.slabs, r.slab); err != nil {
		return err
	}
	r.pool.Poison = true
	cfg := r.wcfg
	cfg.Slabs = r.pool
	cfg.Dead = func(err error) { r.dead = err }
	name := fmt.Sprintf("wal-%d", r.walNo)
	uuid := wal.UUID{r.walNo}
	r.gen++
	if r.born != r.walNo {
		id := wal.Identity{Cluster: wal.UUID{9}, Volume: wal.UUID{8}, WAL: uuid,
			Broker: 1, BrokerEpoch: r.gen, Generation: r.gen}
		if err := wal.Format(sc, h, vol, name, cfg, id); err != nil {
			return fmt.Errorf("format: %w", err)
		}
		r.born = r.walNo
	}
	want := wal.Expect{Cluster: wal.UUID{9}, WAL: uuid, Broker: 1, BrokerEpoch: r.gen, Generation: r.gen}
	r.log, r.rec, err = wal.Open(nil, h, vol, name, cfg, want)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	r.e = stream.NewEngine(h, r.cfg, r.log, r.w.Store(h), r.cat)
	r.pool.Pressure = func() { r.e.Evict() }
	return r.take(sc)
}

// take recovers and opens every stream.
func (r *rig) take(sc *host.Scope) error {
	got, err := r.e.Recover(r.rec, r.cat.rangeInfos())
	if err != nil {
		return err
	}
	r.e.Start(nil)
	for _, g := range got {
		x := r.find(g.ID)
		last := r.cat.streams[g.ID].last()
		if x == nil || g.Epoch != last.epoch {
			continue
		}
		if g.Hole != nil {
			x.s, x.broken = nil, true
			continue
		}
		if err := r.reopen(sc, x, g.End); err != nil {
			return fmt.Errorf("open stream %d: %w", x.id, err)
		}
	}
	// Ranges on a log that is gone were sealed by whoever removed it.
	for _, x := range r.streams {
		if x.s == nil && !x.broken {
			if err := r.reopen(sc, x, r.cat.streams[x.id].last().committed); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rig) find(id stream.ID) *expected {
	for _, x := range r.streams {
		if x.id == id {
			return x
		}
	}
	return nil
}

func (r *rig) reopen(sc *host.Scope, x *expected, end int64) error {
	if end < x.acked {
		return fmt.Errorf("AckedDurable: stream %d recovered to %d, acknowledged to %d", x.id, end, x.acked)
	}
	i := slices.IndexFunc(x.list, func(s sample) bool { return s.base >= end })
	if i >= 0 {
		x.list = x.list[:i]
	}
	if n := len(x.list); n > 0 && x.list[n-1].base+int64(x.list[n-1].count) != end {
		return fmt.Errorf("stream %d recovered to %d, within an entry", x.id, end)
	}
	state, err := r.state(sc, x, end)
	if err != nil {
		return err
	}
	r.cat.seal(x.id, end)
	x.next, x.acked, x.broken = end, end, false
	epoch := r.cat.streams[x.id].last().epoch
	x.s, err = r.e.Open(sc, stream.OpenRange{ID: x.id, Epoch: epoch, Start: end, LogStart: x.start, State: state})
	return err
}

// state rebuilds a stream's state as an owner does, and compares it with a replay from offset 0.
func (r *rig) state(sc *host.Scope, x *expected, end int64) ([]byte, error) {
	state, err := r.e.StateAt(sc, x.id, r.cat.streams[x.id].last().epoch, end)
	if err != nil {
		return nil, err
	}
	if want := x.shadowAt(end).Snapshot(); !bytes.Equal(want, state) {
		return nil, fmt.Errorf("StateAtStart: stream %d at %d: rebuilt %x, replay from 0 gives %x", x.id, end, state, want)
	}
	return state, nil
}

// append appends one random entry and waits for it if wait is set.
func (r *rig) append(sc *host.Scope, x *expected, size int, wait bool) error {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(r.rng.Uint32())
	}
	r.ts += int64(r.rng.IntN(20)) - 5
	d := &draft{x: x, data: data, n: 1 + r.rng.Uint32N(5), ts: r.ts}
	if wait {
		d.done = &host.Future[error]{}
		d.done.Init(r.h)
	}
	if err := x.s.Append(sc, 0, d); err != nil {
		x.broken = true
		return err
	}
	if !wait {
		return nil
	}
	derr, err := d.done.Wait(sc, 0)
	return errors.Join(derr, err)
}

// verify reads every stream from its log start offset to its acknowledged end and compares.
func (r *rig) verify(sc *host.Scope) error {
	for _, x := range r.streams {
		if x.s == nil {
			continue
		}
		if err := r.verifyStream(sc, x); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) verifyStream(sc *host.Scope, x *expected) error {
	end := x.acked
	i := slices.IndexFunc(x.list, func(s sample) bool { return s.base+int64(s.count) > x.start })
	for pos := x.start; pos < end; {
		maxBytes := 1 + r.rng.IntN(20_000)
		rd, err := x.s.Read(sc, pos, end, maxBytes, false)
		if err != nil {
			return fmt.Errorf("read stream %d at %d of %d: %w", x.id, pos, end, err)
		}
		if len(rd.Chunks) == 0 {
			return fmt.Errorf("read stream %d at %d of %d gives nothing", x.id, pos, end)
		}
		for n, ch := range rd.Chunks {
			want := x.list[i]
			if ch.Base != want.base || ch.Count != want.count || !bytes.Equal(ch.Data, want.data) {
				return fmt.Errorf("ReadPrefix: stream %d at %d: entry %d+%d, want %d+%d, bytes equal %v", x.id, pos, ch.Base,
					ch.Count, want.base, want.count, bytes.Equal(ch.Data, want.data))
			}
			if rd.Bytes > maxBytes && len(rd.Chunks) > 1 {
				return fmt.Errorf("stream %d: %d bytes in %d entries, asked for %d", x.id, rd.Bytes, n, maxBytes)
			}
			i++
			pos = ch.Base + int64(ch.Count)
		}
		rd.Release()
	}
	return nil
}

// do runs fn on the machine; a kill by plan is no error.
func (r *rig) do(fn func(h host.Host, sc *host.Scope) error) {
	r.t.Helper()
	if err := r.w.Do(r.m, fn); err != nil {
		r.t.Fatal(err)
	}
}

// stop closes engine and log in order.
func (r *rig) stop(sc *host.Scope) error {
	err := r.e.Close()
	for _, x := range r.streams {
		x.s = nil
	}
	if held := r.pool.Held(wal.HolderAnswer) + r.pool.Held(wal.HolderCache) + r.pool.Held(wal.HolderUpload); held > 0 {
		err = errors.Join(err, fmt.Errorf("%d slabs are held after Close", held))
	}
	return errors.Join(err, r.log.Close(sc))
}

// Errorf and FailNow make the rig a require.TestingT for use inside tasks, where t.FailNow must not be called:
// the panic fails the world, and the world's failure the test.
func (r *rig) Errorf(format string, args ...any) { r.failed = fmt.Sprintf(format, args...) }

// FailNow panics with what Errorf was told.
func (r *rig) FailNow() { panic(r.failed) }
