//go:build integration

package crashtest

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/weirmq/weir/fault"
)

// realFault is what was done to real processes of one kind of fault, in the form that the correctness report reads.
type realFault struct {
	Fault string `json:"fault"`
	Fired uint64 `json:"fired"`
	Seeds int    `json:"seeds"` // tests in which it fired
}

// realFaults counts what these tests did to real processes.
type realFaults struct {
	mu    sync.Mutex
	fired map[fault.Kind]uint64
	tests map[fault.Kind]map[string]bool
	bits  map[string]bool // file and place of each bit that is not as it was written
}

var done = realFaults{
	fired: map[fault.Kind]uint64{}, tests: map[fault.Kind]map[string]bool{}, bits: map[string]bool{},
}

// count counts n faults of a kind, done by a test.
func (d *realFaults) count(t *testing.T, kind fault.Kind, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == 0 {
		return
	}
	if d.tests[kind] == nil {
		d.tests[kind] = map[string]bool{}
	}
	d.fired[kind] += n
	d.tests[kind][t.Name()] = true
}

// flipped counts a bit that was changed; changing it back is no fault.
func (d *realFaults) flipped(t *testing.T, file string, at int) {
	place := fmt.Sprintf("%s@%d", file, at)
	d.mu.Lock()
	d.bits[place] = !d.bits[place]
	rotten := d.bits[place]
	d.mu.Unlock()
	if rotten {
		d.count(t, fault.BitRot, 1)
	}
}

var injectedLine = regexp.MustCompile(`injected fault ([A-Z][0-9]+\.[a-z-]+)`)

// said counts what a server's processes say that their plans did.
func (d *realFaults) said(t *testing.T, text string) {
	counts := map[string]uint64{}
	for _, m := range injectedLine.FindAllStringSubmatch(text, -1) {
		counts[m[1]]++
	}
	for _, k := range fault.Kinds() {
		d.count(t, k, counts[k.String()])
	}
}

// write leaves the counts in the file that WEIR_REAL_JSON names; without it, nothing.
func (d *realFaults) write() error {
	file := os.Getenv("WEIR_REAL_JSON")
	if file == "" {
		return nil
	}
	out := struct {
		Command string      `json:"command"`
		Faults  []realFault `json:"faults"`
	}{Command: "go test -tags integration ./crashtest", Faults: []realFault{}}
	if only := flag.Lookup("test.run").Value.String(); only != "" {
		out.Command += " -run " + only
	}
	kinds := slices.SortedFunc(maps.Keys(d.fired), func(a, b fault.Kind) int { return cmp.Compare(a, b) })
	for _, k := range kinds {
		out.Faults = append(out.Faults, realFault{k.String(), d.fired[k], len(d.tests[k])})
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
