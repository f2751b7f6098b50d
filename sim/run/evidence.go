package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/sim/workload"
)

// The files of evidence. Each is written by the command whose name stands in it, and read by the report.
const (
	SweepJSON   = "sweep.json"
	SeedsJSON   = "seeds.jsonl" // the result of each seed, a line each
	MutantsJSON = "mutants.json"
	WorkedJSON  = "worked.json"
	FuzzJSON    = "fuzz.jsonl"  // go test -json
	BenchJSON   = "bench.jsonl" // go test -json
	RealJSON    = "real.json"
	CheckJSON   = "check.json"
	// ClustersDir is the folder, among the others, of a sweep over worlds of several nodes: its SweepJSON and SeedsJSON.
	ClustersDir = "clusters"
)

// SweepFile is what a sweep came to, for the report and for comparing with another.
type SweepFile struct {
	Command string  `json:"command"`
	Build   Build   `json:"build"`
	Seeds   string  `json:"seeds"`
	Count   int     `json:"count"` // seeds with a result
	Double  bool    `json:"double"`
	Passed  int     `json:"passed"`
	Failed  []Brief `json:"failed"`

	Wall           float64 `json:"wall_s"`
	Hours          float64 `json:"simulated_h"`
	Ratio          float64 `json:"simulated_to_real"` // of the whole sweep: both processes, starts and verdicts included
	SeedsPerSecond float64 `json:"seeds_per_s"`
	Events         uint64  `json:"events"`
	EventsRate     float64 `json:"events_per_s"`
	Ops            int     `json:"ops"`
	OpsRate        float64 `json:"ops_per_s"`
	Crashes        int     `json:"crashes"`
	CrashPlaces    int     `json:"crash_places"`
	Objects        int     `json:"objects"`
	Restarts       int     `json:"restarts"`
	Audits         int     `json:"audits"` // looks at the disks by fsck
	Fenced         int     `json:"fenced"` // commits refused because their generation was over
	Beyond         int     `json:"beyond"` // seeds in which more was damaged than weir promises to survive

	Counts   check.Counts `json:"counts"`
	Verdicts Verdicts     `json:"verdicts"`
	Least    Least        `json:"least"`
	Faults   []FaultRow   `json:"faults"`
	Combos   int          `json:"fault_combinations"` // distinct sets of kinds that fired in a seed
	Probes   []ProbeRow   `json:"probes"`
	Parted   int          `json:"parted"` // seeds whose two processes went different ways
	Canary   *Canary      `json:"canary,omitempty"`
	Unmet    []string     `json:"unmet"` // demands that the sweep did not meet
	Hash     Hash         `json:"hash"`  // over all results in order
	Pinned   *Pinned      `json:"pinned,omitempty"`
	Largest  Largest      `json:"largest"`
	PerSeed  PerSeed      `json:"per_seed"` // in the order of the seeds

	Cluster *workload.ClusterCounts `json:"cluster,omitempty"` // of worlds of several nodes
}

// Brief is a seed that failed.
type Brief struct {
	Seed   uint64 `json:"seed"`
	Oracle string `json:"oracle"`
	Cause  string `json:"cause"`
	Replay string `json:"replay"`
}

// Verdicts counts histories by what the checkers said of them. A history without a verdict has failed too.
type Verdicts struct {
	OK      int `json:"ok"`
	Illegal int `json:"illegal"`
	Unknown int `json:"unknown"` // undecided, or none: stuck, late or crashed
}

// Pinned is one seed with its hash, for a quick comparison of two checkouts.
type Pinned struct {
	Seed   uint64 `json:"seed"`
	Hash   Hash   `json:"hash"`
	Events uint64 `json:"events"`
}

// Largest is the longest history of a sweep.
type Largest struct {
	Seed uint64 `json:"seed"`
	Ops  int    `json:"ops"`
}

// PerSeed is what charts are drawn from.
type PerSeed struct {
	Ops    []int     `json:"ops"`
	Events []uint64  `json:"events"`
	Ratio  []float64 `json:"simulated_to_real"` // of one process: run and verdict
}

// Canary is a seed with a planted failure that went through the same pipeline.
type Canary struct {
	Seed   uint64 `json:"seed"`
	Failed bool   `json:"failed"` // as it must
	Oracle string `json:"oracle"`
	Cause  string `json:"cause"`
}

// MutantsFile is what a search for the planted bugs came to.
type MutantsFile struct {
	Command string      `json:"command"`
	Build   Build       `json:"build"`
	Starts  []uint64    `json:"starts"` // first seeds
	Most    int         `json:"most"`   // seeds tried from each start
	Wall    float64     `json:"wall_s"`
	Found   int         `json:"found"`
	Mutants []MutantRow `json:"mutants"`
}

// MutantRow is one planted bug.
type MutantRow struct {
	Mutant  string    `json:"mutant"`
	Package string    `json:"package"`
	Rule    string    `json:"rule"`
	What    string    `json:"what"`
	Found   bool      `json:"found"` // from every start, by an oracle outside its package
	Median  int       `json:"median_seeds"`
	Max     int       `json:"max_seeds"`
	Oracles []Tally   `json:"oracles"` // the most frequent first
	Starts  []Find    `json:"starts"`
	Plan    *PlanSize `json:"plan,omitempty"` // of its shrunk plan
	Error   string    `json:"error,omitempty"`
}

// Tally is how often something was said.
type Tally struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Find is the search for a planted bug from one start.
type Find struct {
	First  uint64 `json:"first"`
	Tried  int    `json:"tried"` // seeds, the one that found it included
	Found  bool   `json:"found"`
	Seed   uint64 `json:"seed,omitempty"`
	Oracle string `json:"oracle,omitempty"`
	Cause  string `json:"cause,omitempty"`
	Inside int    `json:"inside"` // seeds in which only an assertion or a panic noticed it
	Guilty int    `json:"guilty"` // seeds that fail without the bug as well, which tell nothing
}

// PlanSize is how long a plan is, and was.
type PlanSize struct {
	Ops       int    `json:"ops"`
	Faults    int    `json:"faults"`
	OpsWas    int    `json:"ops_was"`
	FaultsWas int    `json:"faults_was"`
	Tried     int    `json:"tried"` // candidates
	Noise     int    `json:"noise"` // of 5 other seeds for latencies and the order of tasks: with which it fails as well
	File      string `json:"file"`  // beside the evidence
}

// Worked is one failure from its seed to its story.
type Worked struct {
	Title    string    `json:"title"` // what was planted
	Mutant   string    `json:"mutant"`
	Seed     uint64    `json:"seed"`
	Oracle   string    `json:"oracle"`
	Cause    string    `json:"cause"`
	Commands []string  `json:"commands"` // that lead here
	Plan     PlanSize  `json:"plan"`
	Text     string    `json:"plan_text"` // the shrunk plan's faults
	Story    string    `json:"story"`
	Picture  string    `json:"picture,omitempty"`  // porcupine's HTML
	Timeline *Timeline `json:"timeline,omitempty"` // of the seed's whole run
}

// RealFile is what a real process under a fault plan counted.
type RealFile struct {
	Command string     `json:"command"`
	Faults  []FaultRow `json:"faults"`
}

// CheckFile is what the checkers said of one saved history, and how long each took.
type CheckFile struct {
	Command  string       `json:"command"`
	Build    Build        `json:"build"`
	Ops      int          `json:"ops"`     // in the history
	Records  int          `json:"records"` // in the final logs
	Counts   check.Counts `json:"counts"`
	Found    int          `json:"found"` // violations
	Seconds  float64      `json:"seconds"`
	Checkers []CheckerRow `json:"checkers"`
}

// CheckerRow is one checker.
type CheckerRow struct {
	Checker string  `json:"checker"`
	Decides string  `json:"decides"`
	Judged  int     `json:"judged"` // operations
	Found   int     `json:"found"`  // violations
	Seconds float64 `json:"seconds"`
}

// WriteJSON writes v to a file of a folder, indented, creating the folder.
func WriteJSON(dir, name string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644)
}

// ReadJSON reads a file of a folder into v and returns whether it is there.
func ReadJSON(dir, name string, v any) (bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return false, fmt.Errorf("read %s: %w", filepath.Join(dir, name), err)
	}
	return true, nil
}
