//go:build integration

package jepsen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/weirmq/weir/localcluster"
)

// kills ends nodes by kill -9 and starts them again, soon or after others have taken over.
func (n *nemesis) kills(ids ...int) error {
	for _, id := range ids {
		if err := n.cluster.Kill(id); err != nil {
			return err
		}
		n.mark("crash", "node %d is killed", id)
	}
	if n.random.IntN(2) == 0 {
		n.lasts(100*time.Millisecond, time.Second)
	} else {
		n.lasts(*lease+2*time.Second, *lease+4*time.Second)
	}
	return n.start(ids...)
}

func (n *nemesis) kill() error { return n.kills(n.victim()) }

func (n *nemesis) killTwo() error {
	a, b := n.pair()
	return n.kills(a, b)
}

func (n *nemesis) killAll() error { return n.kills(1, 2, 3) }

// killController kills the node that leads the controllers.
func (n *nemesis) killController() error {
	leader := n.controller()
	if leader == 0 {
		return errors.New("nobody is known to lead the controllers")
	}
	return n.kills(leader)
}

func (n *nemesis) pauses(least, most time.Duration) error {
	id := n.victim()
	if err := n.cluster.Pause(id); err != nil {
		return err
	}
	n.lasts(least, most)
	return n.cluster.Resume(id)
}

// pause is a stop that is longer than the lease: when the node goes on, others have what it had.
func (n *nemesis) pause() error { return n.pauses(*lease+time.Second, *lease+4*time.Second) }

func (n *nemesis) pauseShort() error { return n.pauses(*lease/10, *lease) }

// vanish is a machine that is gone without a word: nobody gets a reset or an end of a connection.
func (n *nemesis) vanish() error {
	id := n.victim()
	end := localcluster.NodeEnd(id)
	for _, other := range append(n.others(id), localcluster.Clients, localcluster.Store) {
		n.cluster.Cut(end, other, false)
	}
	defer n.cluster.Net.Heal()
	if err := n.cluster.Kill(id); err != nil {
		return err
	}
	n.mark("crash", "node %d vanishes", id)
	n.lasts(*lease+2*time.Second, *lease+4*time.Second)
	n.cluster.Net.Heal()
	return n.start(id)
}

// others are the ends of all other nodes.
func (n *nemesis) others(id int) []string {
	var list []string
	for i := 1; i <= nodes; i++ {
		if i != id {
			list = append(list, localcluster.NodeEnd(i))
		}
	}
	return list
}

// while holds rules for some seconds, more than a lease.
func (n *nemesis) while(set func(*localcluster.Net)) error {
	defer n.cluster.Net.Heal()
	set(n.cluster.Net)
	n.lasts(2*time.Second, *lease+4*time.Second)
	return nil
}

var cut = localcluster.Rule{Cut: true}

// isolate takes a node from the other nodes; clients and store still reach it.
func (n *nemesis) isolate() error {
	id := n.victim()
	return n.while(func(net *localcluster.Net) {
		for _, o := range n.others(id) {
			net.Set(localcluster.Link{From: localcluster.NodeEnd(id), To: o}, cut)
			net.Set(localcluster.Link{From: o, To: localcluster.NodeEnd(id)}, cut)
		}
	})
}

// mute: the others hear nothing of the node, and it hears all of them.
func (n *nemesis) mute() error {
	id := n.victim()
	return n.while(func(net *localcluster.Net) {
		for _, o := range n.others(id) {
			net.Set(localcluster.Link{From: localcluster.NodeEnd(id), To: o}, cut)
		}
	})
}

// deafen: the node hears nothing of the others, and they hear it.
func (n *nemesis) deafen() error {
	id := n.victim()
	return n.while(func(net *localcluster.Net) {
		for _, o := range n.others(id) {
			net.Set(localcluster.Link{From: o, To: localcluster.NodeEnd(id)}, cut)
		}
	})
}

func (n *nemesis) links() (there, back localcluster.Link) {
	a, b := n.pair()
	there = localcluster.Link{From: localcluster.NodeEnd(a), To: localcluster.NodeEnd(b)}
	return there, there.Back()
}

func (n *nemesis) cutPair() error {
	there, back := n.links()
	return n.while(func(net *localcluster.Net) {
		net.Set(there, cut)
		net.Set(back, cut)
	})
}

func (n *nemesis) cutPairOneWay() error {
	there, _ := n.links()
	return n.while(func(net *localcluster.Net) { net.Set(there, cut) })
}

func (n *nemesis) slowLinks() error {
	return n.while(func(net *localcluster.Net) {
		for i := 1; i <= nodes; i++ {
			for _, o := range n.others(i) {
				delay := time.Duration(20+n.random.IntN(180)) * time.Millisecond
				net.Set(localcluster.Link{From: localcluster.NodeEnd(i), To: o}, localcluster.Rule{Delay: delay})
			}
		}
	})
}

func (n *nemesis) resetLinks() error {
	for range 5 {
		there, _ := n.links()
		n.cluster.Net.Reset(there)
		n.lasts(200*time.Millisecond, 800*time.Millisecond)
	}
	return nil
}

func (n *nemesis) client() localcluster.Link {
	return localcluster.Link{From: localcluster.Clients, To: localcluster.NodeEnd(n.victim())}
}

func (n *nemesis) cutClients() error {
	l := n.client()
	return n.while(func(net *localcluster.Net) {
		net.Set(l, cut)
		if n.random.IntN(2) == 0 {
			net.Set(l.Back(), cut)
		}
	})
}

func (n *nemesis) slowClients() error {
	l := n.client()
	return n.while(func(net *localcluster.Net) {
		net.Set(l, localcluster.Rule{Delay: 50 * time.Millisecond})
		net.Set(l.Back(), localcluster.Rule{Delay: 50 * time.Millisecond, Rate: 256 << 10})
	})
}

func (n *nemesis) resetClients() error {
	for range 10 {
		n.cluster.Net.Reset(n.client())
		n.lasts(50*time.Millisecond, 500*time.Millisecond)
	}
	return nil
}

func (n *nemesis) storeAway() error {
	n.store.Stop()
	n.lasts(2*time.Second, 8*time.Second)
	ctx, cancel := context.WithTimeout(n.ctx, startMax)
	defer cancel()
	return n.store.Start(ctx)
}

func (n *nemesis) storeSlow() error {
	return n.while(func(net *localcluster.Net) {
		for i := 1; i <= nodes; i++ {
			slow := localcluster.Rule{Delay: 200 * time.Millisecond, Rate: 512 << 10}
			net.Set(localcluster.Link{From: localcluster.NodeEnd(i), To: localcluster.Store}, slow)
			net.Set(localcluster.Link{From: localcluster.Store, To: localcluster.NodeEnd(i)}, slow)
		}
	})
}

// cutStore takes the store from one node.
func (n *nemesis) cutStore() error {
	l := localcluster.Link{From: localcluster.NodeEnd(n.victim()), To: localcluster.Store}
	return n.while(func(net *localcluster.Net) {
		net.Set(l, cut)
		if n.random.IntN(2) == 0 {
			net.Set(l.Back(), cut)
		}
	})
}

// clockPlan sets a node's clocks wrong, over and over; docs/format/fault-plan.md.
const clockPlan = `
	1s  weir  C1.step    arg=3
	2s  weir  C1.skew    for=2s  arg=5
	4s  weir  C1.drift   for=3s  arg=2
	6s  weir  C1.strobe  for=2s  arg=7
`

// clock restarts a node with clocks that go wrong, and once more with good ones.
func (n *nemesis) clock() error {
	id := n.victim()
	file := filepath.Join(n.dir, "clock.plan")
	if err := os.WriteFile(file, []byte(clockPlan), 0o600); err != nil {
		return err
	}
	if err := n.restart(id, "--fault-plan", file, "--allow-faults"); err != nil {
		return err
	}
	time.Sleep(9 * time.Second) // the plan's length
	return n.restart(id)
}

// restart drains a node and starts it again with other flags.
func (n *nemesis) restart(id int, args ...string) error {
	if err := n.stop(id); err != nil {
		return err
	}
	if err := n.cluster.SetArgs(id, args); err != nil {
		return err
	}
	return n.start(id)
}

func (n *nemesis) stop(id int) error {
	ctx, cancel := context.WithTimeout(n.ctx, localcluster.StopMax)
	defer cancel()
	begin := time.Now()
	if err := n.cluster.Stop(ctx, id); err != nil {
		return err
	}
	n.t.Logf("          node %d has drained in %s", id, time.Since(begin).Round(time.Millisecond))
	n.mark("fault", "drain")
	return nil
}

func (n *nemesis) drain() error {
	id := n.victim()
	if err := n.stop(id); err != nil {
		return err
	}
	n.lasts(100*time.Millisecond, *lease+2*time.Second)
	return n.start(id)
}

// notice tells a node by a file that its machine will be taken away; it has to end by itself.
func (n *nemesis) notice() error {
	id := n.victim()
	if err := n.cluster.Notice(id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(n.ctx, localcluster.StopMax)
	defer cancel()
	if err := n.cluster.Gone(ctx, id); err != nil {
		return err
	}
	return n.start(id)
}

func (n *nemesis) rolling() error {
	for id := 1; id <= nodes; id++ {
		if err := n.restart(id); err != nil {
			return err
		}
	}
	return nil
}

// moves has the leaders of partitions changed for some seconds, one after the other.
func (n *nemesis) moves() error {
	end := time.Now().Add(*lease + 2*time.Second)
	count := 0
	for time.Now().Before(end) {
		p, to := n.random.Int32N(n.partitions), n.victim()
		if _, err := move(n.ctx, n.admin, p, int32(to)); err != nil {
			return err
		}
		count++
	}
	n.t.Logf("          %d moves", count)
	return nil
}

// moveMax is how long a move may take with every node up and every link whole.
const moveMax = 10 * time.Second

// move has a partition's leader changed, waits until clients are told the new one, and returns how long it took.
func move(ctx context.Context, adm *kadm.Client, p, to int32) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, moveMax)
	defer cancel()
	begin := time.Now()
	var req kadm.AlterPartitionAssignmentsReq
	req.Assign(topic, p, []int32{to})
	resp, err := adm.AlterPartitionAssignments(ctx, req)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("move partition %d to node %d: %w", p, to, err)
	}
	for {
		meta, err := adm.Metadata(ctx, topic)
		if err == nil && meta.Topics[topic].Partitions[p].Leader == to {
			return time.Since(begin), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("partition %d has not moved to node %d within %s (leader %d, %v)", p, to, moveMax,
				meta.Topics[topic].Partitions[p].Leader, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
