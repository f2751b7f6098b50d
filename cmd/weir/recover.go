package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
)

func recoverCommand() *cobra.Command {
	var c serverConfig
	var abandon string
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Give up a lost WAL volume",
		Long: `Tell the metadata that a WAL volume is lost for good, so that the server starts on a fresh one.

Everything that was uploaded is served again. Partitions that had records in the lost WAL only, or may
have had, stay offline with a reason: nothing is served short and no offset is given out twice.
The server must not run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if abandon == "" {
				return errors.New("name the WAL with --abandon-wal; the server's message has its uuid")
			}
			id, err := metadata.ParseUUID(abandon)
			if err != nil {
				return fmt.Errorf("--abandon-wal: %w", err)
			}
			return recoverWAL(cmd, c.Data, id)
		},
	}
	cmd.Flags().StringVar(&c.Data, "data", "./weir-data", "the server's data directory")
	cmd.Flags().StringVar(&abandon, "abandon-wal", "", "UUID of the WAL to give up")
	return cmd
}

func recoverWAL(cmd *cobra.Command, data string, id metadata.UUID) error {
	h, err := oshost.New(oshost.Config{Data: data, Node: "weir", Log: slog.NewTextHandler(io.Discard, nil)})
	if err != nil {
		return err
	}
	a, err := onHost(h, func(sc *host.Scope) (node.Abandoned, error) {
		return node.AbandonWAL(sc, h, node.Default(memoryMin), id)
	})
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "WAL %s is given up: %d partitions are whole, %d are offline\n", id, a.Whole, len(a.Offline))
	for _, line := range a.Offline {
		fmt.Fprintln(out, "  "+line)
	}
	fmt.Fprintln(out, "start the server: it creates a fresh WAL")
	return nil
}
