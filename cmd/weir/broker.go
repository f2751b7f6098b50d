package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
)

func brokerCommand() *cobra.Command {
	var addr string
	var wait time.Duration
	cmd := &cobra.Command{Use: "broker", Short: "List, drain and fence the brokers of a cluster"}
	list := &cobra.Command{
		Use: "list", Short: "Show every broker: what it owns, what it owes",
		Long: `Show every broker as metadata knows it.

PARTITIONS are those that it leads; OWES counts ranges and records that lie in its WALs and not in objects
yet, of partitions that others lead by now; RECOVERS counts the WALs of dead brokers that it recovers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withCluster(addr, func(_ *host.Scope, c *clusterClient) error {
				return printBrokers(cmd.OutOrStdout(), c.brokers())
			})
		},
	}
	drain := &cobra.Command{
		Use: "drain ID", Short: "Move everything away from a broker",
		Long: `Tell a broker to give up its partitions, a few at a time, and wait until it owns nothing and all that it has
is in objects. It gets no partition again before its process is restarted. Draining needs another broker
that can take the partitions; without one they stay where they are.

A server that is stopped (SIGTERM) or noticed (--notice-file) drains by itself.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBroker(addr, args[0], func(sc *host.Scope, c *clusterClient, id int32) error {
				return c.drain(sc, cmd.OutOrStdout(), id, wait)
			})
		},
	}
	drain.Flags().DurationVar(&wait, "timeout", 10*time.Minute, "how long to wait; the drain itself goes on")
	fence := &cobra.Command{
		Use: "fence ID", Short: "Take everything from a broker that cannot be talked to",
		Long: `End a broker: it gets no lease any more, and when its last one has run out the cluster fences it, and other
brokers recover its WAL from its volume. Its process ends as soon as it hears of it. A broker that can still be
reached is better drained, or stopped.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBroker(addr, args[0], func(sc *host.Scope, c *clusterClient, id int32) error {
				return c.fence(sc, cmd.OutOrStdout(), id, wait)
			})
		},
	}
	fence.Flags().DurationVar(&wait, "timeout", time.Minute, "how long to wait")
	cmd.AddCommand(list, drain, fence)
	cmd.PersistentFlags().StringVar(&addr, "cluster", "127.0.0.1:9192",
		"cluster address of any controller (its cluster-listen)")
	return cmd
}

// clusterClient is a command's view of a cluster's metadata, and its way to the controllers.
type clusterClient struct {
	h    host.Host
	addr string
	pool *rpc.Pool
	meta *remote.Client
}

// withCluster runs fn with the metadata of the cluster that the controller at addr is of, as it is now.
func withCluster(addr string, fn func(*host.Scope, *clusterClient) error) error {
	h, err := oshost.New(oshost.Config{Data: os.TempDir(), Log: slog.DiscardHandler})
	if err != nil {
		return err
	}
	defer h.Close(nil)
	_, err = onHost(h, func(sc *host.Scope) (struct{}, error) {
		status, err := askStatus(sc, rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Node: -1}}), addr)
		if err != nil {
			return struct{}{}, fmt.Errorf("ask the controller at %s: %w; name the cluster-listen address of a node with the "+
				"role controller (--cluster)", addr, err)
		}
		addrs := []string{addr}
		for _, m := range status.Members {
			addrs = append(addrs, m.Addr)
		}
		c := &clusterClient{h: h, addr: addr}
		c.pool = rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Cluster: rpc.Cluster(status.Cluster), Node: -1}})
		c.meta, err = remote.Open(sc, h, remote.Config{Pool: c.pool, Addresses: addrs, Cluster: status.Cluster})
		if err != nil {
			return struct{}{}, err
		}
		if _, err := c.meta.Sync(sc); err != nil {
			return struct{}{}, fmt.Errorf("read the metadata: %w", err)
		}
		return struct{}{}, fn(sc, c)
	})
	return err
}

func askStatus(sc *host.Scope, pool *rpc.Pool, addr string) (api.StatusAnswer, error) {
	p, err := pool.Call(sc, addr, api.Status, nil, clusterAsk)
	if err != nil {
		return api.StatusAnswer{}, err
	}
	return api.DecodeStatus(p)
}

// withBroker is withCluster for a broker that lives.
func withBroker(addr, arg string, fn func(*host.Scope, *clusterClient, int32) error) error {
	id, err := strconv.ParseInt(arg, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is no broker id: give a number, see `weir broker list`", arg)
	}
	return withCluster(addr, func(sc *host.Scope, c *clusterClient) error {
		for _, b := range c.brokers() {
			if b.id == int32(id) && b.state != "fenced" && b.state != "left" {
				return fn(sc, c, b.id)
			}
		}
		return fmt.Errorf("no broker %d is live; see `weir broker list`", id)
	})
}

// brokerRow is one broker as metadata knows it.
type brokerRow struct {
	id                 int32
	epoch              int64
	state, rack, kafka string
	partitions         int
	owed               int   // ranges …
	records            int64 // … and what is in them
	recovers           int
}

func (c *clusterClient) brokers() (rows []brokerRow) {
	c.meta.Read(func(s *metadata.State) { rows = brokerRows(s) })
	return rows
}

func brokerRows(s *metadata.State) []brokerRow {
	var rows []brokerRow
	for _, b := range s.Brokers() {
		r := brokerRow{id: b.ID, epoch: b.Epoch, rack: b.Rack, state: stateOf(b)}
		for _, e := range b.Endpoints {
			r.kafka = fmt.Sprintf("%s:%d", e.Host, e.Port)
		}
		for _, w := range s.HeldBy(b.ID, b.Epoch) {
			if w.State == metadatapb.WalState_WAL_STATE_RECOVERING && !w.Resumed {
				r.recovers++
			} else {
				r.partitions += w.OpenRanges
			}
			for _, o := range s.Owed(w.ID) {
				r.owed++
				r.records += o.To - o.From
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func stateOf(b metadata.Broker) string {
	switch {
	case b.Deregistered:
		return "left"
	case !b.Live:
		return "fenced"
	case b.Draining:
		return "draining"
	}
	return "live"
}

func printBrokers(w io.Writer, rows []brokerRow) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "BROKER\tEPOCH\tSTATE\tRACK\tKAFKA\tPARTITIONS\tOWES\tRECOVERS")
	for _, r := range rows {
		fmt.Fprintf(out, "%d\t%d\t%s\t%s\t%s\t%d\t%s\t%d\n", r.id, r.epoch, r.state, dash(r.rack), dash(r.kafka),
			r.partitions, r.owes(), r.recovers)
	}
	return out.Flush()
}

func (r *brokerRow) owes() string {
	if r.owed == 0 {
		return "-"
	}
	return fmt.Sprintf("%d ranges, %d records", r.owed, r.records)
}

var (
	errDrainSlow = errors.New("not drained in time; it goes on, see `weir broker list`")
	errNowhere   = errors.New("no other broker can take the partitions: they stay where they are, and the broker gets " +
		"no others; start another broker, or stop this one")
)

// drain drains a broker and says how far it is until it is done.
func (c *clusterClient) drain(sc *host.Scope, w io.Writer, id int32, wait time.Duration) error {
	var epoch int64
	c.meta.Read(func(s *metadata.State) {
		b, _ := s.Broker(id)
		epoch = b.Epoch
	})
	res, err := c.meta.Propose(sc, metadata.NewCommand(&metadatapb.Drain{Broker: id, Epoch: epoch}))
	if err != nil {
		return fmt.Errorf("drain broker %d: %w", id, err)
	}
	if res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		return fmt.Errorf("drain broker %d: %s", id, res.GetDetail())
	}
	said := ""
	return c.until(sc, wait, func(s *metadata.State) (bool, error) {
		line, done, err := drained(s, id, epoch)
		if line != said {
			fmt.Fprintln(w, line)
			said = line
		}
		return done, err
	}, errDrainSlow)
}

// drained tells how far the drain of a broker epoch is.
func drained(s *metadata.State, id int32, epoch int64) (line string, done bool, err error) {
	if !s.Live(id, epoch) {
		return fmt.Sprintf("broker %d has left", id), true, nil
	}
	for _, r := range brokerRows(s) {
		if r.id != id {
			continue
		}
		if r.partitions == 0 && r.owed == 0 && r.recovers == 0 {
			return fmt.Sprintf("broker %d is drained: it owns nothing, and all that it had is in objects", id), true, nil
		}
		line = fmt.Sprintf("broker %d: %d partitions to move, %d ranges with %d records to upload, %d WALs to recover",
			id, r.partitions, r.owed, r.records, r.recovers)
		if r.partitions > 0 && len(s.Seats()) == 0 {
			err = errNowhere
		}
	}
	return line, false, err
}

// fence ends a broker, and waits until it is fenced.
func (c *clusterClient) fence(sc *host.Scope, w io.Writer, id int32, wait time.Duration) error {
	var epoch int64
	c.meta.Read(func(s *metadata.State) {
		b, _ := s.Broker(id)
		epoch = b.Epoch
	})
	status, err := askStatus(sc, c.pool, c.addr)
	if err != nil {
		return err
	}
	leader := status.Leader.Addr
	if status.Leads {
		leader = c.addr
	}
	_, err = c.pool.Call(sc, leader, api.Suspect, api.SuspectRequest{Broker: id, Epoch: epoch}.Encode(), clusterAsk)
	if err != nil {
		return fmt.Errorf("ask the leading controller to fence broker %d: %w", id, err)
	}
	fmt.Fprintf(w, "broker %d gets no lease any more\n", id)
	err = c.until(sc, wait, func(s *metadata.State) (bool, error) { return !s.Live(id, epoch), nil },
		errors.New("not fenced in time: another controller leads by now; repeat the command"))
	if err == nil {
		fmt.Fprintf(w, "broker %d is fenced\n", id)
	}
	return err
}

// until looks at the metadata, whenever they change, until done or late.
func (c *clusterClient) until(
	sc *host.Scope, wait time.Duration, look func(*metadata.State) (bool, error), late error,
) error {
	limit := c.h.Now().Add(wait)
	for {
		var index uint64
		var done bool
		var err error
		c.meta.Read(func(s *metadata.State) {
			index, _ = s.Index()
			done, err = look(s)
		})
		if done || err != nil {
			return err
		}
		if _, err := c.meta.Wait(sc, index, limit); errors.Is(err, host.ErrTimeout) {
			return late
		} else if err != nil {
			return err
		}
	}
}
