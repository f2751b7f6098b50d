package node

import (
	"errors"
	"fmt"
	"math"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Operator shows what of a running cluster waits for an operator, and gives that one's word to its controllers.
type Operator struct {
	Meta metadata.Service // read and proposed to
}

// Offline is a hole that keeps a partition offline.
type Offline struct {
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	Epoch      int32  `json:"leaderEpoch"`
	From       int64  `json:"from"`
	To         int64  `json:"to"` // -1: nobody knows where it ends
	Why        string `json:"why"`
	WAL        string `json:"wal"`
	Quarantine string `json:"quarantine,omitempty"` // key of the object with what the WAL had there
}

// Waiting is a WAL whose holder is gone and that is not recovered to its end.
type Waiting struct {
	WAL        string `json:"wal"`
	Volume     string `json:"volume"`
	Broker     int32  `json:"broker"`    // who wrote it
	Recoverer  int32  `json:"recoverer"` // -1: nobody yet
	Generation int64  `json:"generation"`
	Open       int    `json:"openRanges"` // not closed yet
	Owed       int    `json:"owedRanges"` // not uploaded to their ends
	Lost       bool   `json:"lost"`       // given up by an operator
}

// ErrNothingLost is returned for a partition that has no hole.
var ErrNothingLost = errors.New("node: the partition has no hole")

// Look returns every hole that nobody accepted, by topic and partition, and every WAL that waits.
func (o Operator) Look() (holes []Offline, waiting []Waiting) {
	o.Meta.Read(func(s *metadata.State) {
		cluster, _ := s.Cluster()
		for _, t := range s.Topics() {
			for p, id := range t.Streams {
				st, _ := s.Stream(id)
				for _, h := range st.Holes {
					if h.Accepted {
						continue
					}
					x := Offline{Topic: t.Name, Partition: int32(p), Epoch: h.LeaderEpoch, From: h.From, To: h.To,
						Why: h.Why, WAL: h.WAL.String()}
					if !h.Quarantine.IsZero() {
						x.Quarantine = h.Quarantine.Key(cluster)
					}
					holes = append(holes, x)
				}
			}
		}
		for _, w := range s.WALs() {
			if w.State != metadatapb.WalState_WAL_STATE_RECOVERING || w.Resumed {
				continue
			}
			x := Waiting{WAL: w.ID.String(), Volume: w.Volume.String(), Broker: w.Broker, Recoverer: -1,
				Generation: w.Generation, Open: len(s.OpenOn(w.ID)), Owed: len(s.Owed(w.ID)), Lost: w.Lost}
			if w.Held {
				x.Recoverer = w.Holder
			}
			waiting = append(waiting, x)
		}
	})
	return holes, waiting
}

// Accept gives up what the holes of a partition lost, in the name of operator, and returns where its next offset is if
// the partition begins anew there. It goes past every offset that the lost bytes may have held: one that somebody may
// have seen is never given out again (PROTOCOL rule 39).
func (o Operator) Accept(sc *host.Scope, topic string, partition int32, operator string) (next int64, err error) {
	var cmds []*metadatapb.AcceptLoss
	o.Meta.Read(func(s *metadata.State) { cmds = acceptances(s, topic, partition, operator) })
	if len(cmds) == 0 {
		return 0, fmt.Errorf("%w: topic %s partition %d", ErrNothingLost, topic, partition)
	}
	next = -1
	for _, cmd := range cmds {
		if _, err := proposeTo(sc, o.Meta, cmd); err != nil {
			return 0, fmt.Errorf("accept the loss in epoch %d: %w", cmd.GetLeaderEpoch(), err)
		}
		if cmd.GetNextStart() > 0 {
			next = cmd.GetNextStart()
		}
	}
	return next, nil
}

// acceptances are the commands that accept all holes of a partition, one for each leader epoch with some.
func acceptances(s *metadata.State, topic string, partition int32, operator string) (list []*metadatapb.AcceptLoss) {
	t, _ := s.TopicByName(topic)
	if partition < 0 || int(partition) >= len(t.Streams) {
		return nil
	}
	st, _ := s.Stream(t.Streams[partition])
	for _, h := range st.Holes {
		if h.Accepted {
			continue
		}
		if n := len(list); n == 0 || list[n-1].LeaderEpoch != h.LeaderEpoch {
			list = append(list, &metadatapb.AcceptLoss{Stream: st.ID, LeaderEpoch: h.LeaderEpoch, Operator: operator})
		}
		if h.To != metadata.Open {
			continue
		}
		cmd := list[len(list)-1]
		if at := h.From + mostOffsets(lostBytes(s, h)); at > cmd.NextStart {
			cmd.NextStart = at
		}
		if to := metadata.Place(s.SeatsFor(t.ID), 1); len(to) == 1 {
			cmd.To = &to[0]
		}
	}
	return list
}

// lostBytes is how many bytes of a WAL what a hole lost may have been in: those that were copied from there, or all.
func lostBytes(s *metadata.State, h metadata.Hole) uint64 {
	w, _ := s.WAL(h.WAL)
	if size, _, ok := s.Object(h.Quarantine); ok && !h.Quarantine.IsZero() {
		return min(size, w.Capacity)
	}
	return w.Capacity
}

// mostOffsets is the most offsets that so many bytes of a WAL can have covered: a batch has a header at least, and its
// records are packed in any way.
func mostOffsets(bytes uint64) int64 { return int64(bytes/batch.HeaderSize+1) * math.MaxInt32 }

// Abandon gives up a WAL whose volume is lost for good. It must have a recoverer, which has found no way to read it.
func (o Operator) Abandon(sc *host.Scope, id metadata.UUID) (Abandoned, error) {
	var a Abandoned
	var w metadata.WAL
	var known bool
	o.Meta.Read(func(s *metadata.State) { w, known = s.WAL(id) })
	switch {
	case !known || w.State == metadatapb.WalState_WAL_STATE_RELEASED:
		return a, fmt.Errorf("%w: %s", ErrNoSuchWAL, id)
	case w.State != metadatapb.WalState_WAL_STATE_RECOVERING || w.Resumed:
		return a, fmt.Errorf("node: broker %d is using WAL %s: it is not lost", w.Holder, id)
	case !w.Held:
		return a, fmt.Errorf("node: nobody recovers WAL %s yet; a live broker is needed for that", id)
	}
	err := giveUpWAL(sc, o.Meta, w, &a)
	return a, err
}
