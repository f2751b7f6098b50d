package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func topicCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{Use: "topic", Short: "Create, list, describe, move and delete topics"}
	brokerFlag(cmd, &addr)
	cmd.AddCommand(topicCreate(&addr), topicList(&addr), topicDescribe(&addr), topicMove(&addr), topicDelete(&addr))
	return cmd
}

func topicCreate(addr *string) *cobra.Command {
	var partitions int32
	var settings []string
	cmd := &cobra.Command{
		Use:   "create TOPIC",
		Short: "Create a topic",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			configs := map[string]*string{}
			for _, s := range settings {
				key, value, ok := strings.Cut(s, "=")
				if !ok {
					return fmt.Errorf("--config %q: give it as key=value", s)
				}
				configs[key] = &value
			}
			return withAdmin(cmd, *addr, func(ctx context.Context, adm *kadm.Client) error {
				r, err := adm.CreateTopic(ctx, partitions, -1, configs, args[0])
				if err != nil {
					if r.ErrMessage != "" {
						return fmt.Errorf("create topic %s: %w: %s", args[0], err, r.ErrMessage)
					}
					return fmt.Errorf("create topic %s: %w", args[0], err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "created topic %s with %d partitions\n", args[0], r.NumPartitions)
				return nil
			})
		},
	}
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", -1, "number of partitions (-1: the broker's default)")
	cmd.Flags().StringArrayVarP(&settings, "config", "c", nil, "topic setting as key=value, may be repeated")
	return cmd
}

func topicList(addr *string) *cobra.Command {
	var internal bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List topics",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd, *addr, func(ctx context.Context, adm *kadm.Client) error {
				topics, err := adm.ListTopicsWithInternal(ctx)
				if err != nil {
					return err
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(out, "TOPIC\tPARTITIONS\tID")
				for _, t := range topics.Sorted() {
					if !t.IsInternal || internal {
						fmt.Fprintf(out, "%s\t%d\t%s\n", t.Topic, len(t.Partitions), t.ID)
					}
				}
				return out.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "include internal topics")
	return cmd
}

func topicDescribe(addr *string) *cobra.Command {
	return &cobra.Command{
		Use:   "describe TOPIC",
		Short: "Show a topic's partitions and settings",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, *addr, func(ctx context.Context, adm *kadm.Client) error {
				return describeTopic(ctx, cmd, adm, args[0])
			})
		},
	}
}

func describeTopic(ctx context.Context, cmd *cobra.Command, adm *kadm.Client, topic string) error {
	topics, err := adm.ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return err
	}
	t := topics[topic]
	if t.Err != nil {
		return fmt.Errorf("describe topic %s: %w", topic, t.Err)
	}
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil && !partly(err) {
		return err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil && !partly(err) {
		return err
	}
	configs, err := adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "topic %s  id %s  partitions %d\n", t.Topic, t.ID, len(t.Partitions))
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "PARTITION\tLEADER\tLEADER EPOCH\tLOG START OFFSET\tHIGH WATERMARK\tSTATE")
	for _, p := range t.Partitions.Sorted() {
		start, known := starts.Lookup(topic, p.Partition)
		end, knownEnd := ends.Lookup(topic, p.Partition)
		state, offsets := "online", fmt.Sprintf("%d\t%d", start.Offset, end.Offset)
		switch {
		case p.Err != nil:
			state, offsets = "offline: "+p.Err.Error(), "-\t-"
		case !known || !knownEnd:
			state, offsets = "offline", "-\t-"
		case end.Err != nil:
			state, offsets = end.Err.Error(), "-\t-"
		}
		fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\n", p.Partition, p.Leader, p.LeaderEpoch, offsets, state)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, r := range configs {
		for _, c := range r.Configs {
			fmt.Fprintf(cmd.OutOrStdout(), "%s=%s (%s)\n", c.Key, c.MaybeValue(), strings.ToLower(c.Source.String()))
		}
	}
	return nil
}

// partly tells an answer that lacks some partitions, such as those that are offline, from none.
func partly(err error) bool {
	var some *kadm.ShardErrors
	return errors.As(err, &some)
}

func topicDelete(addr *string) *cobra.Command {
	return &cobra.Command{
		Use:   "delete TOPIC...",
		Short: "Delete topics and free their objects",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, *addr, func(ctx context.Context, adm *kadm.Client) error {
				answers, err := adm.DeleteTopics(ctx, args...)
				if err != nil {
					return err
				}
				for _, r := range answers.Sorted() {
					if r.Err != nil {
						return fmt.Errorf("delete topic %s: %w", r.Topic, r.Err)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "deleted topic %s\n", r.Topic)
				}
				return nil
			})
		},
	}
}
