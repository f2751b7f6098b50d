package run

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/sim/workload"
)

// Summary is what a sweep came to.
type Summary struct {
	Range   Range
	Double  bool
	Elapsed time.Duration // wall
	Passed  int
	Failed  []*Result // in the order of their seeds

	Events   uint64
	Virtual  time.Duration
	Ops      int
	Counts   check.Counts
	Crashes  int
	Objects  int
	Restarts int
	Audits   int                     // looks at the disks by fsck
	Fenced   int                     // commits refused because their generation was over
	Beyond   int                     // seeds in which more was damaged than weir promises to survive
	Cluster  *workload.ClusterCounts // sums, of worlds of several nodes
	Least    Least
	Fired    []Fired        // sums, in the order of the first result
	Sites    map[string]int // crashes by call site

	Verdicts Verdicts
	Parted   int
	Pinned   *Pinned // the first seed
	Largest  Largest
	PerSeed  PerSeed
	Canary   *Canary // of the pipeline; nil = none was sent
	Table    bool    // Write prints a line for each kind of fault

	faults faultTable
	probes probeTable
	hash   []byte // of every result so far, chained
}

// Least is the smallest number of a seed that passed: what every seed exercised.
type Least struct {
	Ops, Crashes, Objects int
}

// NewSummary returns a summary of nothing.
func NewSummary(r Range, double bool) *Summary {
	return &Summary{Range: r, Double: double, Sites: map[string]int{}, probes: probeTable{}}
}

// Add counts a result. The combined hash depends on the order of the calls.
func (s *Summary) Add(r *Result) {
	if r.OK() {
		least := Least{r.Ops, len(r.Crashes), r.Objects}
		if s.Passed > 0 {
			least = Least{min(least.Ops, s.Least.Ops), min(least.Crashes, s.Least.Crashes),
				min(least.Objects, s.Least.Objects)}
		}
		s.Least = least
		s.Passed++
	} else {
		s.Failed = append(s.Failed, r)
	}
	s.chart(r)
	s.addCluster(r.Cluster)
	s.faults.add(r)
	s.probes.add(r)
	s.Events += r.Events
	s.Virtual += r.Virtual
	s.Ops += r.Ops
	s.Counts.Add(r.Counts)
	s.Crashes += len(r.Crashes)
	s.Objects += r.Objects
	s.Restarts += r.Restarts
	s.Audits += r.Audits
	s.Fenced += r.Fenced
	if r.Beyond {
		s.Beyond++
	}
	for _, site := range r.Crashes {
		s.Sites[site]++
	}
	for _, f := range r.Fired {
		i := slices.IndexFunc(s.Fired, func(have Fired) bool { return have.Fault == f.Fault })
		if i < 0 {
			s.Fired = append(s.Fired, f)
			continue
		}
		s.Fired[i].Count += f.Count
	}
	h := fnv.New64a()
	h.Write(s.hash)
	fmt.Fprintf(h, "%d %s %d;", r.Seed, r.Hash, r.Events)
	s.hash = h.Sum(nil)
}

// chart counts what charts and the verdicts' table are drawn from.
func (s *Summary) chart(r *Result) {
	switch {
	case r.OK():
		s.Verdicts.OK++
	case r.Judged:
		s.Verdicts.Illegal++
	case r.Incomplete, strings.HasPrefix(r.Oracle, "history:"), r.Oracle == OracleParted:
		s.Verdicts.Unknown++
	default: // found before there was a history to judge
		s.Verdicts.Illegal++
	}
	if r.Parted {
		s.Parted++
	}
	if s.Pinned == nil && r.Hash != 0 {
		s.Pinned = &Pinned{r.Seed, r.Hash, r.Events}
	}
	if r.History > s.Largest.Ops {
		s.Largest = Largest{r.Seed, r.History}
	}
	s.PerSeed.Ops = append(s.PerSeed.Ops, r.Ops)
	s.PerSeed.Events = append(s.PerSeed.Events, r.Events)
	s.PerSeed.Ratio = append(s.PerSeed.Ratio, rounded(ratio(r.Virtual.Seconds(), r.Wall)))
}

// Unmet lists the demands on the faults of a sweep that it did not meet.
func (s *Summary) Unmet() []string { return SweepDemands.unmet(s.faults.list(), s.Done()) }

// Hash is one hash over the seeds, hashes and numbers of events of all results in order.
func (s *Summary) Hash() Hash {
	var h Hash
	for _, b := range s.hash {
		h = h<<8 | Hash(b)
	}
	return h
}

// Done returns how many seeds have a result.
func (s *Summary) Done() int { return s.Passed + len(s.Failed) }

// OK tells whether every seed of the range passed, the canary did not, and a sweep that is long enough did of each
// fault what is demanded.
func (s *Summary) OK() bool {
	return s.Passed == s.Range.Len() && (s.Canary == nil || s.Canary.Failed) &&
		(s.Done() < SweepDemands.From || len(s.Unmet()) == 0) && len(s.idle()) == 0
}

// Write prints the summary, with every call site crashed at if sites is set. Its last line is the
// combined hash.
func (s *Summary) Write(w io.Writer, sites bool) error {
	var b strings.Builder
	s.writeFailures(&b)
	how := ""
	if s.Double {
		how = ", each in two processes"
	}
	fmt.Fprintf(&b, "seeds %s: %d passed, %d failed%s\n", s.Range, s.Passed, len(s.Failed), how)
	if missing := s.Range.Len() - s.Done(); missing > 0 {
		fmt.Fprintf(&b, "interrupted: %d seeds have no result\n", missing)
	}
	writeCounts(&b, s.Ops, s.Counts)
	fmt.Fprintf(&b, "crashes: %d at %d distinct call sites\n", s.Crashes, len(s.Sites))
	if sites {
		s.writeSites(&b)
	}
	fmt.Fprintf(&b, "objects: %d uploaded, restarts: %d\n", s.Objects, s.Restarts)
	fmt.Fprintf(&b, "audits: %d, commits of past generations refused: %d, seeds damaged beyond the promise: %d\n",
		s.Audits, s.Fenced, s.Beyond)
	fmt.Fprintf(&b, "least of a seed: %d operations, %d crashes, %d objects\n",
		s.Least.Ops, s.Least.Crashes, s.Least.Objects)
	writeCluster(&b, s.Cluster)
	writeFaults(&b, s.Fired)
	if s.Table {
		s.writeTable(&b)
	}
	writeTime(&b, s.Virtual, s.Elapsed, s.Events)
	s.writeProbes(&b)
	s.writeDemands(&b)
	if idle := s.idle(); len(idle) > 0 {
		fmt.Fprintf(&b, "NONE of %d worlds of several nodes had any: %s\n", s.Done(), strings.Join(idle, ", "))
	}
	fmt.Fprintf(&b, "hash=%s\n", s.Hash())
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Summary) writeFailures(b *strings.Builder) {
	for _, r := range s.Failed {
		fmt.Fprintf(b, "seed %d failed: %s\n", r.Seed, r.Cause())
		if r.Parted { // nobody can ask for the rest of it again
			for line := range strings.Lines(strings.TrimPrefix(r.Failure, strings.TrimSuffix(r.Cause(), " …"))) {
				if line != "\n" {
					b.WriteString("  " + line)
				}
			}
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "  replay: %s\n", r.Replay())
	}
}

// writeSites lists the call sites, the most frequent first.
func (s *Summary) writeSites(b *strings.Builder) {
	type count struct {
		site string
		n    int
	}
	var list []count
	for site, n := range s.Sites {
		list = append(list, count{site, n})
	}
	slices.SortFunc(list, func(x, y count) int { return cmp.Or(y.n-x.n, cmp.Compare(x.site, y.site)) })
	for _, c := range list {
		fmt.Fprintf(b, "  %5d  %s\n", c.n, c.site)
	}
}
