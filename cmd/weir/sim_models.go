package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/sim/run"
)

func simModelsCommand() *cobra.Command {
	var out string
	var story bool
	cmd := &cobra.Command{
		Use:   "models [NAME…]",
		Short: "Walk through every state of the protocol's models",
		Long: `Walks through every state of small models of the protocol: first with every rule on, where nothing may
break, then with one rule or another off, where the walk ends at the nearest broken state. The way there is
the shortest counterexample, and says what the rule is for; --story prints it.

  weir sim models --story lease`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var failed error
			f, err := run.Models(args, func(row run.ModelClaim) {
				failed = errors.Join(failed, row.Write(cmd.OutOrStdout(), story))
			})
			if err = errors.Join(err, failed); err != nil {
				return err
			}
			f.Command = commandLine()
			if out != "" {
				if err := run.WriteJSON(out, run.ModelsJSON, f); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d models, %d claims contradicted, %.1f s\n",
				len(f.Models), f.Wrong, f.Wall)
			return said(f.Wrong == 0, err)
		},
	}
	cmd.Flags().BoolVar(&story, "story", false, "print each counterexample, a line a step")
	cmd.Flags().StringVar(&out, "out", "", "write models.json into this folder, for the report")
	return cmd
}
