package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lineBytesMax is the longest line that becomes one record.
const lineBytesMax = 1 << 20

func produceCommand() *cobra.Command {
	var addr, separator, codec string
	var partition int32
	cmd := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Write the lines of standard input as records",
		Long: `Write each line of standard input as one record and wait until all are durable (acks=all).
A topic that does not exist is created if the broker allows it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := produceOptions(codec, partition)
			if err != nil {
				return err
			}
			ctx, cancel := interrupted(cmd)
			defer cancel()
			client, err := dial(ctx, addr, opts...)
			if err != nil {
				return err
			}
			defer client.Close()
			return produceLines(ctx, cmd, client, args[0], separator, partition)
		},
	}
	brokerFlag(cmd, &addr)
	cmd.Flags().StringVarP(&separator, "key-separator", "K", "",
		"split each line into key and value at the first SEPARATOR")
	cmd.Flags().StringVarP(&codec, "compression", "z", "none", "none, gzip, snappy, lz4 or zstd")
	cmd.Flags().Int32VarP(&partition, "partition", "p", -1, "partition to write to (-1: by key, or spread)")
	return cmd
}

func produceOptions(codec string, partition int32) ([]kgo.Opt, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	c, ok := codecs[codec]
	if !ok {
		return nil, fmt.Errorf("--compression %q: give none, gzip, snappy, lz4 or zstd", codec)
	}
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(c), kgo.AllowAutoTopicCreation(),
		kgo.ProducerLinger(5 * time.Millisecond), kgo.UnknownTopicRetries(10),
	}
	if partition >= 0 {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	return opts, nil
}

func produceLines(
	ctx context.Context, cmd *cobra.Command, client *kgo.Client, topic, separator string, partition int32,
) error {
	var failed atomic.Pointer[error]
	var done atomic.Int64
	in := bufio.NewReaderSize(cmd.InOrStdin(), 64<<10)
	start := time.Now()
	for failed.Load() == nil && ctx.Err() == nil {
		line, err := in.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" || err == nil {
			if len(line) > lineBytesMax {
				return fmt.Errorf("line %d has %d bytes; a record takes at most %d", done.Load()+1, len(line), lineBytesMax)
			}
			client.Produce(ctx, lineRecord(topic, line, separator, partition), func(_ *kgo.Record, err error) {
				if err != nil {
					failed.CompareAndSwap(nil, &err)
				} else {
					done.Add(1)
				}
			})
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
	}
	if err := client.Flush(ctx); err != nil && failed.Load() == nil {
		failed.Store(&err)
	}
	fmt.Fprintf(os.Stderr, "%d records acknowledged in %s\n", done.Load(), time.Since(start).Round(time.Millisecond))
	if err := failed.Load(); err != nil {
		return fmt.Errorf("produce to %s: %w", topic, *err)
	}
	return nil
}

func lineRecord(topic, line, separator string, partition int32) *kgo.Record {
	r := &kgo.Record{Topic: topic, Value: []byte(line), Partition: max(partition, 0)}
	if separator != "" {
		if key, value, ok := strings.Cut(line, separator); ok {
			r.Key, r.Value = []byte(key), []byte(value)
		}
	}
	return r
}
