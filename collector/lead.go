package collector

import (
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/objectstore"
)

// Leader is the controller of this node.
type Leader interface {
	// Leads reports whether it leads, with everything applied that was committed before, and its term.
	Leads() (bool, uint64)
	// ProposeIn proposes in one term or not at all.
	ProposeIn(sc *host.Scope, cmd *metadatapb.Command, term uint64) (*metadatapb.Result, error)
	// Read is as of metadata.Service.
	Read(fn func(*metadata.State))
}

// Run collects while c leads, until sc ends. A new leader waits with its first sweep as a start does.
func Run(sc *host.Scope, h host.Host, cfg Config, store objectstore.Store, c Leader) error {
	var t *tenure
	var sweepAt host.Time
	for {
		if err := h.Sleep(sc, cfg.Every); err != nil {
			return err
		}
		leads, term := c.Leads()
		switch {
		case !leads:
			t = nil
			continue
		case t == nil || t.term != term:
			probe.Hit(probe.CollectorLeads)
			t = &tenure{Leader: c, term: term}
			sweepAt = h.Now().Add(cfg.First)
		}
		x := New(h, cfg, store, t)
		x.may = t.lasts
		sweepAt = x.Round(sc, sweepAt)
	}
}

// tenure is one term of a leader.
type tenure struct {
	Leader
	term uint64
}

func (t *tenure) lasts() bool {
	leads, term := t.Leads()
	return leads && term == t.term
}

// Propose implements Books.
func (t *tenure) Propose(sc *host.Scope, cmd *metadatapb.Command) (*metadatapb.Result, error) {
	return t.ProposeIn(sc, cmd, t.term)
}
