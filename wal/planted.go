package wal

import (
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
)

// overtake is the planted bug AckOutOfOrder: the frame behind f is written, synced and answered before f is
// written, as a log with two writes in flight does that answers each when its own is over. It returns that
// frame, nil if there was none.
func (l *Log) overtake(sc *host.Scope, f *frame) (*frame, error) {
	_ = l.h.Sleep(nil, time.Millisecond) // it has no scope to end with
	g, err := l.take()
	if g == nil {
		return nil, err
	}
	g.seal(l.id.WAL, l.id.BrokerEpoch, f.head.crc, l.durable)
	if err := l.claim(g); err != nil {
		return nil, err
	}
	if err := l.ring.write(g.buf(), g.pos); err != nil {
		return nil, err
	}
	if err := l.sync(sc, g); err != nil {
		return nil, err
	}
	g.tell()
	return g, nil
}

// unsearched tells that the planted bug of this process would be caught by the search ahead of the write
// position: that is not to find it for the oracles.
func unsearched() bool {
	return mutant.On(mutant.CleanMarkKept) || mutant.On(mutant.RecoveryStopsEarly) ||
		mutant.On(mutant.EvidenceIgnored) || mutant.On(mutant.DamageIsTear)
}
