package localcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Cluster is a set of processes and the net between them.
type Cluster struct {
	Net *Net

	nodes     []*Node
	processes []*process
	say       func(format string, args ...any)
	changed   func()
}

// Times of a cluster.
const (
	ReadyMax = 60 * time.Second // from a start of all nodes until they serve
	StopMax  = 45 * time.Second // from SIGTERM to the end; then comes kill -9
)

// New writes the plan of a cluster and opens its proxies; nothing is started. say is told, one line a call, what
// happens to nodes that nobody asked for.
func New(spec Spec, say func(format string, args ...any)) (*Cluster, error) {
	nodes, err := spec.plan()
	if err != nil {
		return nil, err
	}
	if err := spec.write(nodes); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	c := &Cluster{Net: NewNet(), nodes: nodes, say: say, changed: func() {}}
	for _, n := range nodes {
		if err := c.proxies(&spec, n); err != nil {
			c.Net.Close()
			return nil, err
		}
		p := &process{node: n, binary: spec.Binary, args: spec.Args[n.ID], phase: Absent, since: time.Now()}
		c.processes = append(c.processes, p)
	}
	return c, nil
}

func (c *Cluster) proxies(spec *Spec, n *Node) error {
	err := c.Net.NodeProxy(n.Cluster, n.clusterBehind, n.ID)
	if err == nil && spec.ClientProxies && n.Broker {
		err = c.Net.Proxy(n.Kafka, n.kafkaBehind, Link{Clients, NodeEnd(n.ID)})
	}
	if err == nil && n.store != "" {
		err = c.Net.Proxy(n.store, spec.StoreAddr, Link{NodeEnd(n.ID), Store})
	}
	return err
}

// Nodes are the nodes in the order of their ids, which begin with 1.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// Bootstrap are the Kafka addresses of all brokers.
func (c *Cluster) Bootstrap() []string {
	var list []string
	for _, n := range c.nodes {
		if n.Broker {
			list = append(list, n.Kafka)
		}
	}
	return list
}

// Status tells every node as it is now.
func (c *Cluster) Status() []Status {
	var list []Status
	for _, p := range c.processes {
		list = append(list, p.status())
	}
	return list
}

// StartAll starts every node and waits until all are ready, telling of each as it gets there.
func (c *Cluster) StartAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ReadyMax)
	defer cancel()
	var wait sync.WaitGroup
	errs := make([]error, len(c.nodes))
	for i, n := range c.nodes {
		wait.Go(func() {
			if errs[i] = c.Start(ctx, n.ID); errs[i] == nil {
				c.say("node %d is ready after %s", n.ID, c.took(n.ID))
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) took(id int) time.Duration {
	p := c.processes[id-1]
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.took.Round(time.Millisecond)
}

// on runs an action on a node while no other one is under way on it.
func (c *Cluster) on(id int, act func(*process) error) error {
	if id < 1 || id > len(c.processes) {
		return fmt.Errorf("there is no node %d; they are 1 to %d", id, len(c.processes))
	}
	p := c.processes[id-1]
	p.action.Lock()
	defer p.action.Unlock()
	return act(p)
}

// Start starts a node that does not run, and waits until it is ready.
func (c *Cluster) Start(ctx context.Context, id int) error {
	if err := c.Launch(id); err != nil {
		return err
	}
	return c.AwaitReady(ctx, id)
}

// AwaitReady waits until a node that was launched is ready.
func (c *Cluster) AwaitReady(ctx context.Context, id int) error {
	return c.processes[id-1].awaitReady(ctx)
}

// Gone waits until a node's process has ended.
func (c *Cluster) Gone(ctx context.Context, id int) error { return c.processes[id-1].gone(ctx) }

// Launch starts a node that does not run, and waits for nothing.
func (c *Cluster) Launch(id int) error {
	return c.on(id, func(p *process) error {
		defer c.changed()
		return p.launch(func(how string, asked bool) {
			if asked {
				c.say("node %d has ended: %s", id, how)
			} else {
				c.say("node %d has ended by itself: %s: %s", id, how, p.lastWords())
			}
			c.changed()
		})
	})
}

// SetArgs gives a node's next processes other flags than Spec.Args said.
func (c *Cluster) SetArgs(id int, args []string) error {
	return c.on(id, func(p *process) error {
		p.args = args
		return nil
	})
}

// OnChange has fn called after each start and end of a process. It is set before anything is started.
func (c *Cluster) OnChange(fn func()) { c.changed = fn }

// Kill is kill -9; it returns when the process is gone.
func (c *Cluster) Kill(id int) error {
	return c.on(id, func(p *process) error {
		if err := p.signal(syscall.SIGKILL, "kill -9", ""); err != nil {
			return err
		}
		return p.gone(context.Background()) // the kernel lets no process survive it
	})
}

// Pause is SIGSTOP: the process keeps its files, connections and locks, and does nothing.
func (c *Cluster) Pause(id int) error {
	return c.on(id, func(p *process) error {
		if p.status().Phase == Paused {
			return fmt.Errorf("node %d is paused already", id)
		}
		return p.signal(syscall.SIGSTOP, "", Paused)
	})
}

// Resume is SIGCONT.
func (c *Cluster) Resume(id int) error { return c.on(id, (*process).resume) }

// Stop is SIGTERM: the node hands its partitions over and ends. Stop waits for that.
func (c *Cluster) Stop(ctx context.Context, id int) error {
	return c.on(id, func(p *process) error {
		if p.status().Phase == Paused {
			return fmt.Errorf("node %d is paused; resume it first", id)
		}
		if err := p.signal(syscall.SIGTERM, "SIGTERM", Stopping); err != nil {
			return err
		}
		return p.gone(ctx)
	})
}

// Notice makes the node's notice file, as the agent of a cloud does that will take the machine away soon.
func (c *Cluster) Notice(id int) error {
	return c.on(id, func(p *process) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.phase == Absent || p.phase == Ended {
			return fmt.Errorf("node %d does not run", id)
		}
		p.asked = "a notice"
		return os.WriteFile(p.node.NoticeFile, []byte(time.Now().Format(time.RFC3339)+"\n"), 0o644)
	})
}

// Ends tells whether both names are ends of links: node numbers, "clients" and "store".
func (c *Cluster) Ends(names ...string) error {
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if name != Clients && name != Store && (err != nil || n < 1 || n > len(c.nodes)) {
			return fmt.Errorf("%q is no end of a link; give the number of a node from 1 to %d, %s or %s", name,
				len(c.nodes), Clients, Store)
		}
	}
	return nil
}

// Cut holds back what flows from one end to another, and, unless it is one way, what flows back.
func (c *Cluster) Cut(from, to string, oneWay bool) {
	c.Net.Set(Link{from, to}, Rule{Cut: true})
	if !oneWay {
		c.Net.Set(Link{to, from}, Rule{Cut: true})
	}
}

// Down ends every process, those that are no controllers first, and closes the net. A process that does not end by
// SIGTERM in StopMax is killed. It returns how each has ended.
func (c *Cluster) Down() []Status {
	c.Net.Heal()
	var first, rest []*process
	for _, p := range c.processes {
		if p.node.Controller {
			rest = append(rest, p)
		} else {
			first = append(first, p)
		}
	}
	for _, group := range [][]*process{first, rest} {
		var wait sync.WaitGroup
		for _, p := range group {
			wait.Go(func() { c.end(p) })
		}
		wait.Wait()
	}
	c.Net.Close()
	return c.Status()
}

// end ends one process, in order if it can.
func (c *Cluster) end(p *process) {
	_ = p.resume() // most are not paused
	if p.signal(syscall.SIGTERM, "SIGTERM", Stopping) != nil {
		return // it does not run
	}
	ctx, cancel := context.WithTimeout(context.Background(), StopMax)
	defer cancel()
	if p.gone(ctx) == nil {
		return
	}
	c.say("node %d does not end within %s: kill -9", p.node.ID, StopMax)
	if p.signal(syscall.SIGKILL, "kill -9", "") == nil {
		_ = p.gone(context.Background()) // the kernel lets no process survive it
	}
}

// Running are the ids of the nodes whose processes are there, paused ones too.
func (c *Cluster) Running() []int {
	var ids []int
	for _, s := range c.Status() {
		if s.PID != 0 {
			ids = append(ids, s.ID)
		}
	}
	return slices.Clip(ids)
}
