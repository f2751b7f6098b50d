package stream_test

import (
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/objectstore/filestore"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// osDraft is an append of one record whose bytes follow from its offset.
type osDraft struct {
	next *int64 // guarded by the log's lock
	size int
	done *host.Future[struct{}]
}

func (d *osDraft) Size() int { return d.size }

func (d *osDraft) Place(dst []byte) (stream.Meta, error) {
	base := *d.next
	for i := range dst {
		dst[i] = byte(base + int64(i))
	}
	*d.next++
	return stream.Meta{Base: base, Count: 1, MaxTimestamp: base}, nil
}

func (d *osDraft) Durable(err error) {
	if d.done != nil {
		d.done.Complete(struct{}{}, err)
	}
}

// osEngine is an engine on the real machine. Its log is small, so that everything happens at once.
func osEngine(t testing.TB) (*oshost.Host, *stream.Engine, *lockedCatalog) {
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Node: "b1", Log: slog.NewTextHandler(io.Discard, nil)})
	require.NoError(t, err)
	vol, err := h.Disk().Volume(nil, "b1")
	require.NoError(t, err)
	pool, err := wal.NewSlabPool(h, 6, 256<<10)
	require.NoError(t, err)
	pool.Poison = true
	cfg := wal.Config{Capacity: 8 << 20, Slabs: pool}
	id := wal.Identity{WAL: wal.UUID{1}, Generation: 1, BrokerEpoch: 1}
	require.NoError(t, wal.Format(nil, h, vol, "wal", cfg, id))
	log, rec, err := wal.Open(nil, h, vol, "wal", cfg, wal.Expect{WAL: wal.UUID{1}})
	require.NoError(t, err)
	store, err := filestore.New(h, vol, "store", "test store")
	require.NoError(t, err)
	cat := &lockedCatalog{catalog: newCatalog()}
	cat.mu.Init(h)
	cat.h = h
	cat.exists = func(string) bool { return true }
	e := stream.NewEngine(h, stream.Config{NewShadow: newShadow, UploadBytes: 1 << 20}, log, store, cat)
	pool.Pressure = func() { e.Evict() }
	_, err = e.Recover(rec, nil)
	require.NoError(t, err)
	e.Start(nil)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		require.NoError(t, log.Close(nil))
		require.Zero(t, pool.Held(wal.HolderAnswer)+pool.Held(wal.HolderUpload)+pool.Held(wal.HolderCache))
		h.Close(nil)
	})
	return h, e, cat
}

func openStream(t testing.TB, e *stream.Engine, cat *lockedCatalog, id stream.ID) *stream.Stream {
	cat.create(id)
	s, err := e.Open(nil, stream.OpenRange{ID: id, Epoch: 1, State: (&shadow{}).Snapshot()})
	require.NoError(t, err)
	return s
}

// TestTasksOnTheRealMachineDoNotRace is for the race detector.
func TestTasksOnTheRealMachineDoNotRace(t *testing.T) {
	h, e, cat := osEngine(t)
	var streams [4]*stream.Stream
	for i := range streams {
		streams[i] = openStream(t, e, cat, stream.ID(i+1))
	}
	const n = 400
	g := host.NewGroup(h, nil)
	for _, s := range streams {
		next := new(int64)
		g.Go("test.append", func(sc *host.Scope) error {
			for i := range n {
				d := &osDraft{next: next, size: 5000 + i}
				if i == n-1 {
					d.done = &host.Future[struct{}]{}
					d.done.Init(h)
				}
				if err := s.Append(sc, 0, d); err != nil {
					return err
				}
				if d.done != nil {
					_, err := d.done.Wait(sc, 0)
					return err
				}
			}
			return nil
		})
		g.Go("test.read", func(sc *host.Scope) error { return readAll(h, sc, s, n) })
	}
	g.Go("test.evict", func(sc *host.Scope) error {
		for range 20 {
			e.Evict()
			_ = e.Stats()
			if err := h.Sleep(sc, 1e6); err != nil {
				return err
			}
		}
		return e.Flush(sc)
	})
	require.NoError(t, g.Wait())
	require.NoError(t, e.Flush(nil))
}

func readAll(h host.Host, sc *host.Scope, s *stream.Stream, n int64) error {
	for pos := int64(0); pos < n; {
		rd, err := s.Read(sc, pos, s.DurableEnd(), 40_000, true)
		if err != nil {
			return err
		}
		for _, ch := range rd.Chunks {
			if ch.Base != pos {
				return fmt.Errorf("offset %d, want %d", ch.Base, pos)
			}
			for i, b := range ch.Data {
				if b != byte(pos+int64(i)) {
					return fmt.Errorf("byte %d of offset %d is %#x", i, pos, b)
				}
			}
			pos++
		}
		if len(rd.Chunks) == 0 {
			err = h.Sleep(sc, 1e6)
		}
		rd.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func TestAppendAndTailReadAllocateNothing(t *testing.T) {
	h, e, cat := osEngine(t)
	s := openStream(t, e, cat, 1)
	next := new(int64)
	d := &osDraft{next: next, size: 100, done: &host.Future[struct{}]{}}
	one := func() {
		*d.done = host.Future[struct{}]{}
		d.done.Init(h)
		if err := s.Append(nil, 0, d); err != nil {
			t.Fatal(err)
		}
		if _, err := d.done.Wait(nil, 0); err != nil {
			t.Fatal(err)
		}
		rd, err := s.Read(nil, *next-1, *next, 1000, false)
		if err != nil || len(rd.Chunks) != 1 {
			t.Fatal(err)
		}
		rd.Release()
	}
	for range 2000 {
		one()
	}
	if n := testing.AllocsPerRun(300, one); n >= 1 && !raceDetector {
		t.Errorf("%v allocations for an append and a read", n)
	}
}

// TestASealOnTheRealMachineDoesNotRace: with appends in flight, and with those who read what the range owes.
func TestASealOnTheRealMachineDoesNotRace(t *testing.T) {
	h, e, cat := osEngine(t)
	s := openStream(t, e, cat, 1)
	next := new(int64)
	g := host.NewGroup(h, nil)
	for range 3 {
		g.Go("test.append", func(sc *host.Scope) error {
			for s.Append(sc, 0, &osDraft{next: next, size: 3000}) == nil {
			}
			return nil
		})
	}
	require.NoError(t, h.Sleep(nil, 20e6))
	end, err := s.Seal(nil)
	require.NoError(t, err)
	g.Go("test.owed", func(sc *host.Scope) error {
		for at := int64(0); at < end; {
			rd, entries, err := e.ReadOwed(sc, 1, 1, at, end, 64<<10, 100)
			if err != nil {
				return err
			}
			if len(entries) == 0 { // uploaded meanwhile
				rd.Release()
				return nil
			}
			last := &entries[len(entries)-1]
			at = last.Base + int64(last.Count)
			rd.Release()
		}
		return nil
	})
	require.NoError(t, g.Wait())
	require.Equal(t, end, *next)
	require.Equal(t, end, s.DurableEnd())
}
