package report

import (
	_ "embed" // the template and its style
	"fmt"
	"html"
	"html/template"
	"io"
	"strings"

	"github.com/weirmq/weir/sim/run"
)

//go:embed report.html.tmpl
var page string

//go:embed style.css
var style string

// Write renders the report.
func Write(w io.Writer, e *Evidence) error {
	t, err := template.New("report").Funcs(functions(e)).Parse(page)
	if err == nil {
		t, err = t.Parse(jepsenPage)
	}
	if err != nil {
		return fmt.Errorf("parse the report's template: %w", err)
	}
	if err := t.Execute(w, e); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// functions are what the template may call.
func functions(e *Evidence) template.FuncMap {
	return template.FuncMap{
		"style":    func() template.CSS { return template.CSS(style) },
		"markdown": markdown,
		"count":    func(n int) string { return count(n) },
		"count64":  func(n uint64) string { return count(n) },
		"short":    short, "seconds": seconds, "commit": shortCommit, "oracles": oracles,
		"faultRows": func() []faultRow { return faultRows(e) },
		"real":      realCell, "sim": simCell,
		"reached":   func() []run.ProbeRow { return probes(e.Sweep, true) },
		"unreached": func() []run.ProbeRow { return probes(e.Sweep, false) },
		"share":     func(n, of int) string { return short(100*float64(n)/float64(max(1, of))) + " %" },
		"faultBars": faultBars, "detectBars": detectBars, "timeline": timeline,
		"latencyPlot": latencyPlot,
		"opsChart": func(s *run.SweepFile) template.HTML {
			return histogram("operations of a seed", "operations", s.PerSeed.Ops)
		},
		"speedChart": func(s *run.SweepFile) template.HTML {
			return histogram("simulated time to real time of a seed, one process", "times real time", s.PerSeed.Ratio)
		},
		"seedsChart": func(m *run.MutantsFile) template.HTML {
			return histogram("seeds until a planted bug was found, from each start", "seeds", seedsNeeded(m))
		},
		"picture": picture, "verdict": verdict, "commits": func() string { return commits(e) },
		"storyEnd": storyEnd, "outcome": outcome, "claims": claims,
		"join":     func(list []string) string { return strings.Join(list, ", ") },
		"demanded": demanded, "realTally": func() string { return realTally(e) },
		"rare": func(s *run.SweepFile) int { return rare(s) },
	}
}

// picture puts a page into a frame of its own that may run its script and reach nothing else.
func picture(page string) template.HTML {
	return template.HTML(`<iframe sandbox="allow-scripts" loading="lazy" title="porcupine's picture" srcdoc="` +
		html.EscapeString(page) + `"></iframe>`)
}

// faultRow is one kind of fault where it was, or can be, carried out.
type faultRow struct {
	run.FaultRow
	Sim, Real *run.FaultRow // what was counted; nil = nothing was measured there
	CanReal   bool
	What      string // it does; "" = the documents were not found
}

// rare is how many places were reached in at most four fifths of the seeds. One that nearly every run reaches marks
// nothing rare.
func rare(s *run.SweepFile) int {
	n := 0
	for _, p := range s.Probes {
		if p.Seeds > 0 && p.Seeds*5 <= s.Count*4 {
			n++
		}
	}
	return n
}

func probes(s *run.SweepFile, reached bool) []run.ProbeRow {
	var list []run.ProbeRow
	for _, p := range s.Probes {
		if (p.Seeds > 0) == reached {
			list = append(list, p)
		}
	}
	return list
}

func seedsNeeded(m *run.MutantsFile) []int {
	var list []int
	for _, row := range m.Mutants {
		for _, f := range row.Starts {
			if f.Found {
				list = append(list, f.Tried)
			}
		}
	}
	return list
}

// verdict is the report in a sentence or two.
func verdict(e *Evidence) string {
	said := oneNode(e)
	if c := e.Clusters; c != nil && c.Passed < c.Count {
		said += " Worlds of several nodes: seeds that failed: " + count(c.Count-c.Passed) + "."
	}
	return said
}

// oneNode is what the sweep over worlds of one node came to.
func oneNode(e *Evidence) string {
	if e.Sweep == nil {
		return "No sweep was recorded: nothing below is evidence."
	}
	s := e.Sweep
	if !demanded(s) {
		return fmt.Sprintf("A short sweep, for a look: seeds that failed: %s, histories without a verdict: %s. How often "+
			"each fault must fire is demanded from %s seeds on.",
			count(len(s.Failed)), count(s.Verdicts.Unknown), count(run.SweepDemands.From))
	}
	if len(s.Failed) == 0 && len(s.Unmet) == 0 && s.Verdicts.Unknown == 0 {
		return "Every seed passed, every history was decided, every demand on the sweep was met."
	}
	return fmt.Sprintf("Seeds that failed: %s. Demands that were not met: %s. Histories without a verdict: %s.",
		count(len(s.Failed)), count(len(s.Unmet)), count(s.Verdicts.Unknown))
}
