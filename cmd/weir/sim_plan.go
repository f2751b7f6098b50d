package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/sim/run"
	"github.com/weirmq/weir/sim/shrink"
	"github.com/weirmq/weir/sim/workload"
)

func simShrinkCommand() *cobra.Command {
	var seed uint64
	var plan, out string
	s := run.Shrinker{}
	cmd := &cobra.Command{
		Use:   "shrink",
		Short: "Make a failing seed or plan small",
		Long: `Runs a failing seed once more, records it as a plan, and takes away what the failure does not need: what
comes after it, the chance in latencies, damage, faults, clients, operations, long windows, unusual settings.
A smaller plan counts only if the same oracle finds something; large parts are tried under three seeds for
what is left to chance. It says at last how much of that chance the failure needs: a plan that fails under
any guards the code when it changes. What is left is written to --out as JSON and told as a story.

  weir sim shrink --seed 7 --out seven.json
  weir sim replay seven.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if s.Program, err = selfProgram(); err != nil {
				return err
			}
			return simShrink(cmd, s, seed, plan, out)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the failing seed")
	cmd.Flags().StringVar(&plan, "plan", "", "a failing plan instead of a seed")
	cmd.Flags().StringVar(&out, "out", "", "write the small plan into this file")
	cmd.Flags().IntVar(&s.Budget, "budget", 1000, "plans tried at most")
	cmd.Flags().IntVar(&s.Jobs, "jobs", runtime.GOMAXPROCS(0), "processes at a time")
	cmd.Flags().DurationVar(&s.Timeout, "timeout", 60*time.Second, "wall time after which a process is killed")
	return cmd
}

func simShrink(cmd *cobra.Command, s run.Shrinker, seed uint64, plan, out string) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	show, clear := statusLine(os.Stderr)
	s.Progress = func(p shrink.Progress) {
		show(fmt.Sprintf("%d tried, %d kept, %d left: %s (%d)", p.Tried, p.Kept, p.Left, p.Pass, p.Size))
	}
	var small *run.Shrunk
	var err error
	if plan != "" {
		p, e := run.LoadPlan(plan)
		if e != nil {
			return e
		}
		small, err = s.Plan(ctx, p)
	} else {
		small, err = s.Seed(ctx, seed)
	}
	clear()
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\nfrom %d operations and %d faults to %d and %d, in %d tries\n"+
		"with other latencies and another order of tasks it fails as well: %d of 5\n",
		small.Begin.Oracle, small.Begin.Cause(), small.Size.OpsWas, small.Size.FaultsWas, small.Size.Ops, small.Size.Faults,
		small.Size.Tried, small.Size.Noise)
	if small.Plan.Note == "" {
		small.Plan.Note = fmt.Sprintf("%s, seed %d, shrunk", small.Begin.Oracle, small.Begin.Seed)
	}
	if out == "" {
		return nil
	}
	if err := run.SavePlan(out, small.Plan); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "replay: weir sim replay %s\n", out)
	return nil
}

// statusLine returns what shows a line on a terminal, each in the place of the one before, and what clears it. What
// is no terminal is shown nothing.
func statusLine(f *os.File) (show func(string), clear func()) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(string) {}, func() {}
	}
	return func(s string) { fmt.Fprintf(f, "\r%s\x1b[K", s) }, func() { fmt.Fprint(f, "\r\x1b[K") }
}

func simReplayCommand() *cobra.Command {
	var f simFlags
	var story bool
	cmd := &cobra.Command{
		Use:   "replay FILE…",
		Short: "Run plans again and print their verdicts",
		Long: `Runs each plan, and nothing else goes wrong than what stands in it, and prints its verdict; with --story
what happens in it, line by line, first.
A plan that was kept because of a bug passes once the bug is fixed.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			all := true
			for _, file := range files {
				plan, err := run.LoadPlan(file)
				if err != nil {
					return err
				}
				f.seed = plan.Seed
				if story && !f.child {
					text, _ := tell(plan)
					fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
				}
				ok, err := f.run(run.Replay(plan))
				if err != nil {
					return err
				}
				all = all && ok
			}
			return said(all, nil)
		},
	}
	f.addTo(cmd)
	cmd.Flags().BoolVar(&story, "story", false, "print what happens in it, line by line, before the verdict")
	return cmd
}

func simStoryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "story FILE",
		Short: "Tell what happens in a plan: time, node, event",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := run.LoadPlan(args[0])
			if err != nil {
				return err
			}
			text, _ := tell(plan)
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
}

// tell runs a plan and returns its story, and whether it passed.
func tell(plan workload.Plan) (string, bool) {
	var story run.Story
	r := run.Seed(run.Replay(plan), run.SeedOptions{
		Seed: plan.Seed,
		Keep: func(r *workload.Result, lives []run.Life) { story = run.Tell(r, lives) },
	})
	if plan.Note != "" {
		story.Title += ": " + plan.Note
	}
	return story.String(), r.OK()
}
