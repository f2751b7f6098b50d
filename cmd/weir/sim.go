package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/sim/run"
	"github.com/weirmq/weir/sim/workload"
)

func simCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run the broker in a simulated world of crashes and faults",
		Long: `The real broker runs on simulated machines, disks, networks and object stores under one seeded
scheduler, with clients on it and faults around it; what the clients saw is judged. A seed is a run: the
same seed gives the same run, event for event.`,
	}
	cmd.AddCommand(simRunCommand(), simSweepCommand())
	return cmd
}

func simRunCommand() *cobra.Command {
	var seed uint64
	var showLog, trace, child bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run one seed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ok := false
			var err error
			if child {
				ok, err = run.Child(workload.Run, run.ChildOptions{Seed: seed, Trace: trace}, os.Stdout)
			} else {
				ok, err = simRun(seed, showLog, trace)
			}
			if err == nil && !ok {
				err = errSaid
			}
			return err
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the seed")
	cmd.Flags().BoolVar(&showLog, "log", false, "print the broker's log, stamped with virtual time")
	cmd.Flags().BoolVar(&trace, "trace", false,
		"print every event: number, virtual seconds, kind, who a b in hex, hash, task")
	cmd.Flags().BoolVar(&child, "json", false, "print the result as one line of JSON")
	_ = cmd.Flags().MarkHidden("json") // it exists
	return cmd
}

// simRun runs a seed for a person and returns whether it passed.
func simRun(seed uint64, showLog, trace bool) (bool, error) {
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	o := run.SeedOptions{Seed: seed}
	if showLog {
		o.Log = out
	}
	if trace {
		o.Trace = out
	}
	o.Stuck = func(r *run.Result, stacks []byte) {
		_ = r.Write(out)
		_ = out.Flush()
		_, _ = os.Stderr.Write(stacks)
		os.Exit(1)
	}
	r := run.Seed(workload.Run, o)
	if err := r.Write(out); err != nil {
		return false, err
	}
	return r.OK(), out.Flush()
}

func simSweepCommand() *cobra.Command {
	var seeds string
	var sites bool
	s := run.Sweep{}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Run many seeds, each in processes of its own",
		Long: `Runs every seed of a range, each twice in two processes with different settings of the Go runtime, and
compares the hashes of the two: a difference is something in the broker that does not come from the seed,
such as the order of a map. It is followed to the first event that differs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if s.Range, err = run.ParseRange(seeds); err != nil {
				return err
			}
			ok, err := simSweep(cmd, s, sites)
			if err == nil && !ok {
				err = errSaid
			}
			return err
		},
	}
	cmd.Flags().StringVar(&seeds, "seeds", "1..20", "the seeds, as A..B")
	cmd.Flags().IntVar(&s.Jobs, "jobs", runtime.GOMAXPROCS(0), "seeds under way at a time")
	cmd.Flags().BoolVar(&s.Double, "double", true, "run each seed in two processes and compare their hashes")
	cmd.Flags().DurationVar(&s.Timeout, "timeout", 120*time.Second, "wall time after which a process is killed")
	cmd.Flags().BoolVar(&sites, "sites", false, "list the call sites crashed at")
	return cmd
}

// simSweep runs a sweep and returns whether all of it passed.
func simSweep(cmd *cobra.Command, s run.Sweep, sites bool) (bool, error) {
	self, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("find this program, to start it for each seed: %w", err)
	}
	s.Program = run.Program{Path: self, Args: []string{"sim", "run"}}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	progress := run.NewProgress(os.Stderr, s.Range.Len())
	s.Done = progress.Done
	sum := s.Run(ctx)
	progress.End()
	return sum.OK(), sum.Write(cmd.OutOrStdout(), sites)
}
