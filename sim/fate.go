package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/weirmq/weir/fault"
)

// Fate is what becomes of writes and names that no sync had made durable when a machine dies.
type Fate uint8

// The fates.
const (
	Seeded       Fate = iota // one of the others, drawn from the seed
	KeepUnsynced             // the process died, the kernel lives: all of it stays in the page cache
	LoseUnsynced             // the power failed and nothing had been written back
	MixUnsynced              // the power failed: each sector and each name is kept or lost by itself
)

// String returns the fate's name as it shows in traces.
func (f Fate) String() string {
	switch f {
	case Seeded:
		return "seeded"
	case KeepUnsynced:
		return "keep"
	case LoseUnsynced:
		return "lose"
	case MixUnsynced:
		return "mix"
	}
	return "unknown"
}

// CrashArg is the Arg of a fault.Crash step: at which moment of the call the machine dies, and what becomes of its
// unsynced state. What the fate leaves open is drawn from the lower 61 bits of seed.
func CrashArg(when When, fate Fate, seed uint64) uint64 {
	return seed<<3 | uint64(fate&3)<<1 | uint64(when-BeforeEffect)&1
}

// CrashOf is the inverse of CrashArg. Every Arg means something.
func CrashOf(arg uint64) (when When, fate Fate, seed uint64) {
	return BeforeEffect + When(arg&1), Fate(arg >> 1 & 3), arg >> 3
}

// settled returns the fate itself, drawn from seed if it is Seeded.
func (f Fate) settled(seed uint64) Fate {
	if f != Seeded {
		return f
	}
	return [...]Fate{KeepUnsynced, LoseUnsynced, MixUnsynced, MixUnsynced}[mix(mixB, seed)%4]
}

// lot decides what one crash keeps of one volume. In a mix the share that is kept is drawn once, so that nearly all,
// about half and nearly none all come up; half of the time it goes by whole writes instead of sectors.
type lot struct {
	fate   Fate
	rng    *rand.Rand
	keep   Rate
	whole  bool
	kept   uint64
	losses uint64

	tear *rand.Rand // tears sectors that are lost; nil = none
	torn uint64
}

// castLot returns the lot of a fate that is not Seeded.
func castLot(fate Fate, rng *rand.Rand) *lot {
	l := &lot{fate: fate, rng: rng}
	if l.fate == MixUnsynced {
		l.keep = [...]Rate{50_000, 300_000, 500_000, 700_000, 950_000}[rng.IntN(5)]
		l.whole = rng.IntN(2) == 0
	}
	return l
}

// keeps draws for one unit.
func (l *lot) keeps() bool {
	k := l.fate == KeepUnsynced || l.fate == MixUnsynced && l.keep.hits(l.rng)
	if k {
		l.kept++
	} else {
		l.losses++
	}
	return k
}

// mask draws what a crash keeps of c. Tearing leaves what else is drawn as it is.
func (l *lot) mask(c *change, sector int64) *mask {
	if c.data == nil || l.whole || l.fate != MixUnsynced {
		all := l.keeps()
		m := &mask{all: all}
		if !all && c.data != nil && l.tear != nil {
			l.sectors(c, sector, func(at, end int64) { l.tearOff(m, at, end) })
		}
		return m
	}
	m := &mask{}
	l.sectors(c, sector, func(at, end int64) {
		if l.keeps() {
			m.add(at, end)
		} else if l.tear != nil {
			l.tearOff(m, at, end)
		}
	})
	return m
}

// sectors calls fn for each part of c that lies in one sector.
func (l *lot) sectors(c *change, sector int64, fn func(at, end int64)) {
	end := c.off + int64(len(c.data))
	for at := c.off; at < end; {
		next := min(end, at/sector*sector+sector)
		fn(at, next)
		at = next
	}
}

// tearOff keeps the first bytes of a sector that is lost, of one in three.
func (l *lot) tearOff(m *mask, at, end int64) {
	if end-at > 1 && l.tear.IntN(3) == 0 {
		l.torn++
		m.add(at, at+1+l.tear.Int64N(end-at-1))
	}
}

// crash resolves what machine m left unsynced on the volume. What other machines left there stays as it is.
func (v *Volume) crash(inc *incarnation, at *mount, fate Fate, seed uint64) {
	w, m := v.w, inc.m
	if !v.unsynced(m) {
		return
	}
	lost := w.strike(&at.target, m.rates, fault.LostWrites)
	rng := rand.New(rand.NewPCG(mix(seed, at.target.hash), mixA))
	if lost != nil {
		if rng = lost.Rand(); fate == KeepUnsynced {
			fate = LoseUnsynced + Fate(rng.IntN(2))
		}
	}
	l := castLot(fate, rng)
	if fate == KeepUnsynced {
		l.kept = v.intoCache(inc)
		w.note(KindCrash, v.id, l.kept, 0)
		return
	}
	torn := w.strike(&at.target, m.rates, fault.TornWrite)
	if torn != nil {
		l.tear = torn.Rand()
	}
	v.settle(m, l)
	if l.losses > 0 && lost == nil {
		w.fired[fault.LostWrites]++ // the crash says what was lost: no step repeats it
		w.note(KindFault, at.target.hash, uint64(fault.LostWrites), l.losses)
	}
	if lost != nil { // it decided, whether or not something was lost: without it the crash would have drawn otherwise
		w.show(&at.target, lost)
		w.fired[fault.LostWrites] += min(1, l.losses)
	}
	if l.torn > 0 {
		w.fire(&at.target, torn)
	}
	w.note(KindCrash, v.id, l.kept, l.losses)
}

// unsynced reports whether a crash of m has anything to decide.
func (v *Volume) unsynced(m *Machine) bool {
	for _, f := range v.dirty {
		if f.dir != nil && slices.ContainsFunc(f.dir.pending, func(n *naming) bool { return n.m == m }) {
			return true
		}
		for _, c := range f.pending {
			if c.m == m {
				return true
			}
		}
	}
	return false
}

// intoCache leaves what inc wrote to the kernel: any later sync makes it durable, a loss of power loses it.
func (v *Volume) intoCache(inc *incarnation) (kept uint64) {
	for _, f := range v.dirty {
		for _, c := range f.pending {
			if c.inc == inc {
				c.inc = nil
				f.settleChange(c)
				kept++
			}
		}
	}
	return kept
}

// settle decides all that m left pending.
func (v *Volume) settle(m *Machine, l *lot) {
	dirty := v.dirty
	v.dirty = nil
	for _, f := range dirty {
		f.dirty = false
		if f.dir != nil {
			f.settleNames(m, l)
			continue
		}
		f.settle(
			func(c *change) bool { return c.m == m },
			func(c *change) *mask { return l.mask(c, int64(v.w.cfg.Disk.Sector)) })
	}
	v.used = 0
	v.recount(v.root, map[*inode]bool{})
}
