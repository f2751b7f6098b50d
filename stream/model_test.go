package stream_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// TestEngineKeepsItsModel draws sequences of operations, restarts and crashes among them, and compares every
// read with what was appended.
func TestEngineKeepsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := crashRig(rt, rapid.Uint64().Draw(rt, "seed"))
		r.rng = rand.New(rand.NewPCG(1, 2)) // only the bytes of records; what is done is drawn
		defer func() {
			if err := r.w.Close(); err != nil {
				rt.Fatal(err)
			}
		}()
		up := false
		for range rapid.IntRange(1, 60).Draw(rt, "operations") {
			op := drawOp(rt) // outside the task: rapid panics to stop a test, and a task must not
			err := r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
				if !up {
					up = true
					return r.life(h, sc, 0)
				}
				return r.run(op, h, sc, &up)
			})
			if err != nil && !errors.Is(err, host.ErrKilled) {
				rt.Fatal(err)
			}
		}
		r.m.Kill()
		if err := r.aftermath(); err != nil {
			rt.Fatal(err)
		}
	})
}

// operation is what one step of the model does.
type operation struct {
	kind   string
	stream int
	sizes  []int
	waits  []bool
	part   int // of what there is, in percent
	ms     int
}

func drawOp(rt *rapid.T) operation {
	kinds := []string{"append", "append", "append", "evict", "read", "trim", "flush", "sleep", "stop", "kill", "delete"}
	op := operation{
		kind:   rapid.SampledFrom(kinds).Draw(rt, "op"),
		stream: rapid.IntRange(0, 3).Draw(rt, "stream"),
		part:   rapid.IntRange(0, 100).Draw(rt, "part"),
		ms:     rapid.IntRange(1, 2000).Draw(rt, "ms"),
	}
	if op.kind == "append" {
		op.sizes = rapid.SliceOfN(rapid.IntRange(1, 20_000), 1, 20).Draw(rt, "sizes")
		op.waits = rapid.SliceOfN(rapid.Bool(), len(op.sizes), len(op.sizes)).Draw(rt, "waits")
	}
	return op
}

func (r *rig) run(op operation, h host.Host, sc *host.Scope, up *bool) error {
	x := r.streams[op.stream%len(r.streams)]
	switch op.kind {
	case "append":
		for i, size := range op.sizes {
			if err := r.append(sc, x, size, op.waits[i]); err != nil {
				return err
			}
		}
	case "evict":
		r.e.Evict()
	case "read":
		return r.verifyStream(sc, x)
	case "trim":
		err := x.s.Trim(sc, x.start+max(0, x.acked-x.start)*int64(op.part)/100)
		x.start = x.s.LogStart()
		return err
	case "flush":
		return r.e.Flush(sc)
	case "sleep":
		return h.Sleep(sc, time.Duration(op.ms)*time.Millisecond)
	case "stop":
		if err := errors.Join(r.quiet(h, sc), r.stop(sc)); err != nil {
			return fmt.Errorf("stop: %w", err)
		}
		*up = false
		r.m.KillWith(sim.LoseUnsynced)
	case "kill":
		*up = false
		r.m.Kill()
	case "delete":
		if len(r.streams) > 1 {
			delete(r.cat.streams, x.id)
			r.e.Drop(x.id)
			r.streams = slices.DeleteFunc(r.streams, func(y *expected) bool { return y == x })
		}
	}
	return nil
}
