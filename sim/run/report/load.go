package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirmq/weir/sim/run"
)

// Evidence is everything that the report tells. What is nil or empty was not found.
type Evidence struct {
	Sweep    *run.SweepFile
	Clusters *run.SweepFile // of worlds of several nodes
	Mutants  *run.MutantsFile
	Worked   *run.Worked
	Real     *run.RealFile
	Check    *run.CheckFile
	Models   *run.ModelsFile
	Fuzz     []Fuzz
	Bench    []Bench
	Jepsen   *run.JepsenFile

	Promised, NotPromised, Assumed string            // sections of docs/guarantees.md
	Bugs                           string            // docs/bugs.md
	What                           map[string]string // what each fault does, by ID: docs/format/fault-plan.md
}

// Fuzz is what came of one fuzz target.
type Fuzz struct {
	Package, Target string
	Seconds         int
	Execs           uint64
	Passed          bool
}

// Bench is one line of a benchmark.
type Bench struct {
	Package, Name string
	Metrics       []Metric
}

// Metric is one number of a benchmark.
type Metric struct {
	Value float64
	Unit  string
}

// Load reads the evidence in a folder and the documents in another. Only files that are there and broken are errors.
func Load(dir, docs string) (*Evidence, error) {
	e := &Evidence{}
	err := errors.Join(
		load(dir, run.SweepJSON, &e.Sweep), load(dir, run.MutantsJSON, &e.Mutants), load(dir, run.WorkedJSON, &e.Worked),
		load(filepath.Join(dir, run.ClustersDir), run.SweepJSON, &e.Clusters), load(dir, run.RealJSON, &e.Real),
		load(dir, run.CheckJSON, &e.Check),
		load(dir, run.ModelsJSON, &e.Models), load(dir, run.JepsenJSON, &e.Jepsen),
		lines(dir, run.FuzzJSON, func(events []testEvent) { e.Fuzz = fuzzResults(events) }),
		lines(dir, run.BenchJSON, func(events []testEvent) { e.Bench = benchResults(events) }),
	)
	if err != nil {
		return nil, err
	}
	guarantees, err := document(docs, "guarantees.md")
	if err != nil {
		return nil, err
	}
	e.Promised, e.NotPromised = section(guarantees, "Promised"), section(guarantees, "Not promised")
	e.Assumed = section(guarantees, "Assumed")
	bugs, err := document(docs, "bugs.md")
	if _, rest, ok := strings.Cut(bugs, "\n"); ok {
		e.Bugs = rest // without its title
	}
	if err != nil {
		return nil, err
	}
	faults, err := document(docs, filepath.Join("format", "fault-plan.md"))
	e.What = descriptions(faults)
	return e, err
}

var faultLine = regexp.MustCompile("(?m)^\\| `([A-Z][0-9]+\\.[a-z-]+)` \\| ([^|]+) \\|")

// descriptions reads what each fault does from the table of all kinds.
func descriptions(text string) map[string]string {
	said := map[string]string{}
	for _, m := range faultLine.FindAllStringSubmatch(text, -1) {
		said[m[1]] = m[2]
	}
	return said
}

func load[T any](dir, name string, into **T) error {
	v := new(T)
	found, err := run.ReadJSON(dir, name, v)
	if found && err == nil {
		*into = v
	}
	return err
}

func document(docs, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(docs, name))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// section returns what stands below a heading of the second level.
func section(text, heading string) string {
	_, rest, ok := strings.Cut("\n"+text, "\n## "+heading+"\n")
	if !ok {
		return ""
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return strings.TrimSpace(body)
}

// testEvent is a line of `go test -json`.
type testEvent struct {
	Action, Package, Test, Output string
}

func lines(dir, name string, use func([]testEvent)) error {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var events []testEvent
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		var ev testEvent
		if err := json.Unmarshal(in.Bytes(), &ev); err != nil {
			return fmt.Errorf("read %s, line %d: %w", filepath.Join(dir, name), n, err)
		}
		events = append(events, ev)
	}
	use(events)
	return in.Err()
}

var fuzzLine = regexp.MustCompile(`^fuzz: elapsed: (?:(\d+)m)?(\d+)s, (?:execs: (\d+))?`)

// fuzzResults finds the last progress line and the end of each fuzz target.
func fuzzResults(events []testEvent) []Fuzz {
	var list []Fuzz
	at := map[string]int{}
	for _, ev := range events {
		if !strings.HasPrefix(ev.Test, "Fuzz") || strings.Contains(ev.Test, "/") {
			continue
		}
		key := ev.Package + " " + ev.Test
		if _, known := at[key]; !known {
			at[key] = len(list)
			list = append(list, Fuzz{Package: ev.Package, Target: ev.Test})
		}
		f := &list[at[key]]
		if m := fuzzLine.FindStringSubmatch(ev.Output); m != nil {
			minutes, _ := strconv.Atoi(m[1])
			seconds, _ := strconv.Atoi(m[2])
			f.Seconds = 60*minutes + seconds
			f.Execs, _ = strconv.ParseUint(m[3], 10, 64)
		}
		f.Passed = f.Passed || ev.Action == "pass"
	}
	return list
}

// benchResults finds the lines of benchmarks: a name, how often, then numbers with their units. The name and its
// numbers may come in two outputs.
func benchResults(events []testEvent) []Bench {
	var list []Bench
	text, pkg := "", ""
	for _, ev := range events {
		if ev.Action != "output" {
			continue
		}
		text, pkg = text+ev.Output, ev.Package
		if !strings.HasSuffix(text, "\n") {
			continue
		}
		fields := strings.Fields(text)
		text = ""
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		b := Bench{Package: pkg, Name: strings.TrimPrefix(fields[0], "Benchmark")}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				b.Metrics = append(b.Metrics, Metric{v, fields[i+1]})
			}
		}
		list = append(list, b)
	}
	return list
}
