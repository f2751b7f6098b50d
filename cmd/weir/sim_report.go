package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/sim/run"
	"github.com/weirmq/weir/sim/run/report"
)

func simReportCommand() *cobra.Command {
	var from, out, docs string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write the correctness report: one HTML file",
		Long: `Writes report.html from what runs have left: volume, verdicts, faults, determinism, rare places, planted
bugs, one failure worked from seed to story, fuzzing, and the claims and the bug ledger from the documents.
Every figure comes from a file of a run; what is missing is named with the command that makes it.

  make evidence                        makes all of it, and the report
  weir sim sweep --out bin/evidence    makes a part`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := report.Load(from, docs)
			if err != nil {
				return err
			}
			file := filepath.Join(out, "report.html")
			if err := writeReport(file, e); err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), file)
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "bin/evidence", "the folder with what runs have left")
	cmd.Flags().StringVar(&out, "out", ".", "the folder for report.html")
	cmd.Flags().StringVar(&docs, "docs", "docs", "the folder with guarantees.md and bugs.md")
	return cmd
}

func writeReport(file string, e *report.Evidence) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return report.Write(f, e)
}

func simCheckCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Judge a saved history again, without running anything",
		Long: `Judges the history that weir sim run --save DIR has left, or a test against a real process, with the
checkers of this build, and prints what each found and how long it took.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := run.LoadHistory(args[0])
			if err != nil {
				return err
			}
			f, text := run.JudgeAgain(h)
			f.Command = commandLine()
			if out != "" {
				if err := run.WriteJSON(out, run.CheckJSON, f); err != nil {
					return err
				}
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return said(f.Found == 0, err)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write check.json into this folder, for the report")
	return cmd
}
