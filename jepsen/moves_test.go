//go:build integration

package jepsen

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirmq/weir/check"
)

var moveCount = flag.Int("moves", 200, "moves of TestStallOfAMove")

// TestStallOfAMove moves partitions under half of the load that the cluster can take, one after the other, and
// measures how long the producer of the moved partition waits for an acknowledgement.
func TestStallOfAMove(t *testing.T) {
	r := newRun(t, 64, map[string]string{"lease": lease.String()})
	measure := make(chan struct{})
	r.newPulse(measure, 8, newPace(1_000_000))
	const warm = 5 * time.Second
	time.Sleep(warm)
	close(measure)
	most := float64(r.rec.acked.Load()) / warm.Seconds()
	r.workers.Wait()

	stop := make(chan struct{})
	p := r.newPulse(stop, 8, newPace(int(most/2)))
	time.Sleep(time.Second)
	adm := kadm.NewClient(r.newClient(kgo.MetadataMinAge(10 * time.Millisecond)))
	type span struct {
		part     int32
		from, to int64
	}
	var spans []span
	var took []time.Duration
	for i := range *moveCount {
		part := int32(i) % r.partitions
		to := r.leader(adm, part)%nodes + 1
		from := r.rec.now()
		d, err := move(r.clients, adm, part, to)
		require.NoError(t, err, "move %d", i)
		spans, took = append(spans, span{part, from, r.rec.now()}), append(took, d)
	}
	time.Sleep(time.Second)
	var stalls, quiet []time.Duration
	for _, s := range spans {
		stalls = append(stalls, p.longestGap(s.part, s.from, s.to+int64(500*time.Millisecond)))
		other := (s.part + r.partitions/2) % r.partitions // one that does not move meanwhile
		quiet = append(quiet, p.longestGap(other, s.from, s.to+int64(500*time.Millisecond)))
	}
	t.Logf("%d partitions, %.0f records/s of at most %.0f, lease %s", r.partitions, most/2, most, *lease)
	t.Logf("stall of the moved partition's producer: %s", quantiles(stalls))
	t.Logf("longest gap of another partition's producer in the same time: %s", quantiles(quiet))
	t.Logf("from the order until clients are told the new leader: %s", quantiles(took))
	r.rest(stop)
	r.verdict(check.Counts{Acked: 1000})
}

func quantiles(list []time.Duration) string {
	s := slices.Sorted(slices.Values(list))
	at := func(q float64) string {
		return s[min(len(s)-1, int(q*float64(len(s))))].Round(100 * time.Microsecond).String()
	}
	return "p50 " + at(0.5) + ", p99 " + at(0.99) + ", slowest " + at(1)
}

// leader is who leads a partition.
func (r *run) leader(adm *kadm.Client, part int32) int32 {
	meta, err := adm.Metadata(r.clients, topic)
	require.NoError(r.t, err)
	return meta.Topics[topic].Partitions[part].Leader
}
