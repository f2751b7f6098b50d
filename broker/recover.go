package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// Recovery for others (PROTOCOL rules 7, 8, 18, 38). When a broker is fenced, metadata gives each WAL that it held to
// a recoverer. That broker reads the ring where it lies, and never writes it:
//
//	detach confirmed, attach → fence word of the generation, synced → metadata as it is now → scan, synced
//	→ MarkHole, SealRecovered
//	→ serve what is owed → upload → ReleaseWal → remove the files
//
// Each step may be repeated, by this broker or by a recoverer of a later generation, which begins at the attach.
// What is refused because somebody else is that by now ends the recovery here, and nothing else.

// recoveries are the WALs that are being recovered here.
type recoveries struct {
	running map[metadata.UUID]int64 // by WAL: the generation. The task "broker.recover"'s and, at their ends, theirs
	reading *wal.Reading            // the memory of all of them; nil until the first
	scans   host.Semaphore          // bounds those that scan and seal
}

const (
	// scansAtOnce is how many WALs are scanned at a time; the others wait. What is served and uploaded is not bounded.
	scansAtOnce = 2
	// Pauses after a step that failed.
	recoverRetryMin = 200 * time.Millisecond
	recoverRetryMax = 10 * time.Second
)

// startRecoveries begins to follow metadata for WALs to recover.
func (b *Broker) startRecoveries() {
	if b.cfg.Cluster == nil {
		return
	}
	b.recoveries.running = map[metadata.UUID]int64{}
	b.recoveries.scans.Init(b.h, scansAtOnce)
	b.work.Go("broker.recover", b.recoverLoop)
	b.work.Go("broker.recover.sweep", b.sweepReleased)
}

// recoverLoop is the task "broker.recover".
func (b *Broker) recoverLoop(sc *host.Scope) error {
	for seen := uint64(0); ; {
		for _, w := range b.toRecover() {
			if err := b.beginRecovery(w); err != nil {
				b.h.Log().Error("begin to recover a WAL", "wal", w.ID.String(), "error", err)
			}
		}
		index, err := b.meta.Wait(sc, seen, 0)
		if err != nil {
			return nil // watch sees it too
		}
		seen = index
	}
}

// toRecover lists the WALs that this broker holds and does not write.
func (b *Broker) toRecover() []metadata.WAL {
	var list []metadata.WAL
	b.meta.Read(func(s *metadata.State) {
		for _, w := range s.HeldBy(b.cfg.NodeID, b.epoch) {
			if w.ID != metadata.UUID(b.walID) && w.State != metadatapb.WalState_WAL_STATE_FRESH {
				list = append(list, w)
			}
		}
	})
	return list
}

// beginRecovery starts a task for w unless one is at work.
func (b *Broker) beginRecovery(w metadata.WAL) error {
	if !b.claimRecovery(w) {
		return nil
	}
	if b.recoveries.reading == nil {
		reading, err := wal.NewReading(b.h)
		if err != nil {
			b.endRecovery(w)
			return err
		}
		b.recoveries.reading = reading
	}
	r := &recovery{b: b, w: w}
	b.work.Go("broker.recover.wal", func(sc *host.Scope) error {
		if r.run(sc) {
			b.endRecovery(w)
		}
		return nil
	})
	return nil
}

func (b *Broker) claimRecovery(w metadata.WAL) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.recoveries.running[w.ID] >= w.Generation {
		return false
	}
	b.recoveries.running[w.ID] = w.Generation
	return true
}

// endRecovery forgets the task, unless one of a later generation has begun. A WAL that is still held is looked at again
// when metadata changes.
func (b *Broker) endRecovery(w metadata.WAL) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.recoveries.running[w.ID] == w.Generation {
		delete(b.recoveries.running, w.ID)
	}
}

// recovery is one WAL being recovered at one generation.
type recovery struct {
	b     *Broker
	w     metadata.WAL
	vol   host.Volume
	fence *wal.Fence
	held  *heldWAL // nil until the scan is over
}

// run recovers the WAL until it is released, or somebody else's, or the broker ends. It reports false for one that is
// not to be tried again.
func (r *recovery) run(sc *host.Scope) bool {
	probe.Hit(probe.BrokerRecoveryBegun)
	log := r.b.h.Log()
	log.Info("recovering a WAL for another broker", "wal", r.w.ID.String(), "broker", r.w.Broker,
		"generation", r.w.Generation)
	for wait := recoverRetryMin; ; wait = min(2*wait, recoverRetryMax) {
		err := r.attempt(sc)
		switch {
		case sc.Err() != nil:
			return true
		case err == nil:
			log.Info("recovered a WAL", "wal", r.w.ID.String())
			return true
		case errors.Is(err, errKept):
			log.Error("a WAL that was recovered is kept", "wal", r.w.ID.String(), "error", err)
			return false
		case r.overtaken(err):
			probe.Hit(probe.BrokerRecoveryOvertaken)
			log.Warn("a WAL is recovered by somebody else now", "wal", r.w.ID.String(), "generation", r.w.Generation,
				"error", err)
			return true
		}
		probe.Hit(probe.BrokerRecoveryAgain)
		log.Error("recover a WAL for another broker, will be repeated; until then its partitions are offline",
			"wal", r.w.ID.String(), "wait", wait, "error", r.b.explainWAL(r.w, err))
		if r.b.h.Sleep(sc, wait) != nil {
			return true
		}
	}
}

// overtaken tells that err, or metadata, says that the WAL is not this broker's at this generation any more.
func (r *recovery) overtaken(err error) bool {
	return errors.Is(err, stream.ErrFenced) || errors.Is(err, wal.ErrFenced) || !r.current()
}

// current reports whether metadata as it is known here says that this broker holds the WAL at this generation.
func (r *recovery) current() (yes bool) {
	r.b.meta.Read(func(s *metadata.State) {
		w, ok := s.WAL(r.w.ID)
		yes = ok && w.Held && w.Holder == r.b.cfg.NodeID && w.HolderEpoch == r.b.epoch && w.Generation == r.w.Generation
	})
	return yes
}

// attempt takes every step once.
func (r *recovery) attempt(sc *host.Scope) error {
	defer r.close(sc)
	if err := r.seal(sc); err != nil {
		return err
	}
	r.b.dawdle(sc, "broker.recover.before-upload")
	r.held.engine.Start(sc)
	if err := r.upload(sc); err != nil {
		return err
	}
	return r.release(sc)
}

// seal makes what the WAL owes readable and closes its open ranges.
func (r *recovery) seal(sc *host.Scope) error {
	if err := r.b.recoveries.scans.Acquire(sc, 1); err != nil {
		return err
	}
	defer r.b.recoveries.scans.Release(1)
	rec, err := r.takeOver(sc)
	if err != nil {
		return err
	}
	var ranges []stream.RangeInfo
	r.b.meta.Read(func(s *metadata.State) { ranges = rangesOn(s, r.w.ID) })
	found, err := r.held.engine.Recover(rec, ranges)
	if err != nil {
		return err
	}
	r.note(rec)
	// Before the seal: the next owners ask for the state of their ranges at once.
	r.b.hold(r.held)
	return r.sealRanges(sc, ranges, found)
}

// takeOver goes from the attach to the scan, in the order of rule 7.
func (r *recovery) takeOver(sc *host.Scope) (*wal.Recovery, error) {
	b, name := r.b, walFile(r.w.ID)
	var err error
	if r.vol, err = b.deadVolume(sc, r.w); err != nil {
		return nil, err
	}
	if mutant.On(mutant.ScanBeforeFence) { // the word follows
		defer func() { r.fence, _ = wal.TakeFence(b.h, r.vol, name+".fence", wal.UUID(r.w.ID), r.w.Generation) }()
		return r.scan(sc, name)
	}
	if r.fence, err = wal.TakeFence(b.h, r.vol, name+".fence", wal.UUID(r.w.ID), r.w.Generation); err != nil {
		return nil, fmt.Errorf("take the fence of WAL %s: %w", r.w.ID, err)
	}
	b.dawdle(sc, "broker.recover.after-fence")
	if !mutant.On(mutant.RecoveryStale) {
		if _, err := b.cfg.Cluster.Sync(sc); err != nil { // before the scan: a later commit trims what it would find
			return nil, fmt.Errorf("read metadata as it is now: %w", err)
		}
	}
	return r.scan(sc, name)
}

// scan reads the ring and makes an engine over what it has.
func (r *recovery) scan(sc *host.Scope, name string) (*wal.Recovery, error) {
	b := r.b
	if !r.current() {
		return nil, fmt.Errorf("%w: WAL %s has another holder or generation", stream.ErrFenced, r.w.ID)
	}
	b.meta.Read(func(s *metadata.State) { r.w, _ = s.WAL(r.w.ID) })
	cfg := wal.ReadConfig{Reading: b.recoveries.reading, Slabs: b.cfg.Slabs, Heads: batch.HeaderSize}
	if r.fence != nil {
		cfg.Fence = r.fence.Check
	}
	log, rec, err := wal.OpenReadOnly(sc, b.h, r.vol, name, cfg, wal.Expect{
		Cluster: wal.UUID(b.cluster), Volume: wal.UUID(r.w.Volume), WAL: wal.UUID(r.w.ID), Broker: r.w.Broker,
		Generation: r.w.Generation, Durable: wal.Position(r.w.Durable), Opened: b.openedAt(r.w.ID),
	})
	if err != nil {
		return nil, err
	}
	held := &heldWAL{id: wal.UUID(r.w.ID), gen: r.w.Generation, log: log}
	held.catalog = b.newCatalog(held.id, held.gen)
	held.engine = stream.NewEngine(b.h, b.recoveredConfig(held), log, b.store, held.catalog)
	r.held = held
	return rec, nil
}

// recoveredConfig is that of the broker's own engine, with less memory: what is recovered is in the log and read by
// position.
func (b *Broker) recoveredConfig(held *heldWAL) stream.Config {
	cfg := b.streamConfig()
	cfg.Fatal = func(error) {} // the recovery ends, the broker does not
	cfg.Owed = func(sc *host.Scope, q stream.OwedRead) ([]stream.OwedEntry, error) {
		return b.readOwedBy(sc, q, held.engine)
	}
	cfg.IndexCacheBytes, cfg.BlockCacheBytes = recoveredCache, recoveredCache
	if cfg.ColdBytes > 0 {
		cfg.ColdBytes = max(cfg.ColdBytes/4, recoveredCache)
	}
	return cfg
}

// recoveredCache bounds what the engine of a recovered WAL keeps of objects: it reads checkpoints, once each.
const recoveredCache = 4 << 20

func (r *recovery) note(rec *wal.Recovery) {
	log := r.b.h.Log()
	log.Info("scanned another broker's WAL", "wal", r.w.ID.String(), "bytes", uint64(rec.End-rec.Start),
		"entries", len(rec.Entries), "clean", rec.Clean)
	if rec.Torn.Frames > 0 {
		log.Warn("left out a torn tail that was never acknowledged", "position", uint64(rec.Torn.At),
			"bytes", rec.Torn.Bytes, "why", rec.Torn.Why)
	}
	for _, d := range rec.Damage {
		log.Error("another broker's WAL is damaged", "from", uint64(d.From), "to", uint64(d.To), "why", d.Why)
	}
}

// close lets go of what an attempt holds.
func (r *recovery) close(sc *host.Scope) {
	if h := r.held; h != nil {
		r.b.letGo(h)
		_ = h.engine.Close() // its tasks end with the scope, too
		if low := h.catalog.keys.leave(h.catalog); low > 0 && sc.Err() == nil {
			_ = h.catalog.raise(sc, low) // else with the next key that is given up, or with the epoch
		}
		_ = h.log.Close(nil) // nothing was written, and it waits for nothing
		r.held = nil
	}
	if r.fence != nil {
		_ = r.fence.Close() // nothing was written
		r.fence = nil
	}
}
