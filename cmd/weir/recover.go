package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/rpc"
)

// recoverFlags is what `weir recover` is told.
type recoverFlags struct {
	data, abandon, cluster, accept, operator string
	json                                     bool
}

func recoverCommand() *cobra.Command {
	var f recoverFlags
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Show what is lost or waits to be recovered, and give up what is lost for good",
		Long: `Show what of a cluster waits for an operator, or give up what is lost for good.

With --cluster and nothing else: every partition that is offline because of a hole, with the reason, and
every WAL whose broker is gone and that is not recovered to its end. Recovery needs no operator; what it
cannot read, it leaves as it is.

  --accept-loss TOPIC/PARTITION  the partition's lost records stay lost, and it is served again. Its next
                                 offset lies past all that may have been lost: consumers see a gap.
  --abandon-wal UUID             the WAL volume is lost for good. Everything that was uploaded is served again.
                                 Partitions that had records in the lost WAL only, or may have had, are
                                 offline with that reason: nothing is served short, no offset is given out twice.

Without --cluster it is a single server's data that --abandon-wal is about; the server must not run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "./weir-data", "the server's data directory")
	flags.StringVar(&f.abandon, "abandon-wal", "", "UUID of the WAL to give up")
	flags.StringVar(&f.cluster, "cluster", "", "cluster address of any controller (its cluster-listen)")
	flags.StringVar(&f.accept, "accept-loss", "", "TOPIC/PARTITION whose lost records to give up")
	flags.StringVar(&f.operator, "operator", "", "who says so, for the record (default: $USER)")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func (f *recoverFlags) run(cmd *cobra.Command) error {
	switch {
	case f.accept != "" && f.abandon != "":
		return errors.New("--accept-loss and --abandon-wal are two words: give one at a time")
	case f.cluster == "" && f.accept != "":
		return errors.New("--accept-loss needs --cluster, the address of a controller")
	case f.cluster == "" && f.abandon == "":
		return errors.New("name a cluster with --cluster to look at it, or the WAL of a server that does not run with " +
			"--abandon-wal; the server's message has its uuid")
	}
	var id metadata.UUID
	if f.abandon != "" {
		var err error
		if id, err = metadata.ParseUUID(f.abandon); err != nil {
			return fmt.Errorf("--abandon-wal: %w", err)
		}
	}
	if f.cluster == "" {
		return recoverWAL(cmd, f.data, id)
	}
	return f.onCluster(func(sc *host.Scope, o node.Operator) error {
		switch out := cmd.OutOrStdout(); {
		case f.abandon != "":
			a, err := o.Abandon(sc, id)
			if err != nil {
				return err
			}
			printAbandoned(out, id, a)
			return nil
		case f.accept != "":
			return f.acceptLoss(sc, out, o)
		default:
			return f.show(out, o)
		}
	})
}

// recoverPatience bounds what an operator waits for the controllers.
const recoverPatience = 20 * time.Second

// onCluster runs fn with the metadata of a cluster as it is now.
func (f *recoverFlags) onCluster(fn func(*host.Scope, node.Operator) error) error {
	h, err := oshost.New(oshost.Config{Data: os.TempDir(), Log: slog.DiscardHandler})
	if err != nil {
		return err
	}
	defer h.Close(nil)
	_, err = onHost(h, func(sc *host.Scope) (struct{}, error) {
		sc, cancel := sc.Child(h.Now().Add(recoverPatience))
		defer cancel()
		nobody := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Node: -1}})
		known, err := remote.Learn(sc, h, nobody, []string{f.cluster})
		if err != nil {
			return struct{}{}, fmt.Errorf("ask the controller at %s: %w; name the cluster-listen address of a node with the "+
				"role controller (--cluster)", f.cluster, err)
		}
		pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Node: -1, Cluster: rpc.Cluster(known.Cluster)}})
		leases := lease.Config{}
		if err := leases.Fill(); err != nil {
			return struct{}{}, err
		}
		client, err := remote.Open(sc, h, remote.Config{Pool: pool, Addresses: []string{f.cluster},
			Cluster: metadata.UUID(known.Cluster), Lease: leases})
		if err != nil {
			return struct{}{}, err
		}
		defer client.Close()
		if _, err := client.Sync(sc); err != nil {
			return struct{}{}, fmt.Errorf("read the metadata of the cluster: %w", err)
		}
		return struct{}{}, fn(sc, node.Operator{Meta: client})
	})
	return err
}

func (f *recoverFlags) show(out io.Writer, o node.Operator) error {
	holes, waiting := o.Look()
	if f.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Offline []node.Offline `json:"offline"`
			Waiting []node.Waiting `json:"waiting"`
		}{append([]node.Offline{}, holes...), append([]node.Waiting{}, waiting...)})
	}
	if len(holes) == 0 && len(waiting) == 0 {
		fmt.Fprintln(out, "nothing is lost, and nothing waits to be recovered")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(waiting) > 0 {
		fmt.Fprintln(w, "WAL\tBROKER\tRECOVERER\tOPEN\tOWED\tVOLUME")
		for _, x := range waiting {
			who := strconv.Itoa(int(x.Recoverer))
			switch {
			case x.Lost:
				who = "given up"
			case x.Recoverer < 0:
				who = "nobody yet"
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\n", x.WAL, x.Broker, who, x.Open, x.Owed, x.Volume)
		}
	}
	if len(holes) > 0 {
		fmt.Fprintln(w, "OFFLINE\tLOST FROM\tTO\tCOPY\tWHY")
		for _, x := range holes {
			to, copied := "?", "none yet"
			if x.To >= 0 {
				to = strconv.FormatInt(x.To, 10)
			}
			if x.Quarantine != "" {
				copied = x.Quarantine
			}
			fmt.Fprintf(w, "%s/%d\t%d\t%s\t%s\t%s\n", x.Topic, x.Partition, x.From, to, copied, x.Why)
		}
	}
	return w.Flush()
}

func (f *recoverFlags) acceptLoss(sc *host.Scope, out io.Writer, o node.Operator) error {
	i := strings.LastIndexByte(f.accept, '/')
	if i < 0 {
		return fmt.Errorf("--accept-loss %s: give TOPIC/PARTITION", f.accept)
	}
	n, err := strconv.ParseInt(f.accept[i+1:], 10, 32)
	if err != nil {
		return fmt.Errorf("--accept-loss %s: give TOPIC/PARTITION: %w", f.accept, err)
	}
	who := f.operator
	if who == "" {
		who = os.Getenv("USER")
	}
	next, err := o.Accept(sc, f.accept[:i], int32(n), who)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the loss in %s is accepted", f.accept)
	if next > 0 {
		fmt.Fprintf(out, "; its next offset is %d", next)
	}
	fmt.Fprintln(out)
	return nil
}

func recoverWAL(cmd *cobra.Command, data string, id metadata.UUID) error {
	h, err := oshost.New(oshost.Config{Data: data, Node: "weir", Log: slog.NewTextHandler(io.Discard, nil)})
	if err != nil {
		return err
	}
	a, err := onHost(h, func(sc *host.Scope) (node.Abandoned, error) {
		return node.AbandonWAL(sc, h, node.Default(memoryMin), id)
	})
	if err != nil {
		return err
	}
	printAbandoned(cmd.OutOrStdout(), id, a)
	fmt.Fprintln(cmd.OutOrStdout(), "start the server: it creates a fresh WAL")
	return nil
}

func printAbandoned(out io.Writer, id metadata.UUID, a node.Abandoned) {
	fmt.Fprintf(out, "WAL %s is given up: %d partitions are whole, %d are offline\n", id, a.Whole, len(a.Offline))
	for _, line := range a.Offline {
		fmt.Fprintln(out, "  "+line)
	}
}
