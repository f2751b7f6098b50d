package broker

import (
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Pauses between attempts of what only needs the controllers to come back.
const (
	patienceMin = 50 * time.Millisecond
	patienceMax = 2 * time.Second
)

// syncMetadata waits until metadata is as new as what the controllers have answered to anybody. A broker that is
// alone has it.
func (b *Broker) syncMetadata(sc *host.Scope) error {
	if b.cfg.Cluster == nil {
		return nil
	}
	return b.patiently(sc, "read the metadata", func() error {
		_, err := b.cfg.Cluster.Sync(sc)
		return err
	})
}

// syncBriefly is syncMetadata for a request, which has no time for controllers that do not answer.
func (b *Broker) syncBriefly(sc *host.Scope) error {
	if b.cfg.Cluster == nil {
		return sc.Err()
	}
	_, err := b.cfg.Cluster.Sync(sc)
	return err
}

// catchUpMax bounds how long a request waits for the controllers before it reads.
const catchUpMax = 5 * time.Second

// catchUp waits until requests see what the controllers have answered to anybody. Alone they do, but for what the
// follow task is at.
func (b *Broker) catchUp(sc *host.Scope) error {
	if b.cfg.Cluster == nil {
		return nil
	}
	sc, cancel := sc.Child(b.h.Now().Add(catchUpMax))
	defer cancel()
	index, err := b.cfg.Cluster.Sync(sc)
	if err != nil {
		return err
	}
	return b.awaitApplied(sc, index)
}

// patiently repeats do until it succeeds or sc ends. What a broker that is alone fails at it fails at for good: its
// controller is of the same process.
func (b *Broker) patiently(sc *host.Scope, doing string, do func() error) error {
	for pause := patienceMin; ; pause = min(2*pause, patienceMax) {
		err := do()
		if err == nil || b.cfg.Cluster == nil || sc.Err() != nil {
			return err
		}
		b.h.Log().Warn("waiting for the controllers", "to", doing, "error", err)
		if e := b.h.Sleep(sc, pause); e != nil {
			return err
		}
	}
}

// proposePatiently proposes body until it is answered. Every command answers the same to the same nonce or natural
// key, so that one whose outcome is unknown may be repeated.
func (b *Broker) proposePatiently(sc *host.Scope, doing string, body any) (*metadatapb.Result, error) {
	var res *metadatapb.Result
	err := b.patiently(sc, doing, func() (err error) {
		res, err = b.meta.Propose(sc, metadata.NewCommand(body))
		return err
	})
	return res, err
}

// register gets this run's broker epoch and returns the WALs that it may write. In a cluster it may be given others at
// any moment, to recover them: those are not among them.
func (b *Broker) register(sc *host.Scope) ([]metadata.WAL, error) {
	cmd := &metadatapb.Register{Broker: b.cfg.NodeID, Nonce: b.newID(), Disk: b.cfg.Disk[:], Proof: b.proven(),
		Rack: b.cfg.Rack, Address: b.cfg.Address}
	var res *metadatapb.Result
	for {
		var err error
		if res, err = b.proposePatiently(sc, "register the broker", cmd); err != nil {
			return nil, err
		}
		if res.GetRefusal() != metadatapb.Refusal_REFUSAL_STILL_LIVE {
			break
		}
		b.h.Log().Warn("waiting for another broker of this id to be fenced", "broker", b.cfg.NodeID, "why", res.GetDetail())
		if err := b.h.Sleep(sc, patienceMax); err != nil {
			return nil, err
		}
	}
	if res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		return nil, refusedError("register the broker", res)
	}
	b.epoch = res.GetRegister().GetEpoch()
	var held []metadata.WAL
	b.meta.Read(func(s *metadata.State) {
		for _, w := range s.WALs() {
			if w.Held && w.Holder == b.cfg.NodeID && w.HolderEpoch == b.epoch && w.Resumed && w.Broker == b.cfg.NodeID {
				held = append(held, w)
			}
		}
	})
	return held, nil
}

// proven reports whether the lock on this node's data proves that the last run of this broker is dead: it is the same
// data.
func (b *Broker) proven() bool {
	same := true
	b.meta.Read(func(s *metadata.State) {
		if last, known := s.Broker(b.cfg.NodeID); known {
			same = last.Disk == b.cfg.Disk
		}
	})
	return same || b.cfg.Cluster == nil
}

// newest is the one of a broker's WALs that it goes on with, which is the one that metadata opens ranges on. There are
// others if it was fenced, began anew, and then came back to what nobody had recovered yet.
func (b *Broker) newest(held []metadata.WAL) metadata.WAL {
	best := held[0]
	for _, w := range held[1:] {
		if w.Opened > best.Opened {
			best = w
		}
	}
	return best
}

// proposeBoot gets body applied, and takes a refusal for an error.
func (b *Broker) proposeBoot(sc *host.Scope, doing string, body any) (*metadatapb.Result, error) {
	res, err := b.proposePatiently(sc, doing, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		return nil, refusedError(doing, res)
	}
	return res, nil
}
