package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
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
	var joined atomic.Bool
	joined.Store(o.group == "")
	if o.group != "" {
		opts = append(opts, kgo.ConsumerGroup(o.group), kgo.DisableAutoCommit(), kgo.OnPartitionsAssigned(
			func(context.Context, *kgo.Client, map[string][]int32) { joined.Store(true) }))
	}
	client, err := dial(ctx, addr, opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if t := topics[topic]; t.Err != nil {
		if o.exit || !errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("consume %s: %w", topic, t.Err)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "topic %s does not exist; waiting for it\n", topic)
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	defer out.Flush()
	return consumeLoop(ctx, client, out, o, joined.Load)
}

// joinMax bounds how long a consumer that exits at the end of the log waits for its group.
const joinMax = 10 * time.Second

func consumeLoop(ctx context.Context, client *kgo.Client, out *bufio.Writer, o consumeOptions,
	joined func() bool) error {
	var seen int64
	for start := time.Now(); ; {
		poll, cancel := ctx, context.CancelFunc(func() {})
		end := joined() || time.Since(start) > joinMax // a quiet second is the end of the log
		if o.exit {
			poll, cancel = context.WithTimeout(ctx, time.Second)
		}
		fetches := client.PollRecords(poll, 10_000)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.DeadlineExceeded) && o.exit {
				if end {
					return nil
				}
				break // still joining
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
