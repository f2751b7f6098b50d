//go:build integration

package jepsen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirmq/weir/localcluster"
	simrun "github.com/weirmq/weir/sim/run"
)

// mischief is one kind of fault: it happens, lasts as long as it likes, and is over when do returns.
type mischief struct {
	name string
	do   func(*nemesis) error
}

// nemesis does one mischief after the other.
type nemesis struct {
	*run
	kinds []mischief
	bands []simrun.Band
	marks []simrun.Mark
	times map[string]int
	admin *kadm.Client
}

// mischiefs are all faults that a run draws from.
var mischiefs = []mischief{
	{"kill", (*nemesis).kill}, {"kill two", (*nemesis).killTwo}, {"kill all", (*nemesis).killAll},
	{"kill leader", (*nemesis).killController}, {"pause", (*nemesis).pause}, {"pause short", (*nemesis).pauseShort},
	{"vanish", (*nemesis).vanish},
	{"isolate", (*nemesis).isolate}, {"mute", (*nemesis).mute}, {"deafen", (*nemesis).deafen},
	{"cut pair", (*nemesis).cutPair}, {"cut pair one way", (*nemesis).cutPairOneWay},
	{"slow links", (*nemesis).slowLinks}, {"reset links", (*nemesis).resetLinks},
	{"cut clients", (*nemesis).cutClients}, {"slow clients", (*nemesis).slowClients},
	{"reset clients", (*nemesis).resetClients},
	{"store away", (*nemesis).storeAway}, {"store slow", (*nemesis).storeSlow}, {"cut store", (*nemesis).cutStore},
	{"clock", (*nemesis).clock}, {"moves", (*nemesis).moves}, {"drain", (*nemesis).drain},
	{"notice", (*nemesis).notice}, {"rolling restart", (*nemesis).rolling},
}

func (r *run) newNemesis() *nemesis {
	admin := kadm.NewClient(r.newClient(kgo.MetadataMinAge(10 * time.Millisecond)))
	n := &nemesis{run: r, times: map[string]int{}, admin: admin}
	names := strings.Split(*only, ",")
	for _, m := range mischiefs {
		if *only == "" || slices.Contains(names, m.name) {
			n.kinds = append(n.kinds, m)
		}
	}
	require.NotEmpty(r.t, n.kinds, "-only names no fault")
	return n
}

func (n *nemesis) seconds() float64 { return float64(n.rec.now()) / 1e9 }

// rage does mischief for a while, one every so often; each kind comes once before any comes again.
func (n *nemesis) rage(length, every time.Duration) {
	begin := time.Now()
	var left []mischief
	for turn := 0; ; turn++ {
		at := begin.Add(every/3 + time.Duration(turn)*every)
		if at.After(begin.Add(length)) {
			break
		}
		time.Sleep(time.Until(at))
		if len(left) == 0 {
			left = slices.Clone(n.kinds)
			n.random.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		}
		n.one(left[0])
		left = left[1:]
	}
	time.Sleep(time.Until(begin.Add(length)))
}

// one does one mischief, and notes when it began and ended.
func (n *nemesis) one(m mischief) {
	n.whole()
	n.spread()
	from := n.seconds()
	before := n.rec.acked.Load()
	err := m.do(n)
	n.try(m.name, err)
	n.times[m.name]++
	n.bands = append(n.bands, simrun.Band{Fault: m.name, From: from, To: n.seconds()})
	n.t.Logf("%6.1f s  %-18s %4.1f s, %d records acknowledged meanwhile", from, m.name, n.seconds()-from,
		n.rec.acked.Load()-before)
}

// whole brings back what an earlier mischief has left behind when it failed.
func (n *nemesis) whole() {
	n.cluster.Net.Heal()
	for _, s := range n.cluster.Status() {
		if s.Phase == localcluster.Paused {
			n.try("resume", n.cluster.Resume(s.ID))
		}
		if s.Phase == localcluster.Ended {
			n.try("clear", n.cluster.SetArgs(s.ID, nil))
			n.try("start", n.start(s.ID))
		}
	}
}

// spread has the partitions led by all nodes alike: after a restart a node leads none, and nothing done to it is felt.
// What does not move in this little time stays where it is.
func (n *nemesis) spread() {
	const most = 2 * time.Second
	ctx, cancel := context.WithTimeout(n.ctx, most)
	defer cancel()
	var req kadm.AlterPartitionAssignmentsReq
	for p := range n.partitions {
		req.Assign(topic, p, []int32{p%nodes + 1})
	}
	_, _ = n.admin.AlterPartitionAssignments(ctx, req) // a cluster that is not whole yet refuses
	for ctx.Err() == nil {
		meta, err := n.admin.Metadata(ctx, topic)
		there := err == nil
		for p, d := range meta.Topics[topic].Partitions {
			there = there && d.Leader == p%nodes+1
		}
		if there {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// mark notes an instant.
func (n *nemesis) mark(kind, format string, args ...any) {
	n.marks = append(n.marks, simrun.Mark{At: n.seconds(), Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// lasts waits as long as a fault lasts that has no end of its own.
func (n *nemesis) lasts(least, most time.Duration) {
	time.Sleep(least + time.Duration(n.random.Int64N(int64(most-least))))
}

// victim draws a node.
func (n *nemesis) victim() int { return n.random.IntN(nodes) + 1 }

// pair draws two nodes.
func (n *nemesis) pair() (int, int) {
	all := n.random.Perm(nodes)
	return all[0] + 1, all[1] + 1
}

const startMax = 60 * time.Second // of one node, from its start until it is ready

func (n *nemesis) start(ids ...int) error {
	ctx, cancel := context.WithTimeout(n.ctx, startMax)
	defer cancel()
	for _, id := range ids {
		if err := n.cluster.Launch(id); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := n.cluster.AwaitReady(ctx, id); err != nil {
			return err
		}
		n.mark("start", "node %d is ready", id)
	}
	return nil
}
