package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func topicMove(addr *string) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "move TOPIC PARTITION BROKER",
		Short: "Move a partition to another broker",
		Long: `Moves a partition to another broker of the cluster, under load if need be, and waits until clients are told so.
No record is copied: the broker that has it hands over the end of the log and its state, and uploads what it owes.`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			partition, err := strconv.ParseInt(args[1], 10, 32)
			if err != nil || partition < 0 {
				return fmt.Errorf("%q is not the number of a partition", args[1])
			}
			to, err := strconv.ParseInt(args[2], 10, 32)
			if err != nil || to < 0 {
				return fmt.Errorf("%q is not the number of a broker; `weir broker list` shows them", args[2])
			}
			ctx, cancel := interrupted(cmd)
			defer cancel()
			client, err := dial(ctx, *addr, kgo.MetadataMinAge(askEvery))
			if err != nil {
				return err
			}
			defer client.Close()
			ctx, cancel = context.WithTimeout(ctx, wait)
			defer cancel()
			took, err := movePartition(ctx, kadm.NewClient(client), args[0], int32(partition), int32(to))
			if err != nil {
				return fmt.Errorf("move partition %d of %s to broker %d: %w", partition, args[0], to, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "partition %d of %s is on broker %d after %s\n", partition, args[0], to,
				took.Round(time.Millisecond))
			return err
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 20*time.Second, "how long to wait for the end; the move goes on after that")
	return cmd
}

// askEvery is how often a move is asked for its end.
const askEvery = 20 * time.Millisecond

// movePartition orders a move, waits until metadata names the new leader, and returns how long that took.
func movePartition(ctx context.Context, adm *kadm.Client, topic string, partition, to int32) (time.Duration, error) {
	begin := time.Now()
	var req kadm.AlterPartitionAssignmentsReq
	req.Assign(topic, partition, []int32{to})
	resp, err := adm.AlterPartitionAssignments(ctx, req)
	if err != nil {
		return 0, err
	}
	for _, r := range resp.Sorted() {
		if r.Err != nil && r.ErrMessage != "" {
			return 0, fmt.Errorf("%w: %s", r.Err, r.ErrMessage)
		}
		if r.Err != nil {
			return 0, r.Err
		}
	}
	for {
		meta, err := adm.Metadata(ctx, topic)
		switch p := meta.Topics[topic].Partitions[partition]; {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return 0, fmt.Errorf("it is under way for %s; the leader is %d", time.Since(begin).Round(time.Second), p.Leader)
		case err != nil:
			return 0, err
		case p.Leader == to && p.Err == nil:
			return time.Since(begin), nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(askEvery):
		}
	}
}
