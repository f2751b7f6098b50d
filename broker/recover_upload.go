package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// errKept ends a recovery whose WAL must not be let go although it owes nothing.
var errKept = errors.New("broker: the WAL is kept for people to look at")

// recoveredLook is how often it is looked whether a WAL that cannot be released now can be.
const recoveredLook = time.Second

// upload uploads all that the WAL has, what may be lost in a hole as a quarantine object, until it owes nothing. What
// only an operator can decide, it waits for.
func (r *recovery) upload(sc *host.Scope) error {
	q := r.b.newQuarantine(r.held)
	for {
		err := r.held.engine.Flush(sc)
		if err != nil && !errors.Is(err, stream.ErrRefused) {
			return err
		}
		if errors.Is(err, stream.ErrRefused) {
			q.holes(sc)
		}
		if !r.owes() {
			return nil
		}
		if !r.current() {
			return fmt.Errorf("%w: WAL %s has another holder or generation", stream.ErrFenced, r.w.ID)
		}
		if err := r.b.h.Sleep(sc, recoveredLook); err != nil {
			return err
		}
	}
}

// owes reports whether metadata says that the WAL may not be released yet.
func (r *recovery) owes() (yes bool) {
	r.b.meta.Read(func(s *metadata.State) {
		yes = s.Pinned(r.w.ID) || len(s.OpenOn(r.w.ID)) > 0 || len(s.Owed(r.w.ID)) > 0
	})
	return yes
}

// release lets go of the WAL, and then of its files. Whoever dies in between leaves them for the next broker that
// looks (sweepReleased): a file that nothing refers to any more does no harm.
func (r *recovery) release(sc *host.Scope) error {
	if err := r.held.log.SearchRest(sc); err != nil {
		if errors.Is(err, wal.ErrDamage) {
			return fmt.Errorf("%w: %w", errKept, err)
		}
		return err
	}
	cmd := &metadatapb.ReleaseWal{Wal: r.w.ID[:], Generation: r.held.gen}
	err := r.patiently(sc, func() error {
		_, err := r.held.catalog.propose(sc, "release a recovered WAL", metadata.NewCommand(cmd))
		return err
	})
	if err != nil && !r.released() { // it may have been applied and its answer lost
		return err
	}
	probe.Hit(probe.BrokerRecoveryReleased)
	r.b.letGo(r.held)
	r.b.dawdle(sc, "broker.recover.before-remove")
	w := r.w
	if mutant.On(mutant.ReleaseWrongWAL) {
		r.b.meta.Read(func(s *metadata.State) { w, _ = s.WAL(metadata.UUID(r.b.walID)) })
	}
	if _, err := r.b.removeWAL(sc, w); err != nil {
		r.b.h.Log().Warn("remove the files of a released WAL; the next start of the broker that made it does",
			"wal", w.ID.String(), "error", err)
	}
	return nil
}

// released reports whether the WAL was released at this generation.
func (r *recovery) released() (yes bool) {
	r.b.meta.Read(func(s *metadata.State) {
		w, ok := s.WAL(r.w.ID)
		yes = ok && w.State == metadatapb.WalState_WAL_STATE_RELEASED && w.Generation == r.w.Generation
	})
	return yes
}

// sweepReleased is the task "broker.recover.sweep": it removes what the recoverers of this broker's earlier WALs left,
// because they died between the release and that.
func (b *Broker) sweepReleased(sc *host.Scope) error {
	var list []metadata.WAL
	b.meta.Read(func(s *metadata.State) {
		for _, w := range s.WALs() {
			if w.Broker == b.cfg.NodeID && w.State == metadatapb.WalState_WAL_STATE_RELEASED && !w.Lost {
				list = append(list, w)
			}
		}
	})
	for _, w := range list {
		found, err := b.removeWAL(sc, w)
		if err != nil {
			b.h.Log().Warn("remove the files of a released WAL", "wal", w.ID.String(), "error", err)
			continue // the next start looks again
		}
		if !found {
			continue
		}
		probe.Hit(probe.BrokerRecoverySwept)
	}
	return nil
}
