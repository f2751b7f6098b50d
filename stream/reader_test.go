package stream_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
)

// TestReadersSeeTheLogWhileItIsEvictedUploadedAndReused lets readers run against everything else, and has each
// keep its answer for a while, as a slow connection does.
func TestReadersSeeTheLogWhileItIsEvictedUploadedAndReused(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		r := crashRig(t, 2000+seed)
		r.slabs = 10
		r.cfg.ColdBytes = 16 << 10 // readers wait for each other, between the look and the read
		var reads int
		r.do(func(h host.Host, sc *host.Scope) error {
			if err := r.boot(h, sc); err != nil {
				return err
			}
			g := host.NewGroup(h, sc)
			stop := false
			for i := range 4 {
				rng := r.w.Rand(fmt.Sprint("reader", i))
				g.Go("test.reader", func(sc *host.Scope) error {
					for !stop {
						x := r.streams[rng.IntN(len(r.streams))]
						if x.acked == 0 {
							if err := h.Sleep(sc, time.Millisecond); err != nil {
								return err
							}
							continue
						}
						hold := time.Duration(rng.IntN(3000)) * time.Microsecond
						if err := r.readHeld(h, sc, x, rng.Int64N(x.acked), 1+rng.IntN(30_000), hold); err != nil {
							return err
						}
						reads++
					}
					return nil
				})
			}
			for range 400 {
				if err := r.op(h, sc); err != nil {
					return err
				}
			}
			stop = true
			if err := g.Wait(); err != nil {
				return err
			}
			if s := r.e.Stats(); s.LogReads == 0 || s.ObjectReads == 0 || s.TailReads == 0 || s.Evictions == 0 {
				return fmt.Errorf("the test reached too little: %+v", s)
			}
			return r.stop(sc)
		})
		if reads < 100 {
			t.Fatalf("only %d reads", reads)
		}
	}
}

// readHeld reads from pos, keeps the answer for a while, and only then looks at it.
func (r *rig) readHeld(h host.Host, sc *host.Scope, x *expected, pos int64, maxBytes int, hold time.Duration) error {
	pos = max(pos, x.start)
	rd, err := x.s.Read(sc, pos, x.acked, maxBytes, false)
	if err != nil {
		if x.s.LogStart() > pos {
			return nil // trimmed meanwhile
		}
		return err
	}
	defer rd.Release()
	if err := h.Sleep(sc, hold); err != nil {
		return err
	}
	for _, ch := range rd.Chunks {
		want := x.sampleAt(ch.Base)
		if want == nil || want.count != ch.Count || !bytes.Equal(want.data, ch.Data) {
			return fmt.Errorf("ReadPrefix: stream %d offset %d of a read from %d is not what was appended", x.id, ch.Base, pos)
		}
	}
	return nil
}

func (x *expected) sampleAt(base int64) *sample {
	for i := range x.list {
		if x.list[i].base == base {
			return &x.list[i]
		}
	}
	return nil
}
