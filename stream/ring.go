package stream

import (
	"cmp"
	"math"
	"slices"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/wal"
)

// ring counts, for each frame of the log, what in it is still owed. Its first frame with anything owed is
// where the log may be trimmed to.
type ring struct {
	frames []frameRef // by position; those before head are free
	head   int
}

type frameRef struct {
	pos   wal.Position
	owed  uint32    // entries not discharged
	bytes uint32    // of data entries among them that can be uploaded
	at    host.Time // when its first entry was placed; 0 for one found by recovery
}

// add counts an entry of the frame at pos, which is the last one or a new one.
func (g *ring) add(pos wal.Position, bytes uint32, at host.Time) {
	if n := len(g.frames); n > g.head && g.frames[n-1].pos == pos {
		g.frames[n-1].owed++
		g.frames[n-1].bytes += bytes
		return
	}
	if g.head > 1024 && g.head > len(g.frames)/2 {
		g.frames = g.frames[:copy(g.frames, g.frames[g.head:])]
		g.head = 0
	}
	g.frames = append(g.frames, frameRef{pos: pos, owed: 1, bytes: bytes, at: at})
}

func comparePos(f frameRef, pos wal.Position) int { return cmp.Compare(f.pos, pos) }

// find returns the frame at pos, nil if it is not counted any more.
func (g *ring) find(pos wal.Position) *frameRef {
	i, ok := slices.BinarySearchFunc(g.frames[g.head:], pos, comparePos)
	if !ok {
		return nil
	}
	return &g.frames[g.head+i]
}

// discharge takes n entries off the frame at pos.
func (g *ring) discharge(pos wal.Position, n, bytes uint32) {
	f := g.find(pos)
	if f == nil || f.owed < n || f.bytes < bytes {
		invariant.Fail(invariant.TrimBelowCommit, "entries of the frame at position %d are discharged twice", pos)
	}
	f.owed -= n
	f.bytes -= bytes
	for g.head < len(g.frames) && g.frames[g.head].owed == 0 {
		g.head++
	}
	if g.head == len(g.frames) {
		g.frames, g.head = g.frames[:0], 0
	}
}

// first returns the first frame with something owed, limit if there is none below it.
func (g *ring) first(limit wal.Position) wal.Position {
	i := g.head
	if mutant.On(mutant.TrimPastUndischarged) {
		i++
	}
	if i < len(g.frames) {
		return min(limit, g.frames[i].pos)
	}
	return limit
}

// after returns the first frame known past the one at pos, limit if there is none: that one ends there or
// before.
func (g *ring) after(pos, limit wal.Position) wal.Position {
	i, found := slices.BinarySearchFunc(g.frames[g.head:], pos, comparePos)
	if found {
		i++
	}
	if i += g.head; i < len(g.frames) {
		return min(limit, g.frames[i].pos)
	}
	return limit
}

// cut returns the position below which frames hold at most about bytes of data, at least one frame with
// any.
func (g *ring) cut(bytes int64) wal.Position {
	sum := int64(0)
	for _, f := range g.frames[g.head:] {
		if sum > 0 && sum+int64(f.bytes) > bytes {
			return f.pos
		}
		sum += int64(f.bytes)
	}
	return math.MaxUint64
}
