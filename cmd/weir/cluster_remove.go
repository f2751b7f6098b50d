package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/rpc"
)

// removeWait is how long a removal may take: it is two entries of the log.
const removeWait = 10 * time.Second

func clusterRemoveCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "remove NODE", Short: "Take a controller that is lost for good out of the quorum",
		Long: `Take the controller of a node that does not answer, and never will, out of the cluster's quorum.

The cluster waits for a controller that is off: nobody but you can tell that its disk is lost. Once
removed it never comes back; its node may join again with an empty data directory. A controller that
answers is not removed: stop its node first.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			node, err := strconv.ParseInt(args[0], 10, 32)
			if err != nil {
				return fmt.Errorf("%q is no node id", args[0])
			}
			removed, err := withControllers(func(sc *host.Scope, h host.Host) ([]api.Member, error) {
				return removeLost(sc, h, addr, int32(node))
			})
			for _, m := range removed {
				fmt.Fprintf(cmd.OutOrStdout(), "removed the controller of node %d at %s\n", m.Node, m.Addr)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&addr, "cluster", "127.0.0.1:9192", "cluster address of any controller (its cluster-listen)")
	return cmd
}

// removeLost removes the controllers of a node that do not answer, and returns those that it did.
func removeLost(sc *host.Scope, h host.Host, addr string, node int32) ([]api.Member, error) {
	first, answers, err := askAll(sc, h, addr)
	if err != nil {
		return nil, err
	}
	lost, err := lostOf(first.Members, answers, node)
	if err != nil {
		return nil, err
	}
	// Who removes a controller speaks as a node of the cluster.
	pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Cluster: first.Cluster, Node: -1}})
	var removed []api.Member
	for _, m := range lost {
		if err := leave(sc, h, pool, first, m.ID); err != nil {
			return removed, fmt.Errorf("remove the controller of node %d at %s: %w", m.Node, m.Addr, err)
		}
		removed = append(removed, m)
	}
	return removed, nil
}

// lostOf picks the members of a node that gave no answer.
func lostOf(members []api.Member, answers []*api.StatusAnswer, node int32) (lost []api.Member, err error) {
	known := false
	for i, m := range members {
		if m.Node != node {
			continue
		}
		known = true
		if answers[i] == nil {
			lost = append(lost, m)
		}
	}
	switch {
	case !known:
		return nil, fmt.Errorf("node %d is no controller of this cluster", node)
	case len(lost) == 0:
		return nil, fmt.Errorf("the controller of node %d answers; stop that node first", node)
	}
	return lost, nil
}

// leave asks whoever leads to remove a member.
func leave(sc *host.Scope, h host.Host, pool *rpc.Pool, first *api.StatusAnswer, id uint64) error {
	until := h.Now().Add(removeWait)
	addrs := []string{first.Leader.Addr}
	for _, m := range first.Members {
		addrs = append(addrs, m.Addr)
	}
	last := errors.New("no controller leads")
	for i := 0; h.Now() < until; i++ {
		addr := addrs[i%len(addrs)]
		if addr == "" {
			continue
		}
		_, err := pool.Call(sc, addr, api.Leave, api.EncodeID(id), removeWait)
		if err == nil {
			return nil
		}
		last = err
		if hint, ok := api.HintOf(err); ok && hint.Addr != "" {
			addrs[0], i = hint.Addr, -1
		}
		if err := h.Sleep(sc, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return last
}
