package node

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Abandoned is what giving up a WAL came to.
type Abandoned struct {
	Whole   int      // partitions with every record in objects
	Offline []string // partitions that may have lost records, one line each
}

// ErrNoSuchWAL is returned when metadata does not know the WAL, or has released it already.
var ErrNoSuchWAL = errors.New("node: metadata knows no open WAL of that uuid")

// AbandonWAL gives up a lost WAL by an operator's word (PROTOCOL rules 38, 39). A range of it that was
// closed and is committed to its end is whole. Any other gets a hole from its committed end on: the
// partition is offline with that reason until somebody accepts the loss. The WAL keeps its name, so it is
// not mistaken for a new one, and the server creates a fresh WAL beside it.
func AbandonWAL(sc *host.Scope, h host.Host, cfg Config, id metadata.UUID) (Abandoned, error) {
	n := &Node{h: h, cfg: cfg}
	var a Abandoned
	if err := n.claim(sc); err != nil {
		return a, err
	}
	defer n.lock.Close()
	if !n.known {
		return a, fmt.Errorf("%w: there is no node in this data directory", ErrNoSuchWAL)
	}
	if err := n.startController(sc); err != nil {
		return a, err
	}
	errAbandon := n.abandon(sc, id, &a)
	return a, errors.Join(errAbandon, n.controller.Close(sc))
}

func (n *Node) abandon(sc *host.Scope, id metadata.UUID, a *Abandoned) error {
	var nonce [16]byte
	n.h.Secret(nonce[:])
	reg := &metadatapb.Register{Broker: n.identity.Node, Nonce: nonce[:], Disk: n.identity.Disk[:], Proof: true}
	if _, err := proposeTo(sc, n.controller, reg); err != nil {
		return fmt.Errorf("register the broker: %w", err)
	}
	var w metadata.WAL
	var known bool
	n.controller.Read(func(s *metadata.State) { w, known = s.WAL(id) })
	if !known || !w.Held || w.State == metadatapb.WalState_WAL_STATE_RELEASED {
		return fmt.Errorf("%w: %s", ErrNoSuchWAL, id)
	}
	return giveUpWAL(sc, n.controller, w, a)
}

// giveUpWAL marks a hole for all that only w has, and gives w up.
func giveUpWAL(sc *host.Scope, meta metadata.Service, w metadata.WAL, a *Abandoned) error {
	var lost []lostRange
	meta.Read(func(s *metadata.State) { lost, a.Whole = lostOn(s, w.ID) })
	for _, l := range lost {
		mark := &metadatapb.MarkHole{Wal: w.ID[:], Generation: w.Generation, Stream: l.stream, LeaderEpoch: l.epoch,
			From: l.from, To: l.to, Why: "its WAL volume was given up by an operator"}
		if _, err := proposeTo(sc, meta, mark); err != nil {
			return fmt.Errorf("mark %s offline: %w", l.name, err)
		}
		a.Offline = append(a.Offline, fmt.Sprintf("%s: records from offset %d on were in this WAL only", l.name, l.from))
	}
	fence := &metadatapb.AbandonWal{Wal: w.ID[:], Generation: w.Generation}
	if _, err := proposeTo(sc, meta, fence); err != nil {
		return fmt.Errorf("give up the WAL: %w", err)
	}
	return nil
}

// lostRange is a range that a lost WAL owes something of.
type lostRange struct {
	name     string
	stream   uint64
	epoch    int32
	from, to int64
}

// lostOn lists what a WAL owes, open ranges included, and counts the streams on it that are whole.
func lostOn(s *metadata.State, id metadata.UUID) (lost []lostRange, whole int) {
	owed := append(s.OpenOn(id), s.Owed(id)...)
	hit := map[uint64]bool{}
	for _, o := range owed {
		v, _ := s.PartitionOf(o.Stream)
		t, _ := s.Topic(v.Topic)
		hit[o.Stream] = true
		lost = append(lost, lostRange{name: fmt.Sprintf("topic %s partition %d", t.Name, v.Partition),
			stream: o.Stream, epoch: o.LeaderEpoch, from: o.From, to: o.To})
	}
	for _, st := range s.StreamsOn(id) {
		if !hit[st] {
			whole++
		}
	}
	return lost, whole
}

// proposeTo has a command applied.
func proposeTo(sc *host.Scope, meta metadata.Service, body any) (*metadatapb.Result, error) {
	res, err := meta.Propose(sc, metadata.NewCommand(body))
	if err != nil {
		return nil, err
	}
	if res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		return nil, fmt.Errorf("the controller refused: %s (%s)", res.GetDetail(), res.GetRefusal())
	}
	return res, nil
}
