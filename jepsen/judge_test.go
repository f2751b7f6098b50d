//go:build integration

package jepsen

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check"
	simrun "github.com/weirmq/weir/sim/run"
	"github.com/weirmq/weir/sim/run/report"
)

// folder is where check saves a run.
type folder string

func (f folder) Create(name string) (io.WriteCloser, error) {
	return os.Create(filepath.Join(string(f), name))
}

func (f folder) Open(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), name))
}

// judge reads everything back, has it judged, and leaves history, figures and page.
func (r *run) judge(n *nemesis) {
	h, whole := r.history()
	least := check.Counts{Acked: 100, Fetches: 50, ReadRecords: 100, ListEnds: 20, Commits: 5, CommitsRead: 5, Sessions: 4}
	v := &check.Verdict{}
	if whole { // without its final logs a history would only be found lost
		v = check.Judge(h, least)
	}
	f := simrun.NewJepsen(h)
	f.Build = buildOf(r.t, f.Build)
	f.Judge(v)
	f.Seed, f.Failures = n.seed, append(f.Failures, r.failures...)
	f.Command = fmt.Sprintf("go test -tags integration ./jepsen -run TestCluster -time %s -every %s -lease %s -seed %d",
		*length, *every, *lease, n.seed)
	if *only != "" {
		f.Command += fmt.Sprintf(" -only %q", *only)
	}
	f.Shape = fmt.Sprintf("%d nodes, each controller and broker, lease %s, objects on versitygw", nodes, *lease)
	f.Timeline.Bands, f.Timeline.Marks = append(f.Timeline.Bands, n.bands...), append(f.Timeline.Marks, n.marks...)
	for _, name := range slices.Sorted(maps.Keys(n.times)) {
		f.Faults = append(f.Faults, simrun.Tally{Name: name, Count: n.times[name]})
	}
	dir := *out
	if dir == "" {
		dir = filepath.Join("..", "bin", "jepsen")
	}
	require.NoError(r.t, r.leave(dir, h, v, f, check.Meta{Seed: n.seed, Note: f.Shape, Least: least}))
	r.t.Logf("%s\n%s\nleft in %s", v, f.Verdict(), dir)
	for _, k := range f.Kinds {
		r.t.Logf("%-16s %7d answered, %5d unknown, median %.1f ms, p99 %.1f ms, slowest %.2f s", k.Op, k.OK, k.Unknown,
			k.P50*1e3, k.P99*1e3, k.Max)
	}
	require.Zero(r.t, v.Total, "violations")
	require.Empty(r.t, r.failures)
}

// buildOf is how the program under test was built; this process was built another way.
func buildOf(t *testing.T, b simrun.Build) simrun.Build {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	b.Go = info.GoVersion
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "-tags":
			b.Tags = s.Value
		}
	}
	return b
}

func (r *run) leave(dir string, h *check.History, v *check.Verdict, f *simrun.JepsenFile, meta check.Meta) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := check.Save(folder(dir), h, meta, v); err != nil {
		return err
	}
	if err := simrun.WriteJSON(dir, simrun.JepsenJSON, f); err != nil {
		return err
	}
	if *evidence != "" {
		if err := simrun.WriteJSON(*evidence, simrun.JepsenJSON, f); err != nil {
			return err
		}
	}
	page, err := os.Create(filepath.Join(dir, "jepsen.html"))
	if err != nil {
		return err
	}
	if err := report.WriteJepsen(page, f); err != nil {
		_ = page.Close() // the file is worth nothing any more
		return err
	}
	return page.Close()
}
