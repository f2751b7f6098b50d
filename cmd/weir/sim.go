package main

import (
	"bufio"
	"os"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/sim/cluster"
	"github.com/weirmq/weir/sim/run"
	"github.com/weirmq/weir/sim/workload"
)

func simCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run the broker in a simulated world of crashes and faults",
		Long: `The real broker runs on simulated machines, disks, networks and object stores under one seeded
scheduler, with clients on it and faults around it; what the clients saw is judged. A seed is a run: the
same seed gives the same run, event for event. A plan is a run written down: it can be made smaller, told
as a story and kept.

  weir sim run --seed 7                 one seed, with its verdict
  weir sim sweep --seeds 1..200         many, each in two processes
  weir sim shrink --seed 7 --out p.json a failing seed as a small plan
  weir sim story p.json                 what happens in it, line by line`,
	}
	cmd.AddCommand(simRunCommand(), simSweepCommand(), simShrinkCommand(), simReplayCommand(), simStoryCommand(),
		simCheckCommand(), simModelsCommand(), simReportCommand())
	if mutant.Enabled {
		cmd.AddCommand(simMutantsCommand())
	}
	return cmd
}

// simFlags are those of a command that runs one world.
type simFlags struct {
	seed        uint64
	plan        string
	save        string
	log, trace  bool
	child       bool
	canary      bool
	cluster     bool
	first, last uint64
	until       uint64
}

func simRunCommand() *cobra.Command {
	var f simFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run one seed",
		Long: `Runs one seed, or with --plan a plan, and prints its verdict, what it did and its hash.

--save writes the run into a folder: its plan, the history that clients saw (weir sim check judges it
again), its story and its timeline.

--until EVENT stops before anything later happens and prints what the world is like: every machine with its
tasks, what each waits for and since when, its volumes with what is not synced, timers, links, connections,
the store's objects, and the faults still to come. --trace numbers the events; a failure names its own:

  weir sim run --seed 7                    … failed: seed 7, event 10022, 2.836930428s: …
  weir sim run --seed 7 --until 10022      the world at that moment
  weir sim run --seed 7 --until 10022 --trace --first 9900`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			execute := run.Func(workload.Run)
			if f.cluster {
				execute = cluster.Run
			}
			if f.plan != "" {
				plan, err := run.LoadPlan(f.plan)
				if err != nil {
					return err
				}
				f.seed, execute = plan.Seed, run.Replay(plan)
			}
			return said(f.run(execute))
		},
	}
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "the seed")
	cmd.Flags().BoolVar(&f.cluster, "cluster", false, "a world of several nodes: seeds of these are other runs")
	cmd.Flags().StringVar(&f.plan, "plan", "", "run the plan in this file instead; its seed counts")
	f.addTo(cmd)
	return cmd
}

// addTo adds the flags that a seed and a plan share.
func (f *simFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.log, "log", false, "print the broker's log, stamped with virtual time")
	flags.BoolVar(&f.trace, "trace", false,
		"print every event: number, virtual seconds, kind, who a b in hex, hash, task, what")
	flags.StringVar(&f.save, "save", "", "write plan, history, story and timeline into this folder")
	flags.BoolVar(&f.child, "json", false, "print the result as one line of JSON")
	flags.BoolVar(&f.canary, "canary", false, "lie about one answer: the seed must fail")
	flags.Uint64Var(&f.until, "until", 0, "stop after this event and print what the world is like")
	flags.Uint64Var(&f.first, "first", 0, "with --trace: from this event on")
	flags.Uint64Var(&f.last, "last", 0, "with --trace: up to this event, and end")
	for _, name := range []string{"json", "canary"} { // for the children of a sweep
		_ = flags.MarkHidden(name) // it exists
	}
}

// said turns a verdict that was printed into the command's error.
func said(ok bool, err error) error {
	if err == nil && !ok {
		return errSaid
	}
	return err
}

// run runs a world and returns whether it passed.
func (f *simFlags) run(execute run.Func) (bool, error) {
	if f.canary {
		execute = run.WithCanary(execute)
	}
	var saved error
	var keep func(*workload.Result, []run.Life)
	if f.save != "" {
		keep = func(r *workload.Result, lives []run.Life) { saved = run.Save(f.save, r, lives) }
	}
	if f.child {
		c := run.ChildOptions{Seed: f.seed, Trace: f.trace, First: f.first, Last: f.last, Keep: keep}
		ok, err := run.Child(execute, c, os.Stdout)
		if err == nil {
			err = saved
		}
		return ok, err
	}
	r, err := f.forPeople(execute, keep)
	if err == nil {
		err = saved
	}
	return r.OK(), err
}

// forPeople runs a world and prints its result.
func (f *simFlags) forPeople(execute run.Func, keep func(*workload.Result, []run.Life)) (*run.Result, error) {
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	o := run.SeedOptions{Seed: f.seed, Sites: true, Keep: keep, First: f.first, Last: f.last, Until: f.until}
	if f.until > 0 {
		o.Dump = out
	}
	if f.log {
		o.Log = out
	}
	if f.trace {
		o.Trace = out
	}
	o.Stuck = func(r *run.Result, stacks []byte) {
		_ = r.Write(out)
		_ = out.Flush()
		_, _ = os.Stderr.Write(stacks)
		os.Exit(1)
	}
	r := run.Seed(execute, o)
	if err := r.Write(out); err != nil {
		return r, err
	}
	return r, out.Flush()
}
