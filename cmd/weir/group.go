package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func groupCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{Use: "group", Short: "List, describe and delete consumer groups"}
	brokerFlag(cmd, &addr)
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List consumer groups", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return withAdmin(cmd, addr, groupList(cmd)) },
		},
		&cobra.Command{
			Use: "describe GROUP", Short: "Show a group's members, offsets and lag", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return withAdmin(cmd, addr, groupDescribe(cmd, args[0]))
			},
		},
		&cobra.Command{
			Use: "delete GROUP...", Short: "Delete empty groups and their offsets", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return withAdmin(cmd, addr, groupDelete(cmd, args))
			},
		})
	return cmd
}

func groupList(cmd *cobra.Command) func(context.Context, *kadm.Client) error {
	return func(ctx context.Context, adm *kadm.Client) error {
		groups, err := adm.ListGroups(ctx)
		if err != nil {
			return err
		}
		out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, "GROUP\tSTATE\tPROTOCOL TYPE")
		for _, g := range groups.Sorted() {
			fmt.Fprintf(out, "%s\t%s\t%s\n", g.Group, g.State, g.ProtocolType)
		}
		return out.Flush()
	}
}

func groupDescribe(cmd *cobra.Command, name string) func(context.Context, *kadm.Client) error {
	return func(ctx context.Context, adm *kadm.Client) error {
		lags, err := adm.Lag(ctx, name)
		if err != nil {
			return err
		}
		g := lags[name]
		if err := g.Error(); err != nil {
			return fmt.Errorf("describe group %s: %w", name, err)
		}
		if g.State == "Dead" {
			return fmt.Errorf("describe group %s: there is no such group", name)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "group %s  state %s  protocol %s  members %d\n",
			g.Group, g.State, g.Protocol, len(g.Members))
		out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, "TOPIC\tPARTITION\tCOMMITTED\tHIGH WATERMARK\tLAG\tMEMBER")
		for _, l := range g.Lag.Sorted() {
			member := "-"
			if l.Member != nil {
				member = l.Member.MemberID
			}
			fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%s\n", l.Topic, l.Partition, l.Commit.At, l.End.Offset, l.Lag, member)
		}
		return out.Flush()
	}
}

func groupDelete(cmd *cobra.Command, names []string) func(context.Context, *kadm.Client) error {
	return func(ctx context.Context, adm *kadm.Client) error {
		answers, err := adm.DeleteGroups(ctx, names...)
		if err != nil {
			return err
		}
		for _, r := range answers.Sorted() {
			if r.Err != nil {
				return fmt.Errorf("delete group %s: %w", r.Group, r.Err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deleted group %s\n", r.Group)
		}
		return nil
	}
}
