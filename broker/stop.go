package broker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/stream"
)

const (
	acceptRetry = 100 * time.Millisecond
	// drainMax bounds how long Stop waits for clients that have requests in work.
	drainMax = 2 * time.Second
	// flushMax bounds the last upload of a stop.
	flushMax = 20 * time.Second
	// askMax bounds how long a stop waits for the controllers of a cluster, each time.
	askMax = 10 * time.Second
	// rescueMax bounds the upload of what a dead WAL had acknowledged.
	rescueMax = 30 * time.Second
)

// Stop drains the broker: no new requests are read, those in work are answered, everything durable is
// uploaded, the ranges are closed and the WAL gets its clean mark. An error means that something stayed
// in the WAL only; the next start recovers it. A range with a hole stays as it is, and is no error once what it
// left in the WAL is quarantined.
func (b *Broker) Stop(sc *host.Scope) error {
	b.draining.Store(true)
	b.listener.Close()
	b.drainConns(sc)
	b.closeParts()
	b.stopGroups(sc)
	errUpload := b.flush(sc)
	var errSeal error
	if errUpload == nil || errors.Is(errUpload, stream.ErrRefused) { // then all others are uploaded
		errSeal = b.bounded(sc, b.sealAll)
	}
	errEngine := b.engine.Close()
	errLog := b.closeLog(sc)
	if errUpload == nil && errSeal == nil && errLog == nil {
		errSeal = b.bounded(sc, b.reportClean)
	}
	if b.session != nil {
		b.session.Stop()
	}
	b.cancel()
	b.work.Wait()
	if err := errors.Join(errUpload, errSeal, errEngine, errLog); err != nil {
		return fmt.Errorf("stop the broker: %w", err)
	}
	return nil
}

// bounded runs a step of the stop that asks the controllers: in a cluster they may be away for long.
func (b *Broker) bounded(sc *host.Scope, step func(*host.Scope) error) error {
	if b.session == nil {
		return step(sc)
	}
	sc, cancel := sc.Child(b.h.Now().Add(askMax))
	defer cancel()
	return step(sc)
}

// closeLog closes the WAL. What waits for a lease that does not come stays unacknowledged.
func (b *Broker) closeLog(sc *host.Scope) error {
	err := b.bounded(sc, b.log.Close)
	if b.session != nil && errors.Is(err, host.ErrTimeout) {
		b.session.Stop()
	}
	return err
}

// flush uploads everything durable. It gives up after a while: with a store that does not answer, what stays
// in the WAL is safe there, and the next start goes on with it.
func (b *Broker) flush(sc *host.Scope) error {
	sc, cancel := sc.Child(b.h.Now().Add(flushMax))
	defer cancel()
	err := b.engine.Flush(sc)
	if errors.Is(err, stream.ErrRefused) && b.quarantine.holes(sc) {
		err = b.engine.Flush(sc)
	}
	if errors.Is(err, host.ErrTimeout) {
		probe.Hit(probe.BrokerStopGaveUp)
		return fmt.Errorf("upload within %s: %w; the records stay in the WAL and the next start uploads them", flushMax, err)
	}
	return err
}

// drainConns ends every connection's reading, waits for the answers in work, and cuts off the rest.
func (b *Broker) drainConns(sc *host.Scope) {
	until := b.h.Now().Add(drainMax)
	for _, c := range b.openConns() {
		c.drain(until)
	}
	b.awaitIdle(sc, until)
	b.cutConns()
}

// cutConns ends every connection as it is.
func (b *Broker) cutConns() {
	for _, c := range b.openConns() {
		c.cancel()
		c.nc.Close()
	}
}

// closeParts ends every partition: the ranges are closed at what Flush uploads, so nothing may be appended,
// let alone acknowledged, behind that.
func (b *Broker) closeParts() {
	for _, t := range b.allTopics() {
		for i := range t.parts {
			if p := t.parts[i].part; p != nil {
				p.close(codeNotLeaderOrFollower)
			}
		}
	}
}

// openConns returns the open connections, oldest first.
func (b *Broker) openConns() []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*conn, 0, len(b.conns))
	for _, c := range b.conns {
		list = append(list, c)
	}
	slices.SortFunc(list, func(x, y *conn) int { return cmp.Compare(x.id, y.id) })
	return list
}

func (b *Broker) awaitIdle(sc *host.Scope, until host.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.conns) > 0 && b.idle.Wait(sc, until) == nil {
	}
}
