package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/objectstore"
)

// Config says how often the collector works.
type Config struct {
	Every time.Duration // destroyed objects are looked for
	Grace time.Duration // the bytes of a destroyed object stay, for reads that looked it up before
	Sweep time.Duration // the whole store is listed for garbage keys: abandoned and late puts
	First time.Duration // the first sweep after the start; by then late puts of the last run have landed
}

// Books is where destroyed objects and garbage are known: a part of metadata.Service.
type Books interface {
	Read(fn func(*metadata.State))
	Propose(sc *host.Scope, cmd *metadatapb.Command) (*metadatapb.Result, error)
}

// Collector deletes what is destroyed and what is garbage.
type Collector struct {
	h     host.Host
	cfg   Config
	store objectstore.Store
	books Books
	may   func() bool // asked before each call that deletes
}

// ErrOver is returned when a collector has to stop before it is done.
var ErrOver = errors.New("collector: this member does not lead any more")

// ErrRefused is returned when metadata does not forget what was deleted.
var ErrRefused = errors.New("collector: metadata refuses to forget")

// New returns a collector that may always work.
func New(h host.Host, cfg Config, store objectstore.Store, books Books) *Collector {
	return &Collector{h: h, cfg: cfg, store: store, books: books, may: func() bool { return true }}
}

// forgetBatch bounds one Forget command, and sweepPage how many keys are judged at one index.
const (
	forgetBatch = 500
	sweepPage   = 1000
)

// Destroyed deletes the bytes of objects destroyed longer ago than the grace, some hundreds at most, and forgets
// them. It may be repeated: a missing key is no error.
func (c *Collector) Destroyed(sc *host.Scope) error {
	var list []metadata.Destroyed
	var cluster metadata.UUID
	c.books.Read(func(s *metadata.State) {
		list = s.Destroyed()
		cluster, _ = s.Cluster()
	})
	until := c.h.Wall().Add(-c.cfg.Grace).UnixMilli()
	var done []*metadatapb.ObjectID
	for _, d := range list {
		if d.WallMs > until {
			continue // the wall clock only delays here; rule 34 decides what may go
		}
		if !c.may() {
			return ErrOver
		}
		if err := c.store.Delete(sc, d.ID.Key(cluster)); err != nil {
			return fmt.Errorf("delete object %s: %w", d.ID, err)
		}
		done = append(done, &metadatapb.ObjectID{Broker: d.ID.Broker, Epoch: d.ID.Epoch, Seq: d.ID.Seq})
		if len(done) == forgetBatch || host.Buggify(c.h, "collector.forget") {
			break
		}
	}
	if len(done) == 0 {
		return nil
	}
	r, err := c.books.Propose(sc, metadata.NewCommand(&metadatapb.Forget{Objects: done}))
	switch {
	case err != nil:
		return fmt.Errorf("forget deleted objects: %w", err)
	case r.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE:
		return fmt.Errorf("%w deleted objects: %s (%s)", ErrRefused, r.GetDetail(), r.GetRefusal())
	}
	return nil
}

// Swept counts what a sweep did.
type Swept struct{ Listed, Deleted int }

// Sweep lists the whole store and deletes the keys that are garbage, and no others. A key once garbage stays
// garbage, so a sweep may stop anywhere, run twice, or race with puts that land late.
func (c *Collector) Sweep(sc *host.Scope) (Swept, error) {
	var s Swept
	after := ""
	for {
		infos, err := c.store.List(sc, "", after, sweepPage)
		if err != nil {
			return s, fmt.Errorf("sweep: list after %q: %w", after, err)
		}
		for _, key := range c.garbage(infos) {
			if !c.may() {
				return s, ErrOver
			}
			if err := c.store.Delete(sc, key); err != nil {
				return s, fmt.Errorf("sweep: delete %s: %w", key, err)
			}
			probe.Hit(probe.CollectorSwept)
			s.Deleted++
		}
		s.Listed += len(infos)
		if len(infos) < sweepPage {
			return s, nil
		}
		after = infos[len(infos)-1].Key
	}
}

// garbage judges keys at one index of metadata.
func (c *Collector) garbage(infos []objectstore.Info) []string {
	var list []string
	c.books.Read(func(s *metadata.State) {
		own, _ := s.Cluster()
		for _, x := range infos {
			cluster, id, err := metadata.ParseKey(x.Key)
			bad := err == nil && cluster == own && s.Garbage(id)
			if mutant.On(mutant.DeleteBeforeCommit) {
				_, _, known := s.Object(id)
				bad = err == nil && !known
			}
			if bad {
				list = append(list, x.Key)
			}
		}
	})
	return list
}

// Round is the work of one moment: destroyed objects, and the sweep if it is time for one. What goes wrong is
// logged; the next round tries again. It returns when the next sweep is due.
func (c *Collector) Round(sc *host.Scope, sweepAt host.Time) host.Time {
	if err := c.Destroyed(sc); err != nil && sc.Err() == nil {
		c.h.Log().Warn("delete the bytes of destroyed objects", "error", err)
	}
	if c.h.Now() < sweepAt && !host.Buggify(c.h, "collector.sweep") {
		return sweepAt
	}
	next := c.h.Now().Add(c.cfg.Sweep)
	swept, err := c.Sweep(sc)
	if err != nil && sc.Err() == nil {
		c.h.Log().Warn("sweep the object store", "error", err)
	} else if swept.Deleted > 0 {
		c.h.Log().Info("swept the object store", "listed", swept.Listed, "deleted", swept.Deleted)
	}
	return next
}
