package run

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/sim/workload"
)

// The files of a saved run.
const (
	PlanFile     = "plan.json" // the run as a plan; what clients saw is in check's files
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
		verdict := r.Verdict
		if verdict == nil {
			verdict = &check.Verdict{} // it was never judged
		}
		meta := check.Meta{Seed: r.Seed, Commit: ThisBuild().Commit, Note: r.Oracle}
		if err := check.Save(folder(dir), r.History, meta, verdict); err != nil {
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

// folder gives package check the files of a folder.
type folder string

// Create implements check.Files.
func (f folder) Create(name string) (io.WriteCloser, error) {
	return os.Create(filepath.Join(string(f), name))
}

// Open implements check.Files.
func (f folder) Open(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), name))
}

// LoadHistory reads the history of a saved run; dir may also be the history's file itself.
func LoadHistory(dir string) (*check.History, error) {
	file := dir
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		file = filepath.Join(dir, check.HistoryFile)
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
