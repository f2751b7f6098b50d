//go:build integration

package jepsen

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirmq/weir/check"
)

// pulse keeps one record under way to each partition, and notes each acknowledgement.
type pulse struct {
	r *run

	mu   sync.Mutex
	acks [][]ack // by partition, in the order of their ends
}

// ack is an acknowledged record: when it was sent and answered, on the recorder's clock.
type ack struct{ call, end int64 }

// newPulse begins to send to every partition, from clients that share the partitions among them.
func (r *run) newPulse(stop <-chan struct{}, clients int, turns *pace) *pulse {
	p := &pulse{r: r, acks: make([][]ack, r.partitions)}
	opts := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.DefaultProduceTopic(topic), kgo.MetadataMinAge(20 * time.Millisecond)}
	var made []*kgo.Client
	for range clients {
		made = append(made, r.newClient(opts...))
	}
	for part := range r.partitions {
		client, id := made[int(part)%clients], r.rec.client()
		r.workers.Go(func() {
			for seq := uint32(1); turns.wait(stop); seq++ {
				p.beat(client, id, seq, part)
			}
		})
	}
	return p
}

func (p *pulse) beat(client *kgo.Client, id int32, seq uint32, part int32) {
	value := check.ValueOf(id, seq)
	op := check.Op{Kind: check.Produce, Client: id, Call: p.r.rec.now(), Values: []check.Value{value}, Idempotent: true,
		Partition: check.Partition{Topic: topic, Index: part}}
	defer p.r.rec.begun(&op)()
	rec, err := client.ProduceSync(p.r.clients, &kgo.Record{Partition: part, Value: encode(value)}).First()
	op.Outcome = outcome(err)
	if err == nil {
		op.Offset = rec.Offset
		p.mu.Lock()
		p.acks[part] = append(p.acks[part], ack{op.Call, p.r.rec.now()})
		p.mu.Unlock()
	} else if p.r.clients.Err() == nil {
		p.r.failf("partition %d: the application was told: %v", part, err)
	}
	p.r.rec.done(op)
}

// servedSince returns, for each partition, the end of the first record that was sent after a time, 0 if there is none.
func (p *pulse) servedSince(t int64) []int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	ends := make([]int64, len(p.acks))
	for i, list := range p.acks {
		for k := len(list) - 1; k >= 0 && list[k].call > t; k-- {
			ends[i] = list[k].end
		}
	}
	return ends
}

// longestGap is the longest time between two acknowledgements of a partition that reaches into [from, to).
func (p *pulse) longestGap(part int32, from, to int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := int64(0)
	list := p.acks[part]
	for i := 1; i < len(list); i++ {
		if list[i].end >= from && list[i-1].end < to {
			longest = max(longest, list[i].end-list[i-1].end)
		}
	}
	return time.Duration(longest)
}

// TestFailover measures how long it takes from kill -9 of a node until every partition serves again, with each node
// in turn as the victim: one of them leads the controllers.
func TestFailover(t *testing.T) {
	r := newRun(t, 24, map[string]string{"lease": lease.String()})
	stop := make(chan struct{})
	p := r.newPulse(stop, 4, newPace(1500))
	adm := kadm.NewClient(r.newClient())
	n := r.newNemesis()
	var took []time.Duration
	for turn := range 2 * nodes {
		require.Eventually(t, func() bool { // every node has something
			counts := r.leaders(adm)
			return len(counts) == nodes || turn > 0
		}, time.Minute, 100*time.Millisecond)
		time.Sleep(2 * time.Second)
		victim := turn%nodes + 1
		led := r.leaders(adm)[int32(victim)]
		leads := r.controller() == victim
		at := r.rec.now()
		require.NoError(t, r.cluster.Kill(victim))
		var ends []int64
		require.Eventually(t, func() bool {
			ends = p.servedSince(at)
			return !slices.Contains(ends, 0)
		}, restMax, 10*time.Millisecond, "not every partition serves again")
		all := time.Duration(slices.Max(ends) - at)
		took = append(took, all)
		t.Logf("lease %s: node %d killed (controller leader: %v, led %d of %d partitions): all serve after %s", *lease,
			victim, leads, led, r.partitions, all.Round(time.Millisecond))
		require.NoError(t, n.start(victim))
	}
	slices.Sort(took)
	t.Logf("lease %s, %d kills: median %s, slowest %s", *lease, len(took), took[len(took)/2].Round(time.Millisecond),
		took[len(took)-1].Round(time.Millisecond))
	r.rest(stop)
	r.verdict(check.Counts{Acked: 1000})
}

// leaders counts the partitions of each leader.
func (r *run) leaders(adm *kadm.Client) map[int32]int {
	ctx, cancel := context.WithTimeout(r.clients, readMax)
	defer cancel()
	meta, err := adm.Metadata(ctx, topic)
	require.NoError(r.t, err)
	counts := map[int32]int{}
	for _, p := range meta.Topics[topic].Partitions {
		if p.Leader > 0 {
			counts[p.Leader]++
		}
	}
	return counts
}

// controller is the node that leads the controllers, 0 if nobody is known to.
func (r *run) controller() int {
	for _, n := range r.cluster.Nodes() {
		ctx, cancel := context.WithTimeout(r.ctx, readMax)
		out, err := exec.CommandContext(ctx, program, "cluster", "status", "--json", "--cluster", n.Cluster).Output()
		cancel()
		var view struct {
			Leader int `json:"leader"`
		}
		if err == nil && json.Unmarshal(out, &view) == nil && view.Leader > 0 {
			return view.Leader
		}
	}
	return 0
}

// verdict reads everything back and judges it.
func (r *run) verdict(least check.Counts) {
	h, whole := r.history()
	require.True(r.t, whole, "not every partition can be read")
	v := check.Judge(h, least)
	r.t.Log(v)
	require.Zero(r.t, v.Total)
	require.Empty(r.t, r.failures)
}
