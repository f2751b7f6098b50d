package run

import (
	"fmt"
	"math"
	"strings"
)

// often is the share of seeds, in percent, above which a place is not rare: reaching it says nothing.
const often = 80

// File is the summary as a file of evidence.
func (s *Summary) File(command string) *SweepFile {
	wall := s.Elapsed
	f := &SweepFile{
		Command: command, Build: ThisBuild(), Seeds: s.Range.String(), Count: s.Done(), Double: s.Double,
		Passed: s.Passed, Failed: []Brief{},
		Wall: rounded(wall.Seconds()), Hours: rounded(s.Virtual.Hours()), Ratio: rounded(ratio(s.Virtual.Seconds(), wall)),
		SeedsPerSecond: rounded(ratio(float64(s.Done()), wall)),
		Events:         s.Events, EventsRate: rounded(ratio(float64(s.Events), wall)),
		Ops: s.Ops, OpsRate: rounded(ratio(float64(s.Ops), wall)),
		Crashes: s.Crashes, CrashPlaces: len(s.Sites), Objects: s.Objects, Restarts: s.Restarts,
		Audits: s.Audits, Fenced: s.Fenced, Beyond: s.Beyond,
		Counts: s.Counts, Verdicts: s.Verdicts, Least: s.Least, Faults: s.faults.list(), Combos: len(s.faults.combos),
		Probes: s.probes.list(), Parted: s.Parted, Canary: s.Canary, Unmet: s.Unmet(), Hash: s.Hash(),
		Pinned: s.Pinned, Largest: s.Largest, PerSeed: s.PerSeed, Cluster: s.Cluster,
	}
	for _, r := range s.Failed {
		f.Failed = append(f.Failed, Brief{r.Seed, r.Oracle, r.Cause(), r.Replay()})
	}
	return f
}

// rounded keeps as many digits as anybody reads.
func rounded(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// writeTable lists each kind of fault.
func (s *Summary) writeTable(b *strings.Builder) {
	fmt.Fprintf(b, "%-24s %10s %8s %10s\n", "fault", "fired", "seeds", "between")
	for _, r := range s.faults.list() {
		fmt.Fprintf(b, "%-24s %10d %8d %10d\n", r.Fault, r.Fired, r.Seeds, r.Between)
	}
}

// writeProbes lists the rare places that no seed reached and those that are not rare.
func (s *Summary) writeProbes(b *strings.Builder) {
	var never, common []string
	rows := s.probes.list()
	for _, p := range rows {
		switch {
		case p.Seeds == 0:
			never = append(never, p.Probe)
		case p.Seeds*100 > often*s.Done():
			common = append(common, p.Probe)
		}
	}
	fmt.Fprintf(b, "rare places: %d of %d reached\n", len(rows)-len(never), len(rows))
	if len(never) > 0 {
		writeList(b, "never", never)
	}
	if len(common) > 0 && s.Done() > often {
		writeList(b, fmt.Sprintf("not rare, in more than %d %% of the seeds", often), common)
	}
}

func writeList(b *strings.Builder, what string, names []string) {
	for i, line := range wrap(fmt.Sprintf("%s: %s", what, strings.Join(names, "; ")), storyColumns-4) {
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString("  " + line + "\n")
	}
}

// writeDemands says what the sweep did not do, and whether that makes it fail.
func (s *Summary) writeDemands(b *strings.Builder) {
	if c := s.Canary; c != nil {
		if c.Failed {
			fmt.Fprintf(b, "canary: seed %d failed as it must (%s)\n", c.Seed, c.Oracle)
		} else {
			fmt.Fprintf(b, "canary: seed %d PASSED with a lie in its history: this pipeline finds nothing\n", c.Seed)
		}
	}
	unmet := s.Unmet()
	if len(unmet) == 0 {
		return
	}
	if s.Done() < SweepDemands.From {
		fmt.Fprintf(b, "faults: %d kinds fired less often than %d seeds need (--table lists them)\n",
			len(unmet), SweepDemands.From)
		return
	}
	for _, text := range unmet {
		fmt.Fprintf(b, "demand not met: %s\n", text)
	}
}
