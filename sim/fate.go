package sim

// Fate is what becomes of writes and names that no sync had made durable when a machine dies.
type Fate uint8

// The fates.
const (
	Seeded       Fate = iota // one of the others, drawn from the seed
	KeepUnsynced             // the process died, the kernel lives: nothing is lost
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

// lot decides what one crash keeps. In a mix the share that is kept is drawn once, so that nearly all,
// about half and nearly none all come up; half of the time it goes by whole writes instead of sectors.
type lot struct {
	w      *World
	m      *Machine
	fate   Fate
	keep   Rate
	whole  bool
	kept   uint64
	losses uint64
}

func (w *World) castLot(m *Machine, fate Fate) *lot {
	l := &lot{w: w, m: m, fate: fate}
	if fate == Seeded {
		l.fate = [...]Fate{KeepUnsynced, LoseUnsynced, MixUnsynced, MixUnsynced}[w.crash.IntN(4)]
	}
	if l.fate == MixUnsynced {
		l.keep = [...]Rate{50_000, 300_000, 500_000, 700_000, 950_000}[w.crash.IntN(5)]
		l.whole = w.crash.IntN(2) == 0
	}
	return l
}

// keeps draws for one unit.
func (l *lot) keeps() bool {
	k := l.fate == KeepUnsynced || l.fate == MixUnsynced && l.keep.hits(l.w.crash)
	if k {
		l.kept++
	} else {
		l.losses++
	}
	return k
}
