package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/sim/workload"
)

// Work tells one planted bug from its seed to its story: the timeline of the seed's whole run, the shrunk plan, its
// story, and porcupine's picture of the partition that the verdict complains of. It needs the bug's row with its
// shrunk plan, as Run leaves it. It runs in this process, in which the bug must be on.
func Work(dir string, b mutant.Bug, row MutantRow) (*Worked, error) {
	if row.Plan == nil || row.Plan.File == "" {
		return nil, fmt.Errorf("%s has no shrunk plan to tell of", b.ID)
	}
	plan, err := LoadPlan(filepath.Join(dir, row.Plan.File))
	if err != nil {
		return nil, err
	}
	seed := row.Starts[0].Seed
	w := &Worked{Title: b.What, Mutant: string(b.ID), Seed: seed, Plan: *row.Plan, Text: plan.Faults.String()}
	w.Commands = []string{
		"go build -tags mutants -o bin/weir-mutants ./cmd/weir",
		fmt.Sprintf("%s=%s bin/weir-mutants sim run --seed %d", mutantEnv, b.ID, seed),
		fmt.Sprintf("%s=%s bin/weir-mutants sim shrink --seed %d --out another.json", mutantEnv, b.ID, seed),
		fmt.Sprintf("%s=%s bin/weir-mutants sim replay --story %s", mutantEnv, b.ID, filepath.Join(dir, row.Plan.File)),
	}
	Seed(workload.Run, SeedOptions{Seed: seed, Keep: func(r *workload.Result, lives []Life) {
		w.Timeline = NewTimeline(r, lives)
	}})
	r := Seed(Replay(plan), SeedOptions{Seed: plan.Seed, Keep: func(r *workload.Result, lives []Life) {
		w.Story = Tell(r, lives).String()
		w.Picture = picture(r, lives)
	}})
	w.Oracle, w.Cause = r.Oracle, r.Cause()
	return w, nil
}

// picture draws the partition that the verdict complains of first; without a complaint, the first one.
func picture(r *workload.Result, lives []Life) string {
	if r.History == nil || len(r.History.Logs) == 0 {
		return ""
	}
	p := r.History.Logs[0].Partition
	if v := r.Verdict; v != nil && len(v.Violations) > 0 && v.Violations[0].Partition.Topic != "" {
		p = v.Violations[0].Partition
	}
	page, err := check.Picture(r.History, p, annotations(r, lives))
	if err != nil {
		return ""
	}
	return string(page)
}

func annotations(r *workload.Result, lives []Life) []check.Annotation {
	var list []check.Annotation
	for _, l := range lives {
		if l.Machine == workload.NodeMachine {
			text := "starts"
			if !l.Up {
				text = "dies"
			}
			list = append(list, check.Annotation{Tag: l.Machine, Start: int64(l.At), Text: text})
		}
	}
	if r.Plan != nil {
		for _, s := range r.Plan.Faults {
			list = append(list, check.Annotation{
				Tag: "faults", Start: int64(s.At), End: int64(s.Ends()), Text: s.Kind.String(), Details: s.String(),
			})
		}
	}
	return list
}

// WorkInChild has a process with the bug on do Work by a command of its own.
func (h Hunt) WorkInChild(ctx context.Context, id mutant.ID, args ...string) error {
	cmd := h.with(id).start(ctx, args, sides[0])
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}
