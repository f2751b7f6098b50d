package wal_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// leash is a lease and a fence that a test takes and gives.
type leash struct {
	given host.Future[struct{}]
	asked int
	lost  error // what the fence says
}

func (x *leash) lease(sc *host.Scope) (bool, error) {
	x.asked++
	if x.given.Done() {
		_, err := x.given.Wait(sc, 0)
		return false, err
	}
	_, err := x.given.Wait(sc, 0)
	return true, err
}

func (x *leash) fence() error { return x.lost }

// leased runs fn with a log whose first frame is durable and waits for the lease.
func leased(t *testing.T, fn func(h host.Host, sc *host.Scope, l *wal.Log, x *leash, r *record) error) {
	t.Helper()
	newBench(t, sim.Config{}).do(func(h host.Host, sc *host.Scope) error {
		x := &leash{}
		x.given.Init(h)
		l, _, err := open(h, sc, func(c *wal.Config, _ *wal.Expect) { c.Lease, c.Fence = x.lease, x.fence })
		if err != nil {
			return err
		}
		r := newRecord(h, 1, 0, payload(0, 100))
		if err := l.Append(sc, 0, r); err != nil {
			return err
		}
		if err := h.Sleep(sc, time.Second); err != nil {
			return err
		}
		if x.asked != 1 || r.done.Done() || l.Durable() != 0 {
			return fmt.Errorf("asked %d times; acknowledged %v, durable to %d", x.asked, r.done.Done(), l.Durable())
		}
		return fn(h, sc, l, x, r)
	})
}

func TestAnAcknowledgementWaitsForTheLease(t *testing.T) {
	leased(t, func(h host.Host, sc *host.Scope, l *wal.Log, x *leash, r *record) error {
		later := newRecord(h, 1, 1, payload(1, 100))
		if err := l.Append(sc, 0, later); err != nil {
			return err
		}
		if err := h.Sleep(sc, time.Second); err != nil {
			return err
		}
		if l.Durable() != 0 || later.done.Done() || l.SyncBegan() != 0 {
			return fmt.Errorf("durable to %d, a sync since %d", l.Durable(), l.SyncBegan())
		}
		x.given.Complete(struct{}{}, nil)
		if err := errors.Join(r.wait(), later.wait()); err != nil {
			return err
		}
		if x.asked != 2 {
			return fmt.Errorf("asked %d times", x.asked)
		}
		return l.Close(sc)
	})
}

func TestAnAcknowledgementThatWaitedReadsTheFenceAgain(t *testing.T) {
	leased(t, func(_ host.Host, sc *host.Scope, l *wal.Log, x *leash, r *record) error {
		x.lost = errors.New("another's")
		x.given.Complete(struct{}{}, nil)
		if err := r.wait(); !errors.Is(err, wal.ErrFenced) || !errors.Is(err, wal.ErrDead) {
			return fmt.Errorf("it was told %w", err)
		}
		return nil
	})
}

func TestALogWhoseLeaseIsOverDies(t *testing.T) {
	leased(t, func(_ host.Host, sc *host.Scope, l *wal.Log, x *leash, r *record) error {
		x.given.Complete(struct{}{}, errors.New("fenced"))
		if err := r.wait(); !errors.Is(err, wal.ErrLease) || !errors.Is(err, wal.ErrDead) {
			return fmt.Errorf("it was told %w", err)
		}
		return nil
	})
}

func TestALogThatWaitsForItsLeaseIsAbandonedWithItsScope(t *testing.T) {
	died := false
	newBench(t, sim.Config{}).do(func(h host.Host, sc *host.Scope) error {
		x := &leash{}
		x.given.Init(h)
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		cfg, err := ringConfig(h)
		if err != nil {
			return err
		}
		cfg.Lease, cfg.Dead = x.lease, func(error) { died = true }
		child, cancel := sc.Child(0)
		l, _, err := wal.Open(child, h, vol, ringFile, cfg, wal.Expect{WAL: testIdentity.WAL})
		if err != nil {
			return err
		}
		r := newRecord(h, 1, 0, payload(0, 100))
		if err := l.Append(sc, 0, r); err != nil {
			return err
		}
		if err := h.Sleep(sc, time.Second); err != nil {
			return err
		}
		cancel()
		if err := r.wait(); !errors.Is(err, wal.ErrDead) {
			return fmt.Errorf("it was told %w", err)
		}
		return nil
	})
	require.False(t, died)
}
