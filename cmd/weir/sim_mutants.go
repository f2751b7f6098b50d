package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/sim/run"
)

// mutantFlags are those of the hunt that package run does not know.
type mutantFlags struct {
	list   bool
	starts int
	first  uint64
	out    string
	worked string
	tell   string
}

// startsApart is how far apart first seeds are.
const startsApart = 1000

// simMutantsCommand is there only in a build with the tag mutants.
func simMutantsCommand() *cobra.Command {
	var f mutantFlags
	h := run.Hunt{}
	cmd := &cobra.Command{
		Use:   "mutants [ID…]",
		Short: "Look for the planted bugs",
		Long: `Switches one planted bug on at a time and runs seed after seed until an oracle outside the bug's package
finds it: what clients saw, what lies on disk or in the store, liveness, the double run. An assertion beside
the bug does not count. It fails if one is not found.

--out writes mutants.json and, with --shrink, the shrunk plan of each first find under plans/.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if h.Bugs, err = bugs(args); err != nil {
				return err
			}
			if f.tell != "" {
				return tellWorked(f.tell, h.Bugs[0])
			}
			if f.list {
				for _, b := range h.Bugs {
					fmt.Fprintf(cmd.OutOrStdout(), "%-26s %-16s %-8s %s\n", b.ID, b.Package, b.Rule, b.What)
				}
				return nil
			}
			return said(simMutants(cmd, h, f))
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.list, "list", false, "list the planted bugs and run nothing")
	flags.IntVar(&f.starts, "starts", 1, "from how many first seeds each bug is hunted")
	flags.Uint64Var(&f.first, "first", 1, "the first first seed; the others are 1,000 apart")
	flags.IntVar(&h.Most, "most", 50, "seeds tried from each")
	flags.IntVar(&h.Jobs, "jobs", runtime.GOMAXPROCS(0), "bugs hunted at a time")
	flags.DurationVar(&h.Timeout, "timeout", 60*time.Second, "wall time after which a process is killed")
	flags.IntVar(&h.Shrink, "shrink", 0, "make each plan small, with so many tries at most")
	flags.StringVar(&f.out, "out", "", "write mutants.json and plans into this folder")
	flags.StringVar(&f.worked, "worked", string(mutant.FetchPastHighWatermark),
		"with --out and --shrink: tell this bug in worked.json")
	flags.StringVar(&f.tell, "tell", "", "")
	_ = flags.MarkHidden("tell") // for the child that has the bug on
	return cmd
}

// bugs are those that are named; all of them if none is.
func bugs(ids []string) ([]mutant.Bug, error) {
	if len(ids) == 0 {
		return mutant.All(), nil
	}
	var list []mutant.Bug
	for _, id := range ids {
		i := slices.IndexFunc(mutant.All(), func(b mutant.Bug) bool { return string(b.ID) == id })
		if i < 0 {
			return nil, fmt.Errorf("there is no planted bug %q: weir sim mutants --list names them", id)
		}
		list = append(list, mutant.All()[i])
	}
	return list, nil
}

func simMutants(cmd *cobra.Command, h run.Hunt, f mutantFlags) (bool, error) {
	var err error
	if h.Program, err = selfProgram(); err != nil {
		return false, err
	}
	if f.starts < 1 || h.Most < 1 {
		return false, errors.New("--starts and --most: one at least")
	}
	for i := range f.starts {
		h.Starts = append(h.Starts, f.first+uint64(i)*startsApart)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	h.Dir = f.out
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, run.MutantsHead)
	h.Done = func(row run.MutantRow) { fmt.Fprintln(out, row) }
	found := h.Run(ctx)
	found.Command = commandLine()
	fmt.Fprintf(out, "%d of %d planted bugs found in %.0f s\n", found.Found, len(found.Mutants), found.Wall)
	if f.out != "" {
		if err := run.WriteJSON(f.out, run.MutantsJSON, found); err != nil {
			return false, err
		}
		told := slices.IndexFunc(found.Mutants, func(r run.MutantRow) bool { return r.Mutant == f.worked && r.Plan != nil })
		if told >= 0 {
			err := h.WorkInChild(ctx, mutant.ID(f.worked), "sim", "mutants", f.worked, "--tell", f.out)
			if err != nil {
				return false, fmt.Errorf("tell %s: %w", f.worked, err)
			}
		}
	}
	return found.Found == len(found.Mutants), nil
}

// tellWorked writes worked.json; this process has the bug on.
func tellWorked(dir string, b mutant.Bug) error {
	var all run.MutantsFile
	if _, err := run.ReadJSON(dir, run.MutantsJSON, &all); err != nil {
		return err
	}
	i := slices.IndexFunc(all.Mutants, func(r run.MutantRow) bool { return r.Mutant == string(b.ID) })
	if i < 0 {
		return fmt.Errorf("%s is not among the rows of %s", b.ID, run.MutantsJSON)
	}
	w, err := run.Work(dir, b, all.Mutants[i])
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s told in %s\n", b.ID, run.WorkedJSON)
	return run.WriteJSON(dir, run.WorkedJSON, w)
}
