package sim_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/sim/run"
	"github.com/weirmq/weir/sim/workload"
)

var (
	oneSeed   = flag.String("seed", "", "run this seed in TestSeeds")
	manySeeds = flag.String("seeds", "1..3", "run these seeds in TestSeeds, as A..B")
)

// TestSeeds runs the real node under clients, crashes and faults, and judges what the clients saw. It
// prints the hash that `weir sim run` and `weir sim sweep` print for the same seeds.
func TestSeeds(t *testing.T) {
	text := *manySeeds
	if *oneSeed != "" {
		text = *oneSeed
	}
	seeds, err := run.ParseRange(text)
	if err != nil {
		t.Fatal(err)
	}
	sum, begin := run.NewSummary(seeds, false), time.Now()
	for i := range seeds.Len() {
		r := run.Seed(workload.Run, run.SeedOptions{Seed: seeds.First + uint64(i), Stuck: stuck})
		sum.Add(r)
		var report strings.Builder
		must(t, r.Write(&report))
		if r.OK() {
			t.Log(strings.TrimSpace(report.String()))
		} else {
			t.Error(strings.TrimSpace(report.String()))
		}
		fmt.Printf("hash=%s\n", r.Hash)
	}
	if seeds.Len() == 1 {
		return
	}
	sum.Elapsed = time.Since(begin)
	must(t, sum.Write(os.Stdout, false))
}

// stuck ends the process: a task that hangs cannot be stopped.
func stuck(r *run.Result, stacks []byte) {
	_ = r.Write(os.Stderr)
	_, _ = os.Stderr.Write(stacks)
	os.Exit(1)
}
