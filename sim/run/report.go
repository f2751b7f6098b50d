package run

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
)

// Write prints the result for people. Its last line is the hash.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	switch {
	case r.Stopped:
		fmt.Fprintf(&b, "seed %d stopped after event %d, %.6f s, without a verdict\n", r.Seed, r.Events, r.Virtual.Seconds())
	case r.OK():
		fmt.Fprintf(&b, "seed %d passed\n", r.Seed)
	default:
		fmt.Fprintf(&b, "seed %d failed: %s\n", r.Seed, strings.TrimRight(r.Failure, "\n"))
		world := "./sim"
		if r.Cluster != nil {
			world = "./sim/cluster"
		}
		fmt.Fprintf(&b, "replay: %s\n    or: go test %s -run TestSeeds -seed %d\n", r.Replay(), world, r.Seed)
	}
	if r.Stopped {
		fmt.Fprintf(&b, "operations: %d, not judged\n", r.Ops)
	} else {
		writeCounts(&b, r.Ops, r.Counts)
	}
	fmt.Fprintf(&b, "crashes: %d\n", len(r.Crashes))
	for _, site := range r.Crashes {
		fmt.Fprintf(&b, "  at %s\n", site)
	}
	fmt.Fprintf(&b, "objects: %d uploaded, restarts: %d\n", r.Objects, r.Restarts)
	writeCluster(&b, r.Cluster)
	writeFaults(&b, r.Fired)
	writeTime(&b, r.Virtual, r.Wall, r.Events)
	fmt.Fprintf(&b, "hash=%s\n", r.Hash)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeCounts(b *strings.Builder, ops int, c check.Counts) {
	fmt.Fprintf(b, "operations: %d: %d produces acknowledged (%d records), %d unknown (%d of them applied), %d failed\n",
		ops, c.Acked, c.AckedRecords, c.Unknown, c.UnknownApplied, c.Failed)
	fmt.Fprintf(b, "read: %d records in %d fetches, %d ends listed, %d records at the end, %d operations put in order\n",
		c.ReadRecords, c.Fetches, c.ListEnds, c.FinalRecords, c.Linearized+c.OffsetsChecked)
}

func writeFaults(b *strings.Builder, fired []Fired) {
	total, kinds := uint64(0), []string(nil)
	for _, f := range fired {
		if f.Count > 0 {
			total += f.Count
			kinds = append(kinds, fmt.Sprintf("%s %d", f.Fault, f.Count))
		}
	}
	fmt.Fprintf(b, "faults: %d fired", total)
	if total > 0 {
		b.WriteString(": " + strings.Join(kinds, ", "))
	}
	b.WriteByte('\n')
}

func writeTime(b *strings.Builder, virtual, wall time.Duration, events uint64) {
	fmt.Fprintf(b, "time: %.1f s simulated in %.2f s: %.1fx real, %d events, %.0f a second\n",
		virtual.Seconds(), wall.Seconds(), ratio(virtual.Seconds(), wall), events, ratio(float64(events), wall))
}

// ratio is what came in a second of wall time.
func ratio(what float64, wall time.Duration) float64 {
	if wall <= 0 {
		return 0
	}
	return what / wall.Seconds()
}
