package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// brokerFlag adds --broker to a client command.
func brokerFlag(cmd *cobra.Command, addr *string) {
	def := "127.0.0.1:9092"
	if v := os.Getenv("WEIR_BROKER"); v != "" {
		def = v
	}
	cmd.PersistentFlags().StringVar(addr, "broker", def, "address of any broker of the cluster")
}

// interrupted returns a context that ends with Ctrl-C or SIGTERM.
func interrupted(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}

// dial returns a client that has reached the broker, or one line that says why not.
func dial(ctx context.Context, addr string, opts ...kgo.Opt) (*kgo.Client, error) {
	opts = append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.ClientID("weir-cli")}, opts...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		client.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("no answer within 5 s")
		}
		return nil, fmt.Errorf("reach the broker at %s: %w; is `weir server` running there? (--broker)", addr, err)
	}
	return client, nil
}

// withAdmin runs fn with an admin client.
func withAdmin(cmd *cobra.Command, addr string, fn func(context.Context, *kadm.Client) error) error {
	ctx, cancel := interrupted(cmd)
	defer cancel()
	client, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel2 := context.WithTimeout(ctx, 30*time.Second)
	defer cancel2()
	return fn(ctx, kadm.NewClient(client))
}
