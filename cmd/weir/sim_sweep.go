package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/sim/run"
)

// sweepFlags are those of a sweep that package run does not know.
type sweepFlags struct {
	seeds   string
	cluster bool
	sites   bool
	table   bool
	canary  bool
	out     string
}

func simSweepCommand() *cobra.Command {
	var f sweepFlags
	s := run.Sweep{}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Run many seeds, each in processes of its own",
		Long: `Runs every seed of a range, each twice in two processes with different settings of the Go runtime, and
compares the hashes of the two: a difference is something in the broker that does not come from the seed,
such as the order of a map. It is followed to the first event that differs.

A sweep of 1,000 seeds or more also fails if a kind of fault fired too seldom, or never between an effect
and its acknowledgement. One seed more, the canary, goes through the same processes with a lie in its
history: if it passes, the sweep has failed.

--out writes sweep.json, from which weir sim report draws, and seeds.jsonl, a line for each seed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if s.Range, err = run.ParseRange(f.seeds); err != nil {
				return err
			}
			return said(simSweep(cmd, s, f))
		},
	}
	cmd.Flags().StringVar(&f.seeds, "seeds", "1..20", "the seeds, as A..B")
	cmd.Flags().BoolVar(&f.cluster, "cluster", false, "worlds of several nodes: seeds of these are other runs")
	cmd.Flags().IntVar(&s.Jobs, "jobs", runtime.GOMAXPROCS(0), "processes at a time")
	cmd.Flags().BoolVar(&s.Double, "double", true, "run each seed in two processes and compare their hashes")
	cmd.Flags().DurationVar(&s.Timeout, "timeout", 120*time.Second, "wall time after which a process is killed")
	cmd.Flags().BoolVar(&f.sites, "sites", false, "list the places crashed at")
	cmd.Flags().BoolVar(&f.table, "table", false, "list each kind of fault: fired, seeds, between effect and answer")
	cmd.Flags().BoolVar(&f.canary, "canary", true, "send a seed that must fail through the same processes")
	cmd.Flags().StringVar(&f.out, "out", "", "write sweep.json and seeds.jsonl into this folder")
	return cmd
}

// selfProgram is this program as a child: of seeds and of plans.
func selfProgram() (run.Program, error) {
	self, err := os.Executable()
	if err != nil {
		return run.Program{}, fmt.Errorf("find this program, to start it for each seed: %w", err)
	}
	return run.Program{Path: self, Args: []string{"sim", "run"}, ReplayArgs: []string{"sim", "replay"}}, nil
}

// interruptible is the command's context, ended by Ctrl-C.
func interruptible(cmd *cobra.Command) (context.Context, func()) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}

// commandLine is how this command was called, as a person would type it.
func commandLine() string {
	args := []string{os.Args[0]}
	if filepath.IsAbs(args[0]) {
		args[0] = filepath.Base(args[0])
	}
	for _, a := range os.Args[1:] {
		if strings.ContainsAny(a, " \t'\"$") {
			a = "'" + a + "'"
		}
		args = append(args, a)
	}
	return strings.Join(args, " ")
}

// simSweep runs a sweep and returns whether all of it passed.
func simSweep(cmd *cobra.Command, s run.Sweep, f sweepFlags) (passed bool, err error) {
	if s.Program, err = selfProgram(); err != nil {
		return false, err
	}
	if f.cluster {
		s.Program.Args = append(s.Program.Args, "--cluster")
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	if f.out != "" {
		seeds, err := seedsFile(f.out)
		if err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, seeds.Close()) }()
		enc := json.NewEncoder(seeds)
		s.Each = func(r *run.Result) { _ = enc.Encode(r) } // sweep.json says how many there should be
	}
	progress := run.NewProgress(os.Stderr, s.Range.Len())
	s.Done = progress.Done
	sum := s.Run(ctx)
	progress.End()
	if f.canary && ctx.Err() == nil {
		sum.Canary = s.SendCanary(ctx)
	}
	sum.Table = f.table
	if f.out != "" {
		if err := run.WriteJSON(f.out, run.SweepJSON, sum.File(commandLine())); err != nil {
			return false, err
		}
	}
	return sum.OK(), sum.Write(cmd.OutOrStdout(), f.sites)
}

func seedsFile(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	return os.Create(filepath.Join(dir, run.SeedsJSON))
}
