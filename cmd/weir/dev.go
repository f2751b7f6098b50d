package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/localcluster"
)

func devCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a cluster of processes on this machine, and break it",
		Long: `A local cluster for trying and for tests: real processes of this program, one folder, the loopback.

  weir dev up                    three nodes, each controller and broker, until Ctrl-C
  weir dev status                what each is doing
  weir dev kill 2                kill -9; start 2 brings it back
  weir dev pause 2               SIGSTOP; resume 2 lets it go on
  weir dev stop 2                SIGTERM: it hands over what it has and ends
  weir dev notice 2              the same by a notice file, as of a spot instance
  weir dev cut 1 2               nothing flows between two nodes; --one-way: not from 1 to 2
  weir dev heal                  everything flows again
  weir dev down                  every node ends in order`,
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", "weir-dev", "the cluster's folder")
	cmd.AddCommand(devUpCommand(&dir), devStatusCommand(&dir), devCutCommand(&dir), devDownCommand(&dir),
		devOrder(&dir, "heal", "", "Let everything flow again that was cut"),
		devOrder(&dir, "kill", " NODE", "End a node by kill -9"),
		devOrder(&dir, "pause", " NODE", "Stop a node as it stands (SIGSTOP)"),
		devOrder(&dir, "resume", " NODE", "Let a paused node go on"),
		devOrder(&dir, "stop", " NODE", "Drain a node and end it (SIGTERM)"),
		devOrder(&dir, "notice", " NODE", "Tell a node that its machine will be taken away"),
		devOrder(&dir, "start", " NODE", "Start a node that has ended, and wait until it is ready"))
	return cmd
}

// devOrder is a command that hands an order to the process of `weir dev up`.
func devOrder(dir *string, verb, object, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + object, Short: short, Args: cobra.ExactArgs(strings.Count(object, " ")),
		RunE: func(cmd *cobra.Command, args []string) error {
			return tellDev(cmd, *dir, append([]string{verb}, args...)...)
		},
	}
}

func tellDev(cmd *cobra.Command, dir string, words ...string) error {
	ctx, cancel := interrupted(cmd)
	defer cancel()
	said, err := localcluster.Order(ctx, dir, words...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
	return err
}

func devCutCommand(dir *string) *cobra.Command {
	var oneWay bool
	cmd := &cobra.Command{
		Use:   "cut A B",
		Short: "Hold back what flows between two nodes",
		Long: `Holds back what flows between two nodes until "weir dev heal": nothing arrives, no connection is refused, and
nobody is told. With --one-way only what flows from A to B. An end is a node's number, or "clients" if the cluster
was started with --client-proxies.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			verb := "cut"
			if oneWay {
				verb = "cut-one-way"
			}
			return tellDev(cmd, *dir, verb, args[0], args[1])
		},
	}
	cmd.Flags().BoolVar(&oneWay, "one-way", false, "only what flows from A to B")
	return cmd
}

func devStatusCommand(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Say what each node is doing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := interrupted(cmd)
			defer cancel()
			r, err := localcluster.Ask(ctx, *dir)
			if err != nil {
				return withLeftovers(*dir, err)
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(r)
			}
			return errors.Join(devTable(cmd.OutOrStdout(), r.Nodes), devLinks(cmd.OutOrStdout(), r.Rules))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// withLeftovers adds to an error which processes live on although nobody owns them.
func withLeftovers(dir string, err error) error {
	state, e := localcluster.ReadState(dir)
	if e != nil || !errors.Is(err, localcluster.ErrNotUp) {
		return err
	}
	var left []string
	for _, n := range localcluster.Leftovers(state) {
		left = append(left, fmt.Sprintf("node %d is process %d", n.ID, n.PID))
	}
	if len(left) == 0 {
		return err
	}
	return fmt.Errorf("%w; its nodes live on: %s; `weir dev down --dir %s` kills them", err, strings.Join(left, ", "), dir)
}

func devDownCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End every node in order", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := tellDev(cmd, *dir, "down")
			if !errors.Is(err, localcluster.ErrNotUp) {
				return err
			}
			state, e := localcluster.ReadState(*dir)
			if e != nil {
				return err
			}
			n, e := localcluster.EndLeftovers(state)
			if e == nil && n > 0 {
				_, e = fmt.Fprintf(cmd.OutOrStdout(), "killed %d nodes that nobody owned any more\n", n)
				return e
			}
			return errors.Join(e, err)
		},
	}
}

// devTable prints one line a node.
func devTable(w io.Writer, nodes []localcluster.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "NODE\tROLES\tSTATE\tPID\tKAFKA\tCLUSTER\tHTTP\tDATA")
	for _, n := range nodes {
		pid, state := "-", string(n.Phase)
		if n.PID != 0 {
			pid = strconv.Itoa(n.PID)
		}
		if n.Phase == localcluster.Ended {
			state += " (" + n.How + ")"
		}
		fmt.Fprintln(t, strings.Join([]string{
			strconv.Itoa(n.ID), n.Roles, state, pid, none(n.Kafka), n.Cluster, n.HTTP, n.Data,
		}, "\t"))
	}
	return t.Flush()
}

func none(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func devLinks(w io.Writer, rules []string) error {
	if len(rules) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nheld back: %s\n", strings.Join(rules, "; "))
	return err
}

// upIn reports whether a cluster runs in dir.
func upIn(ctx context.Context, dir string) bool {
	_, err := localcluster.Ask(ctx, dir)
	return err == nil
}
