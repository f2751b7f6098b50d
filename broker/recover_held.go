package broker

import (
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// heldWAL is a WAL that this broker holds: its own, or one that it recovers for another.
type heldWAL struct {
	id      wal.UUID
	gen     int64 // at which it is held
	log     *wal.Log
	engine  *stream.Engine
	catalog *catalog
}

// heldLog returns the WAL id if what lies in it can be served from here. If not although metadata says that this
// broker holds it, it soon can be; if metadata says that nobody does, objects hold all of it by then.
func (b *Broker) heldLog(id wal.UUID) (*heldWAL, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, ok := b.held[id]
	return w, ok
}

// holdOwn makes the broker's own WAL known to heldLog.
func (b *Broker) holdOwn() {
	own := &heldWAL{id: b.walID, gen: b.walGen, log: b.log, engine: b.engine, catalog: b.catalog}
	b.quarantine = b.newQuarantine(own)
	b.hold(own)
}

func (b *Broker) hold(w *heldWAL) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[w.id] = w
}

// letGo undoes hold, if w is still the one that is held.
func (b *Broker) letGo(w *heldWAL) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[w.id] == w {
		delete(b.held, w.id)
	}
}
