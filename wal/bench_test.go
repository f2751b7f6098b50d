package wal_test

import (
	"fmt"
	"testing"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/wal"
)

// shared is a record that is appended over and over by one task.
type shared struct {
	data []byte
	p    host.Parker
	left int // completions to wait for
}

func (r *shared) Size() int { return len(r.data) }

func (r *shared) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	copy(dst, r.data)
	return wal.Entry{Stream: 1, Epoch: 1, Kind: wal.KindData, Count: 1}, nil
}

func (r *shared) Durable(error) {
	if r.left--; r.left == 0 {
		r.p.Unpark()
	}
}

// BenchmarkAppend appends groups of records and waits for each group: allocations are an append's.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ size, group int }{{4 << 10, 1}, {4 << 10, 64}, {256 << 10, 8}} {
		b.Run(fmt.Sprintf("%dx%d", c.group, c.size), func(b *testing.B) {
			h := realHost(b)
			vol, err := h.Disk().Volume(nil, "wal")
			if err != nil {
				b.Fatal(err)
			}
			pool, err := wal.NewSlabPool(h, 4, 8<<20)
			if err != nil {
				b.Fatal(err)
			}
			cfg := wal.Config{Capacity: 64 << 20, Slabs: pool}
			if err := wal.Format(nil, h, vol, "ring", cfg, testIdentity); err != nil {
				b.Fatal(err)
			}
			l, _, err := wal.Open(h.Root(), h, vol, "ring", cfg, expect(2))
			if err != nil {
				b.Fatal(err)
			}
			r := &shared{data: make([]byte, c.size), p: h.Parker()}
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for n := 0; n < b.N; n += c.group {
				r.left = c.group
				for range c.group {
					if err := l.Append(h.Root(), 0, r); err != nil {
						b.Fatal(err)
					}
				}
				if err := r.p.Park(nil, 0); err != nil {
					b.Fatal(err)
				}
				l.Trim(l.Durable())
			}
			b.StopTimer()
			b.ReportMetric(float64(l.Stats().Syncs)/float64(b.N), "syncs/op")
			if err := l.Close(h.Root()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
