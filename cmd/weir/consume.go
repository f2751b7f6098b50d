package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
)

// consumeOptions says what to read and how to print it.
type consumeOptions struct {
	group   string
	latest  bool
	exit    bool // at the end of the log
	count   int64
	offsets bool
}

func consumeCommand() *cobra.Command {
	var addr string
	var o consumeOptions
	cmd := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Print a topic's records, one a line",
		Long: `Print a topic's records from the beginning and wait for more; Ctrl-C ends it.
With --group the position is committed, and the next run goes on there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := interrupted(cmd)
			defer cancel()
			return consume(ctx, cmd, addr, args[0], o)
		},
	}
	brokerFlag(cmd, &addr)
	cmd.Flags().StringVarP(&o.group, "group", "g", "", "consumer group to join")
	cmd.Flags().BoolVar(&o.latest, "latest", false, "begin at the end instead of the beginning")
	cmd.Flags().BoolVarP(&o.exit, "exit", "e", false, "exit when no record has come for a second")
	cmd.Flags().Int64VarP(&o.count, "count", "c", 0, "exit after this many records (0: no limit)")
	cmd.Flags().BoolVarP(&o.offsets, "offsets", "o", false, "print partition and offset before each record")
	return cmd
}

func consume(ctx context.Context, cmd *cobra.Command, addr, topic string, o consumeOptions) error {
	at := kgo.NewOffset().AtStart()
	if o.latest {
		at = kgo.NewOffset().AtEnd()
	}
	opts := []kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(at), kgo.FetchMaxWait(500 * time.Millisecond)}
	if o.group != "" {
		opts = append(opts, kgo.ConsumerGroup(o.group), kgo.DisableAutoCommit())
	}
	client, err := dial(ctx, addr, opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	out := bufio.NewWriter(cmd.OutOrStdout())
	defer out.Flush()
	return consumeLoop(ctx, client, out, o)
}

func consumeLoop(ctx context.Context, client *kgo.Client, out *bufio.Writer, o consumeOptions) error {
	var seen int64
	joined := o.group == ""
	for {
		poll, cancel := ctx, context.CancelFunc(func() {})
		if o.exit {
			wait := time.Second
			if !joined {
				wait = 10 * time.Second // joining a group takes a rebalance
			}
			poll, cancel = context.WithTimeout(ctx, wait)
		}
		fetches := client.PollRecords(poll, 10_000)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.DeadlineExceeded) && o.exit {
				return nil
			}
			return fmt.Errorf("consume %s partition %d: %w", e.Topic, e.Partition, e.Err)
		}
		var last []*kgo.Record
		for iter := fetches.RecordIter(); !iter.Done() && (o.count == 0 || seen < o.count); seen++ {
			r := iter.Next()
			if o.offsets {
				fmt.Fprintf(out, "%d:%d\t", r.Partition, r.Offset)
			}
			out.Write(r.Value)
			out.WriteByte('\n')
			last = append(last, r)
			joined = true
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if o.group != "" && len(last) > 0 {
			if err := client.CommitRecords(ctx, last...); err != nil {
				return fmt.Errorf("commit offsets of group %s: %w", o.group, err)
			}
		}
		if o.count > 0 && seen >= o.count {
			return nil
		}
	}
}
