package stream_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
			err := r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
				if !up {
					up = true
					return r.life(h, sc, 0)
				}
				return r.drawn(rt, h, sc, &up)
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

func (r *rig) drawn(rt *rapid.T, h host.Host, sc *host.Scope, up *bool) error {
	x := r.streams[rapid.IntRange(0, len(r.streams)-1).Draw(rt, "stream")]
	switch op := rapid.SampledFrom([]string{"append", "append", "append", "evict", "read", "trim", "flush", "sleep",
		"stop", "kill", "delete"}).Draw(rt, "op"); op {
	case "append":
		for range rapid.IntRange(1, 20).Draw(rt, "n") {
			if err := r.append(sc, x, rapid.IntRange(1, 20_000).Draw(rt, "size"), rapid.Bool().Draw(rt, "wait")); err != nil {
				return err
			}
		}
	case "evict":
		r.e.Evict()
	case "read":
		return r.verifyStream(sc, x)
	case "trim":
		if x.acked > x.start {
			err := x.s.Trim(sc, rapid.Int64Range(x.start, x.acked).Draw(rt, "to"))
			x.start = x.s.LogStart()
			return err
		}
	case "flush":
		return r.e.Flush(sc)
	case "sleep":
		return h.Sleep(sc, time.Duration(rapid.IntRange(1, 2000).Draw(rt, "ms"))*time.Millisecond)
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
		if len(r.streams) == 1 {
			return nil
		}
		delete(r.cat.streams, x.id)
		r.e.Drop(x.id)
		for i := range r.streams {
			if r.streams[i] == x {
				r.streams = append(r.streams[:i:i], r.streams[i+1:]...)
				break
			}
		}
	}
	return nil
}
