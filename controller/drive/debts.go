package drive

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
)

// debts remembers since when owed ranges have not got shorter, and who was able to upload lately. A store that
// answers nobody makes everybody owe: then nobody is to blame, and ending brokers in turn would only lose more.
type debts struct {
	next    host.Time // when to look again
	owed    map[owedKey]standing
	uploads map[metadata.UUID]trimmed // by WAL that somebody holds
	blamed  map[metadata.UUID]bool    // WALs of which a holder was suspected
}

type owedKey struct {
	wal    metadata.UUID
	epoch  int64 // of the holder
	stream uint64
	leader int32 // epoch of the range
}

// standing is from where a range is owed, and since when.
type standing struct {
	from  int64
	since host.Time
}

// trimmed is how far a WAL is uploaded, and when that was last seen to move; 0 = never.
type trimmed struct {
	to uint64
	at host.Time
}

func newDebts() debts {
	return debts{
		owed: map[owedKey]standing{}, uploads: map[metadata.UUID]trimmed{}, blamed: map[metadata.UUID]bool{},
	}
}

// look suspects the holders of WALs with a range that has been owed for too long. It looks at every range there is,
// so it does so now and then.
func (d *debts) look(p *planner) {
	if p.now < d.next {
		return
	}
	d.next = p.now.Add(p.d.cfg.Tick)
	d.note(p)
	owed := make(map[owedKey]standing, len(d.owed))
	for _, debt := range p.s.Debts() {
		w := debt.WAL
		if !w.Held {
			continue
		}
		for _, r := range debt.Ranges {
			k := owedKey{w.ID, w.HolderEpoch, r.Stream, r.LeaderEpoch}
			x, known := d.owed[k]
			if !known || r.From > x.from {
				x = standing{r.From, p.now}
			}
			owed[k] = x
			if p.now >= x.since.Add(p.d.cfg.OwedDeadline) && !d.blamed[w.ID] && d.others(p, w) {
				d.blamed[w.ID] = true
				p.suspect(Epoch{w.Holder, w.HolderEpoch}, fmt.Sprintf(
					"it owes stream %d from offset %d and has uploaded nothing of it in %v, while others upload",
					r.Stream, r.From, p.d.cfg.OwedDeadline))
			}
		}
	}
	d.owed = owed
}

// note takes down which WALs get trimmed.
func (d *debts) note(p *planner) {
	seen := make(map[metadata.UUID]trimmed, len(d.uploads))
	for _, w := range p.s.WALs() {
		if !w.Held {
			continue
		}
		x, known := d.uploads[w.ID]
		if known && w.Trim > x.to {
			x.at = p.now
		}
		x.to = w.Trim
		seen[w.ID] = x
	}
	d.uploads = seen
}

// others tells whether another broker that could take w has uploaded something lately.
func (d *debts) others(p *planner, w metadata.WAL) bool {
	h := newHall(p.s, p.d.suspects)
	for _, o := range p.s.WALs() {
		x := d.uploads[o.ID]
		lately := x.at != 0 && p.now < x.at.Add(p.d.cfg.OwedDeadline)
		if o.Held && o.Holder != w.Holder && lately && h.epochs[o.Holder] == o.HolderEpoch {
			return true
		}
	}
	return false
}
