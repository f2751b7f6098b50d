package broker

import (
	"errors"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
)

const (
	// syncStallMax is how long the WAL may work on one write before the broker stops asking for its lease: others can
	// serve its partitions, it cannot (rule 3).
	syncStallMax = 10 * time.Second
	// fenceEvery is how often a broker of a cluster reads its fence word although it has nothing to acknowledge.
	fenceEvery = 500 * time.Millisecond
)

// ErrFenced is why a broker ends whose epoch is not live any more.
var ErrFenced = errors.New(
	"broker: its epoch was fenced and others serve its partitions; start it again and it takes part anew")

// startSession begins to keep the broker's lease.
func (b *Broker) startSession() {
	if b.cfg.Cluster == nil {
		return
	}
	b.session = b.cfg.Cluster.StartSession(b.root, b.epoch, SessionHooks{
		Alive: b.alive, Load: b.load,
		Fenced: func() {
			probe.Hit(probe.BrokerEpochFenced)
			b.fail(ErrFenced)
			if b.appliedIndex() == 0 {
				b.cancel() // the start may wait for what never comes
			}
		},
	})
	b.work.Go("broker.fence", b.watchFence)
}

// alive reports whether the broker is fit to hold its lease.
func (b *Broker) alive() bool {
	if b.failed.Done() {
		return false
	}
	if age := b.syncAge(); age > int64(syncStallMax) {
		probe.Hit(probe.BrokerSyncStalled)
		return false
	}
	return true
}

// syncAge is how long the WAL has worked on what it is writing, in ns; 0 if idle.
func (b *Broker) syncAge() int64 {
	log := b.vital.Load()
	if log == nil {
		return 0
	}
	if began := log.SyncBegan(); began > 0 {
		return int64(b.h.Now() - began)
	}
	return 0
}

// load is what a heartbeat tells of the broker.
func (b *Broker) load() Load {
	l := Load{
		BytesIn: uint64(b.counters.ProduceBytes.Load()), BytesOut: uint64(b.counters.FetchBytes.Load()),
		Partitions: int(b.counters.Partitions.Load()), SyncAge: b.syncAge(),
	}
	for i := range b.counters.Requests {
		l.Requests += uint64(b.counters.Requests[i].Load())
	}
	if log := b.vital.Load(); log != nil {
		l.WAL, l.Durable = metadata.UUID(log.Identity().WAL), uint64(log.Durable())
	}
	return l
}

// awaitLease is what the WAL asks before it acknowledges; nil alone.
func (b *Broker) awaitLease() func(*host.Scope) (bool, error) {
	if b.session == nil {
		return nil
	}
	return func(sc *host.Scope) (bool, error) {
		if b.session.Held() {
			return false, nil
		}
		return true, b.session.WaitHeld(sc)
	}
}

// holdsLease reports whether the broker's lease is held now; alone it needs none.
func (b *Broker) holdsLease() bool {
	if b.session == nil || b.session.Held() {
		return true
	}
	probe.Hit(probe.BrokerLeaseLapsed)
	return false
}

// watchFence ends a broker that has lost its WAL and has nothing to acknowledge: its clients must look for the new
// owner.
func (b *Broker) watchFence(sc *host.Scope) error {
	for b.h.Sleep(sc, fenceEvery) == nil {
		if log := b.vital.Load(); log != nil && log.CheckFence() != nil {
			return nil // the WAL dies of it
		}
	}
	return nil
}
