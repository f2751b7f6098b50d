package run

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/sim/workload"
)

// The files of a saved run.
const (
	PlanFile     = "plan.json"     // the run as a plan
	HistoryFile  = "history.jsonl" // what clients saw, for check
	StoryFile    = "story.txt"
	TimelineFile = "timeline.json"
)

// Save writes a run into a folder, creating it: plan, history, story, timeline.
func Save(dir string, r *workload.Result, lives []Life) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save the run: %w", err)
	}
	if r.Plan != nil {
		if err := SavePlan(filepath.Join(dir, PlanFile), *r.Plan); err != nil {
			return err
		}
	}
	if r.History != nil {
		if err := saveHistory(filepath.Join(dir, HistoryFile), r.History); err != nil {
			return err
		}
	}
	story := Tell(r, lives)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, StoryFile), []byte(story.String()), 0o644),
		WriteJSON(dir, TimelineFile, NewTimeline(r, lives)))
}

// SavePlan writes a plan as JSON.
func SavePlan(file string, p workload.Plan) error {
	text, err := p.Marshal()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// LoadPlan reads a plan that SavePlan wrote.
func LoadPlan(file string) (workload.Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return workload.Plan{}, err
	}
	p, err := workload.ParsePlan(text)
	if err != nil {
		return p, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

func saveHistory(file string, h *check.History) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("save the history: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return check.Encode(f, h)
}

// LoadHistory reads the history of a saved run; dir may also be the file itself.
func LoadHistory(dir string) (*check.History, error) {
	file := dir
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		file = filepath.Join(dir, HistoryFile)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w: `weir sim run --save DIR` writes one", err)
	}
	defer func() { _ = f.Close() }()
	h, err := check.Decode(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return h, nil
}
