package broker

import (
	"slices"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// In a cluster partitions come and go while others are served, and what one needs to open may be with a broker that
// is slow to answer. So the follow task waits for no opening: requests see a part that is being opened as one that is
// not led here yet.

// openingsMax bounds the partitions of a cluster's broker that are opened at the same time.
const openingsMax = 256

// beginOpening opens parts, each in a task of its own.
func (b *Broker) beginOpening(parts []*part) {
	for _, p := range parts {
		b.work.Go("broker.open", func(sc *host.Scope) error {
			if b.openings.Acquire(sc, 1) != nil {
				return nil
			}
			defer b.openings.Release(1)
			b.opened(sc, p, p.open(sc))
			b.arrived()
			return nil
		})
	}
}

// opened looks at how an opening has ended.
func (b *Broker) opened(sc *host.Scope, p *part, err error) {
	switch {
	case p.isBroken():
		b.showBroken(p)
	case err != nil && !p.isClosed() && sc.Err() == nil && !b.draining.Load():
		b.fail(err)
	}
}

// showBroken has requests see that a part could not be opened.
func (b *Broker) showBroken(p *part) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics.byID[p.topic]
	if t == nil || int(p.index) >= len(t.parts) || t.parts[p.index].part != p {
		return
	}
	again := *t
	again.parts = slices.Clone(t.parts)
	again.dropBroken()
	b.topics.change([]*topic{&again}, nil)
}

// retire closes parts whose ranges others go on with. Requests see that already, and so do those that hear it now.
func (b *Broker) retire(parts []*part) {
	for _, p := range parts {
		probe.Hit(probe.BrokerPartLeft)
		p.close(codeNotLeaderOrFollower)
		b.work.Go("broker.leave", func(sc *host.Scope) error {
			_ = p.end(sc, codeNotLeaderOrFollower) // an error is the end of the broker
			return nil
		})
	}
}

// isClosed reports whether the part is not served any more.
func (p *part) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed != codeNone
}

// openCoordinators opens coordinator partitions, each in a task of its own.
func (b *Broker) openCoordinators(parts []*groupPart) {
	for _, g := range parts {
		b.work.Go("broker.open", func(sc *host.Scope) error {
			err := g.open(sc)
			if err != nil && !g.isStopped() && sc.Err() == nil && !b.draining.Load() {
				b.fail(err)
			}
			return nil
		})
	}
}

// absent returns which topics that offsets are kept for are not there any more: they may have been deleted while nobody
// coordinated.
func (b *Broker) absent(store *group.Store) []string {
	if b.cfg.Cluster == nil {
		return nil // a deletion waits for its only coordinator
	}
	return slices.DeleteFunc(store.Topics(), func(name string) bool {
		_, there := b.onItsWay(name)
		return there
	})
}

// retireGroups ends coordinator partitions that others go on with: who waits hears NOT_COORDINATOR.
func (b *Broker) retireGroups(parts []*groupPart) {
	for _, g := range parts {
		probe.Hit(probe.BrokerCoordinatorLeft)
		g.stop()
		b.work.Go("broker.leave", func(sc *host.Scope) error {
			_ = g.end(sc) // an error is the end of the broker
			return nil
		})
	}
}

// end returns when nothing of a coordinator partition that has stopped is under way any more, but for records that are
// on their way into the log.
func (g *groupPart) end(sc *host.Scope) error {
	if err := g.opened.wait(sc); err != nil && sc.Err() != nil {
		return sc.Err()
	}
	if !g.isOpen() {
		return nil
	}
	if err := g.finished.wait(sc); err != nil {
		return err
	}
	g.stream.Close()
	return nil
}

// isStopped reports whether the part has ended.
func (g *groupPart) isStopped() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

// forgetLater forgets what was committed for topics that are gone, in tasks of their own: the follow task must not wait
// for records of coordinators, which wait for the lease. Until that is done nothing is told of offsets, and none are
// kept for a topic of such a name.
func (b *Broker) forgetLater(gone []*topic) {
	for _, t := range gone {
		b.forgetting(t.name, 1, 1)
		b.work.Go("broker.forget", func(sc *host.Scope) error {
			if b.forgetTopic(sc, t.name) == nil { // else the broker ends
				b.forgetting(t.name, -1, -1)
			}
			return nil
		})
	}
}

// forgetting counts who forgets what was committed for a topic: in all, and after the topic was gone.
func (b *Broker) forgetting(name string, all, late int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups.late += late
	if b.groups.forgetting[name] += all; b.groups.forgetting[name] == 0 {
		delete(b.groups.forgetting, name)
	}
}

// isForgetting reports whether offsets of a topic are being forgotten, so that none may be kept for the next of its
// name.
func (b *Broker) isForgetting(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.groups.forgetting[name] > 0
}

// remembers reports whether offsets may still be there of topics that are not.
func (b *Broker) remembers() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.groups.late > 0
}
