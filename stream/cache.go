package stream

import (
	"slices"

	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// cacheSlab is a slab that the cache holds, because entries of the index lie in it.
type cacheSlab struct {
	slab      *wal.Slab
	undurable int         // entries in it that are not durable yet
	ranges    []*rangeLog // that have entries in it
}

// hold notes that an entry of r was placed in slab and holds the slab if it is new here. The caller holds
// e.mu and is in wal.Draft.Place.
func (e *Engine) hold(r *rangeLog, slab *wal.Slab) *cacheSlab {
	var cs *cacheSlab
	if r.slab != nil && r.slab.slab == slab {
		cs = r.slab
	} else {
		for i := len(e.slabs) - 1; i >= 0 && cs == nil; i-- {
			if e.slabs[i].slab == slab {
				cs = e.slabs[i]
			}
		}
		if cs == nil {
			slab.Hold(wal.HolderCache)
			cs = &cacheSlab{slab: slab}
			e.slabs = append(e.slabs, cs)
		}
		cs.ranges = append(cs.ranges, r)
		r.slab = cs
	}
	cs.undurable++
	return cs
}

// Evict lets go of the cache's oldest slab, if all in it is durable; its entries are read from the log or
// from objects afterwards. It is meant for wal.SlabPool.Pressure and never blocks. It reports whether it
// found one.
func (e *Engine) Evict() bool {
	slab := e.evict()
	if slab == nil {
		return false
	}
	slab.Release(wal.HolderCache)
	return true
}

func (e *Engine) evict() *wal.Slab {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.slabs) == 0 {
		return nil
	}
	if e.slabs[0].undurable > 0 {
		probe.Hit(probe.StreamEvictBlocked)
		return nil
	}
	cs := e.slabs[0]
	e.slabs = slices.Delete(e.slabs, 0, 1)
	e.stats.Evictions++
	for _, r := range cs.ranges {
		if r.slab == cs {
			r.slab = nil
		}
		e.evictRange(r, cs.slab)
	}
	return cs.slab
}

// evictRange takes slab away from r's entries: slabs go oldest first, so those that have lost theirs lead.
func (e *Engine) evictRange(r *rangeLog, slab *wal.Slab) {
	i, _ := slices.BinarySearchFunc(r.entries, true, func(en entry, _ bool) int {
		if en.at.Slab == nil {
			return -1
		}
		return 1
	})
	for ; i < len(r.entries) && r.entries[i].at.Slab == slab; i++ {
		r.entries[i].at.Slab = nil
	}
	e.forget(r)
}

// forget drops what nobody needs of r from the index.
func (e *Engine) forget(r *rangeLog) {
	if n := r.forget(); n > 0 {
		e.entries -= n
		e.room.Broadcast()
		r.st.prune()
	}
}

// releaseAll gives every slab of the cache back.
func (e *Engine) releaseAll() {
	e.mu.Lock()
	slabs := e.slabs
	e.slabs = nil
	for _, cs := range slabs {
		for _, r := range cs.ranges {
			r.slab = nil
			e.evictRange(r, cs.slab)
		}
	}
	e.mu.Unlock()
	for _, cs := range slabs {
		cs.slab.Release(wal.HolderCache)
	}
}
