package fsck_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/sim"
)

// BenchmarkCheck checks a world's volumes and store as the simulator does in the middle of a run: a ring of 2 MiB,
// about a hundred objects, everything that does not change known from the check before.
func BenchmarkCheck(b *testing.B) {
	r := newRig(b, sim.Config{Seed: 5})
	w := r.w
	require.NoError(b, r.boot())
	require.NoError(b, r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 3); err != nil {
			return err
		}
		for i := range 900 {
			if _, err := c.produce(int32(i%3), batch.Plain(), fmt.Sprint("value", i), fmt.Sprint("more",
				i)); err != nil {
				return err
			}
			if err := c.h.Sleep(c.sc, 40*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}))
	meta, wal := durable(r.m.Volume("meta")), durable(r.m.Volume("wal"))
	o := fsck.Options{Cache: &fsck.Cache{}, Batch: func(fsck.Batch) {}}
	rep := fsck.Check(meta, wal, bucket{w}, o)
	require.NoError(b, rep.Err())
	b.ResetTimer()
	for b.Loop() {
		rep = fsck.Check(meta, wal, bucket{w}, o)
	}
	b.ReportMetric(float64(rep.Counts.Objects), "objects")
	b.ReportMetric(float64(rep.Counts.Batches), "batches")
	require.NoError(b, w.Close())
}
