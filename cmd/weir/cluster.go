package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

func clusterCommand() *cobra.Command {
	var addr string
	var asJSON bool
	cmd := &cobra.Command{Use: "cluster", Short: "Look at a cluster of several nodes"}
	status := &cobra.Command{
		Use: "status", Short: "Show the nodes: who leads, who is alive, what they hold",
		Long: `Show every node of a cluster as its controllers know it.

RAFT, TERM and APPLIED are each controller's own word; "no answer" stands for one that cannot be reached.
EPOCH, STATE, WALS, OPEN (partitions that the broker leads), LOAD and LEASE (what is left of it) are the
leading controller's. GOSSIP is a hint and proves nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			view, err := lookAtCluster(addr)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(view)
			}
			return view.print(cmd.OutOrStdout())
		},
	}
	status.Flags().StringVar(&addr, "cluster", "127.0.0.1:9192", "cluster address of any controller (its cluster-listen)")
	status.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(status, clusterRemoveCommand())
	return cmd
}

// clusterView is what `weir cluster status` shows.
type clusterView struct {
	Cluster string     `json:"cluster"`
	Leader  int32      `json:"leader"` // node id, -1 if nobody is known to lead
	Term    uint64     `json:"term"`
	Nodes   []nodeView `json:"nodes"`
}

// nodeView is one node. Numbers that nobody told are null in JSON.
type nodeView struct {
	Node    int32   `json:"node"`
	Roles   string  `json:"roles"`
	Address string  `json:"address"`
	Kafka   string  `json:"kafka,omitempty"`
	Rack    string  `json:"rack,omitempty"`
	Raft    string  `json:"raft,omitempty"` // leader, voter, learner
	Answers bool    `json:"answers"`        // the controller did, when it was asked
	Term    *uint64 `json:"term"`
	Applied *uint64 `json:"applied"`

	Epoch      *int64  `json:"epoch"`
	State      string  `json:"state,omitempty"` // live, draining, fenced, left
	WALs       *uint32 `json:"wals"`
	Recovering *uint32 `json:"recovering"`
	Open       *uint32 `json:"openPartitions"`
	Load       *uint64 `json:"bytesPerSecond"`
	LeaseLeft  *int64  `json:"leaseLeftMs"`
	Gossip     string  `json:"gossip,omitempty"`
}

const clusterAsk = 2 * time.Second

// lookAtCluster asks the controller at addr, the one that leads, and each of the others.
func lookAtCluster(addr string) (*clusterView, error) {
	return withControllers(func(sc *host.Scope, h host.Host) (*clusterView, error) {
		first, answers, err := askAll(sc, h, addr)
		if err != nil {
			return nil, err
		}
		return viewOf(first, answers), nil
	})
}

// withControllers runs fn on a host that keeps nothing.
func withControllers[T any](fn func(*host.Scope, host.Host) (T, error)) (T, error) {
	h, err := oshost.New(oshost.Config{Data: os.TempDir(), Log: slog.DiscardHandler})
	if err != nil {
		var none T
		return none, err
	}
	defer h.Close(nil)
	return onHost(h, func(sc *host.Scope) (T, error) { return fn(sc, h) })
}

// askAll asks the controller at addr for its status, and then each controller that it names: nil stands for one that
// does not answer.
func askAll(sc *host.Scope, h host.Host, addr string) (*api.StatusAnswer, []*api.StatusAnswer, error) {
	pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Node: -1}})
	ask := func(sc *host.Scope, at string) (api.StatusAnswer, error) {
		p, err := pool.Call(sc, at, api.Status, api.StatusRequest{Brokers: true}.Encode(), clusterAsk)
		if err != nil {
			return api.StatusAnswer{}, err
		}
		return api.DecodeStatus(p)
	}
	first, err := ask(sc, addr)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the controller at %s: %w; name the cluster-listen address of a node with the "+
			"role controller (--cluster)", addr, err)
	}
	answers := make([]*api.StatusAnswer, len(first.Members))
	g := host.NewGroup(h, sc)
	for i, m := range first.Members {
		if m.Addr == "" {
			continue
		}
		g.Go("status", func(sc *host.Scope) error {
			if a, err := ask(sc, m.Addr); err == nil && a.Self.ID == m.ID {
				answers[i] = &a
			}
			return nil
		})
	}
	return &first, answers, g.Wait()
}

// viewOf puts together what controllers say; answers are those of first's members.
func viewOf(first *api.StatusAnswer, answers []*api.StatusAnswer) *clusterView {
	v := &clusterView{Cluster: metadata.UUID(first.Cluster).Base64(), Leader: -1}
	best := first // who knows most
	for _, a := range answers {
		if a != nil && (a.Leads && (!best.Leads || a.Leader.Term > best.Leader.Term)) {
			best = a
		}
	}
	v.Term = best.Leader.Term
	if best.Leads {
		v.Leader = best.Self.Node
	}
	for i, m := range first.Members {
		v.Nodes = append(v.Nodes, controllerView(m, answers[i], best))
	}
	for i := range best.Brokers {
		b := &best.Brokers[i]
		same := func(n nodeView) bool { return n.Node == b.Node && n.Address == b.Addr }
		at := slices.IndexFunc(v.Nodes, func(n nodeView) bool { return same(n) && n.Answers }) // not what it was before
		if at < 0 {
			at = slices.IndexFunc(v.Nodes, same)
		}
		if at < 0 {
			v.Nodes = append(v.Nodes, nodeView{Node: b.Node, Address: b.Addr})
			at = len(v.Nodes) - 1
		}
		v.Nodes[at].addBroker(b, best.Leads)
	}
	for _, s := range best.Sightings {
		for i := range v.Nodes {
			if n := &v.Nodes[i]; n.Node == s.Node && (n.Address == s.Addr || n.Address == "") {
				n.Gossip = gossip.State(s.State).String()
			}
		}
	}
	slices.SortStableFunc(v.Nodes, func(a, b nodeView) int { return cmp.Compare(a.Node, b.Node) })
	return v
}

func controllerView(m api.Member, a *api.StatusAnswer, best *api.StatusAnswer) nodeView {
	n := nodeView{Node: m.Node, Roles: roleController, Address: m.Addr, Raft: "learner"}
	if m.Voter {
		n.Raft = "voter"
	}
	if best.Leads && best.Self.ID == m.ID {
		n.Raft = "leader"
	}
	if a != nil {
		n.Answers, n.Term, n.Applied = true, &a.Leader.Term, &a.Applied
	}
	return n
}

// addBroker adds what is known of the node's broker; sure says that it is the leader's word.
func (n *nodeView) addBroker(b *api.Broker, sure bool) {
	n.Roles = roleBroker
	if n.Raft != "" {
		n.Roles = roleController + "+" + roleBroker
	}
	n.Kafka, n.Rack, n.Epoch, n.WALs, n.Recovering, n.Open = b.Kafka, b.Rack, &b.Epoch, &b.WALs, &b.Recovering, &b.Open
	switch {
	case b.Left:
		n.State = "left"
	case !b.Live:
		n.State = "fenced"
	case b.Draining:
		n.State = "draining"
	default:
		n.State = "live"
	}
	if sure && b.Heard {
		left := b.LeaseLeft.Milliseconds()
		n.Load, n.LeaseLeft = &b.Load, &left
	}
}

func (v *clusterView) print(w io.Writer) error {
	leader := "nobody leads"
	if v.Leader >= 0 {
		leader = fmt.Sprintf("node %d leads", v.Leader)
	}
	fmt.Fprintf(w, "cluster %s  term %d  %s\n", v.Cluster, v.Term, leader)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join([]string{"NODE", "ROLES", "ADDRESS", "KAFKA", "RACK", "RAFT", "TERM", "APPLIED",
		"EPOCH", "STATE", "WALS", "OPEN", "LOAD", "LEASE", "GOSSIP"}, "\t"))
	for i := range v.Nodes {
		fmt.Fprintln(out, strings.Join(v.Nodes[i].row(), "\t"))
	}
	return out.Flush()
}

// row is the node's line of the table.
func (n *nodeView) row() []string {
	raft := dash(n.Raft)
	if n.Raft != "" && !n.Answers {
		raft += " (no answer)"
	}
	wals, load, lease := orDash(n.WALs), "-", "-"
	if n.Recovering != nil && *n.Recovering > 0 {
		wals += fmt.Sprintf(" (%d to recover)", *n.Recovering)
	}
	if n.Load != nil {
		load = fmt.Sprintf("%d B/s", *n.Load)
		lease = fmt.Sprintf("%d ms", *n.LeaseLeft)
	}
	return []string{fmt.Sprint(n.Node), dash(n.Roles), dash(n.Address), dash(n.Kafka), dash(n.Rack), raft,
		orDash(n.Term), orDash(n.Applied), orDash(n.Epoch), dash(n.State), wals, orDash(n.Open), load, lease,
		dash(n.Gossip)}
}

func dash(s string) string { return cmp.Or(s, "-") }

func orDash[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}
