package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/wal"
)

// realHost returns a real machine on a temporary directory.
func realHost(t testing.TB) *oshost.Host {
	t.Helper()
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Node: "n1", Log: slog.DiscardHandler})
	require.NoError(t, err)
	t.Cleanup(func() { h.Close(nil) })
	return h
}

// record is a draft of one entry whose bytes are given.
type record struct {
	stream wal.StreamID
	epoch  wal.Epoch
	base   int64
	data   []byte
	done   host.Future[struct{}]
	at     wal.Extent
}

func newRecord(h host.Host, stream wal.StreamID, base int64, data []byte) *record {
	r := &record{stream: stream, epoch: 1, base: base, data: data}
	r.done.Init(h)
	return r
}

func (r *record) Size() int { return len(r.data) }

func (r *record) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	copy(dst, r.data)
	r.at = at
	return wal.Entry{Stream: r.stream, Epoch: r.epoch, Kind: wal.KindData, Base: r.base, Count: 1}, nil
}

func (r *record) Durable(err error) { r.done.Complete(struct{}{}, err) }

func (r *record) wait() error {
	_, err := r.done.Wait(nil, 0)
	return err
}

var testIdentity = wal.Identity{
	Cluster: wal.UUID{1}, Volume: wal.UUID{2}, WAL: wal.UUID{3}, Broker: 1, BrokerEpoch: 1, Generation: 1,
}

func expect(epoch int64) wal.Expect {
	return wal.Expect{Cluster: wal.UUID{1}, Volume: wal.UUID{2}, WAL: wal.UUID{3}, Broker: 1,
		BrokerEpoch: epoch, Generation: epoch}
}

func payload(i, size int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), size/8+1)[:size]
}

func TestWhatWasAcknowledgedIsThereAfterReopening(t *testing.T) {
	h := realHost(t)
	vol, err := h.Disk().Volume(nil, "wal")
	require.NoError(t, err)
	pool, err := wal.NewSlabPool(h, 4, 64<<10)
	require.NoError(t, err)
	cfg := wal.Config{Capacity: 1 << 20, Slabs: pool}
	require.NoError(t, wal.Format(nil, h, vol, "a/ring", cfg, testIdentity))

	l, rec, err := wal.Open(h.Root(), h, vol, "a/ring", cfg, expect(2))
	require.NoError(t, err)
	require.Empty(t, rec.Entries)
	require.Empty(t, rec.Warnings)
	var rs []*record
	for i := range 100 {
		r := newRecord(h, wal.StreamID(i%3), int64(i), payload(i, 100+i*13))
		require.NoError(t, l.Append(h.Root(), 0, r))
		rs = append(rs, r)
	}
	for i, r := range rs {
		require.NoError(t, r.wait())
		got := make([]byte, len(r.data))
		require.NoError(t, l.ReadAt(h.Root(), r.at, got))
		require.Equal(t, r.data, got, "record %d", i)
	}
	require.NoError(t, l.Close(h.Root()))
	require.True(t, errors.Is(l.Append(h.Root(), 0, rs[0]), wal.ErrClosed))

	l, rec, err = wal.Open(h.Root(), h, vol, "a/ring", cfg, expect(3))
	require.NoError(t, err)
	require.True(t, rec.Clean)
	require.Empty(t, rec.Damage)
	require.Len(t, rec.Entries, len(rs))
	for i, e := range rec.Entries {
		require.Equal(t, int64(i), e.Base)
		got := make([]byte, e.Len)
		require.NoError(t, l.ReadAt(h.Root(), e.Extent, got))
		require.Equal(t, rs[i].data, got)
	}
	require.NoError(t, l.Close(h.Root()))
}

// The real machine, many tasks at once; meant for the race detector.
func TestManyTasksAppendReadAndTrimAtOnce(t *testing.T) {
	h := realHost(t)
	vol, err := h.Disk().Volume(nil, "wal")
	require.NoError(t, err)
	pool, err := wal.NewSlabPool(h, 5, 64<<10)
	require.NoError(t, err)
	pool.Poison = true
	cfg := wal.Config{Capacity: 512 << 10, Slabs: pool}
	require.NoError(t, wal.Format(nil, h, vol, "ring", cfg, testIdentity))
	l, _, err := wal.Open(h.Root(), h, vol, "ring", cfg, expect(2))
	require.NoError(t, err)
	g := host.NewGroup(h, h.Root())
	for task := range 6 {
		g.Go("append", func(sc *host.Scope) error {
			for i := range 60 {
				r := newRecord(h, wal.StreamID(task), int64(i), payload(task*1000+i, 50+(i*997)%9000))
				if err := l.Append(sc, 0, r); err != nil {
					return err
				}
				if err := r.wait(); err != nil {
					return err
				}
				got := make([]byte, len(r.data))
				err := l.ReadAt(sc, r.at, got)
				if err != nil && !errors.Is(err, wal.ErrTrimmed) {
					return err
				}
				if err == nil && !bytes.Equal(got, r.data) {
					return fmt.Errorf("task %d, record %d came back wrong", task, i)
				}
				if i%7 == task {
					l.Trim(r.at.Frame)
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Greater(t, uint64(l.End()), uint64(2*cfg.Capacity), "the ring was never reused")
	require.NoError(t, l.Close(h.Root()))
	require.Zero(t, pool.Held(wal.HolderLog))
	require.Equal(t, pool.Slabs(), pool.Free())
}
