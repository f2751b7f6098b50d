package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirmq/weir/internal/mutant"
)

// Hunt looks for planted bugs: from each start it runs seed after seed with the bug on, until an oracle outside the
// bug's package finds it.
type Hunt struct {
	Program Program // built with the tag mutants
	Bugs    []mutant.Bug
	Starts  []uint64      // first seeds
	Most    int           // seeds tried from each start
	Jobs    int           // processes at a time
	Timeout time.Duration // wall time of a process [60 s]
	Shrink  int           // candidates tried to make the plan of the first find small; 0 = no shrinking
	Dir     string        // where shrunk plans go, under plans/; "" = nowhere
	Done    func(MutantRow)
}

const (
	huntTimeout = 60 * time.Second
	plansFolder = "plans"
	mutantEnv   = "WEIR_MUTANT" // names the planted bug of a process; see internal/mutant
)

// Run hunts every bug and returns a row for each, in their order.
func (h Hunt) Run(ctx context.Context) *MutantsFile {
	if h.Timeout <= 0 {
		h.Timeout = huntTimeout
	}
	begin := time.Now()
	out := &MutantsFile{Build: ThisBuild(), Starts: h.Starts, Most: h.Most, Mutants: make([]MutantRow, len(h.Bugs))}
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := make(chan int)
	for range max(1, h.Jobs) {
		workers.Go(func() {
			for i := range next {
				row := h.bug(ctx, h.Bugs[i])
				mu.Lock()
				out.Mutants[i] = row
				if row.Found {
					out.Found++
				}
				if h.Done != nil {
					h.Done(row)
				}
				mu.Unlock()
			}
		})
	}
	for i := range h.Bugs {
		next <- i
	}
	close(next)
	workers.Wait()
	out.Wall = rounded(time.Since(begin).Seconds())
	return out
}

// bug hunts one bug from every start.
func (h Hunt) bug(ctx context.Context, b mutant.Bug) MutantRow {
	if b.InCluster() {
		h.Program.Args = append(slices.Clone(h.Program.Args), "--cluster")
	}
	row := MutantRow{Mutant: string(b.ID), Package: b.Package, Rule: b.Rule, What: b.What, Found: true}
	oracles, needed := map[string]int{}, []int(nil)
	for _, first := range h.Starts {
		f := h.from(ctx, b, first)
		row.Starts = append(row.Starts, f)
		if !f.Found {
			row.Found = false
			continue
		}
		oracles[f.Oracle]++
		needed = append(needed, f.Tried)
	}
	row.Oracles = tally(oracles)
	if len(needed) > 0 {
		slices.Sort(needed)
		row.Median, row.Max = needed[len(needed)/2], needed[len(needed)-1]
	}
	if err := ctx.Err(); err != nil {
		row.Found, row.Error = false, "interrupted"
	} else if row.Found && h.Shrink > 0 && row.Starts[0].Oracle != OracleParted {
		h.shrink(ctx, b, &row)
	}
	return row
}

// from hunts from one start.
func (h Hunt) from(ctx context.Context, b mutant.Bug, first uint64) Find {
	f := Find{First: first}
	p := h.with(b.ID)
	for seed := first; f.Tried < h.Most && ctx.Err() == nil; seed++ {
		var r *Result
		if b.ID == mutant.MapRange { // nothing but a second process can notice it
			r = p.double(ctx, seed, h.Timeout, nil)
		} else {
			r = p.result(ctx, seed, sides[0], h.Timeout)
		}
		f.Tried++
		switch {
		case r.OK():
		case !h.Program.result(ctx, seed, sides[0], h.Timeout).OK():
			f.Guilty++ // it fails without the bug too: it tells nothing of the bug
		case Outside(r.Oracle):
			f.Found, f.Seed, f.Oracle, f.Cause = true, seed, r.Oracle, r.Cause()
			return f
		default:
			f.Inside++
			f.Oracle, f.Cause = r.Oracle, r.Cause()
		}
	}
	return f
}

// with is the program with a bug on.
func (h Hunt) with(id mutant.ID) Program {
	p := h.Program
	p.Env = append(slices.Clone(p.Env), mutantEnv+"="+string(id))
	return p
}

// shrink makes the plan of the first find small.
func (h Hunt) shrink(ctx context.Context, b mutant.Bug, row *MutantRow) {
	s := Shrinker{Program: h.with(b.ID), Control: &h.Program, Jobs: 1, Budget: h.Shrink, Timeout: h.Timeout}
	out, err := s.Seed(ctx, row.Starts[0].Seed)
	if err != nil {
		row.Error, _, _ = strings.Cut(err.Error(), "\n")
		return
	}
	row.Plan = &out.Size
	if h.Dir == "" {
		return
	}
	if err := os.MkdirAll(filepath.Join(h.Dir, plansFolder), 0o755); err != nil {
		row.Error = err.Error()
		return
	}
	out.Plan.Note = fmt.Sprintf("catches %s (%s): found by %s from seed %d, shrunk", b.ID, b.What, row.Starts[0].Oracle,
		row.Starts[0].Seed)
	row.Plan.File = filepath.Join(plansFolder, string(b.ID)+".json")
	if err := SavePlan(filepath.Join(h.Dir, row.Plan.File), out.Plan); err != nil {
		row.Error = err.Error()
	}
}

// Outside tells whether an oracle looks from outside: at what clients saw, what lies on disk or in the store, whether
// work goes on, whether two runs agree. An assertion or a panic is inside the code that it judges, or beside it.
func Outside(oracle string) bool {
	return oracle != "" && oracle != "panic" && oracle != OracleDead && !strings.HasPrefix(oracle, "invariant:")
}

// String is one line for a table: the bug, what found it, how many seeds that took.
func (r MutantRow) String() string {
	names := make([]string, 0, len(r.Oracles))
	for _, o := range r.Oracles {
		names = append(names, o.Name)
	}
	found := strings.Join(names, ", ")
	if !r.Found {
		found = "NOT FOUND"
		for _, f := range r.Starts {
			if !f.Found && f.Inside > 0 {
				found = fmt.Sprintf("only from inside: %s", f.Oracle)
			}
		}
	}
	line := fmt.Sprintf("%-26s %-16s %-8s %6d %6d  %s", r.Mutant, r.Package, r.Rule, r.Median, r.Max, found)
	if r.Plan != nil {
		line += fmt.Sprintf("  (%d operations, %d faults)", r.Plan.Ops, r.Plan.Faults)
	}
	if r.Error != "" {
		line += "  " + r.Error
	}
	return line
}

// MutantsHead is the head of a table of MutantRow.String.
var MutantsHead = fmt.Sprintf("%-26s %-16s %-8s %6s %6s  %s",
	"planted bug", "package", "rule", "median", "most", "found by")

// ShrinkBudget is how many candidates are tried for a plan that is to be small and not the smallest.
const ShrinkBudget = 400
