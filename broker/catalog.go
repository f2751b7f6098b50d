package broker

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// catalog is the stream engine's view of metadata: it looks up in the state and proposes commands in the
// name of this broker's epoch and its WAL's generation.
type catalog struct {
	meta    metadata.Service
	cluster metadata.UUID
	broker  int32
	epoch   int64
	walID   wal.UUID
	walGen  int64
	keys    *keyring
}

var _ stream.Catalog = (*catalog)(nil)

// newCatalog is that of a WAL which this broker holds at a generation.
func (b *Broker) newCatalog(id wal.UUID, generation int64) *catalog {
	return &catalog{meta: b.meta, cluster: b.cluster, broker: b.cfg.NodeID, epoch: b.epoch,
		walID: id, walGen: generation, keys: &b.keys}
}

func (c *catalog) object(seq uint64) metadata.ObjectID {
	return metadata.ObjectID{Broker: c.broker, Epoch: c.epoch, Seq: seq}
}

// NextKey implements stream.Catalog.
func (c *catalog) NextKey() (uint64, string) {
	seq := c.keys.take(c)
	return seq, c.object(seq).Key(c.cluster)
}

// Lookup implements stream.Catalog.
func (c *catalog) Lookup(id stream.ID, from int64) (stream.Location, error) {
	var loc stream.Location
	err := stream.ErrNoObject
	c.meta.Read(func(s *metadata.State) {
		st, known := s.Stream(uint64(id))
		if !known {
			err = stream.ErrGone
			return
		}
		loc.LogStart = st.LogStart
		from = max(from, st.LogStart)
		if cov, ok := s.Covering(uint64(id), from); ok {
			loc = c.location(st.LogStart, cov)
			err = nil
		}
		for _, h := range st.Holes {
			if h.Accepted && h.From <= from && from < h.To && (err != nil || loc.Start >= h.To) {
				loc.Gap, loc.Start, err = true, max(h.To, loc.Start), nil
			}
		}
	})
	return loc, err
}

func (c *catalog) location(logStart int64, cov metadata.Coverage) stream.Location {
	return stream.Location{
		Key: cov.Object.Key(c.cluster), Size: int64(cov.Size), Epoch: stream.Epoch(cov.LeaderEpoch),
		Start: cov.Start, End: cov.End, MaxTimestamp: cov.MaxTimestamp, LogStart: logStart,
	}
}

// Checkpoint implements stream.Catalog.
func (c *catalog) Checkpoint(id stream.ID, upTo int64) (stream.Location, error) {
	var loc stream.Location
	err := stream.ErrNoObject
	c.meta.Read(func(s *metadata.State) {
		st, known := s.Stream(uint64(id))
		if !known {
			err = stream.ErrGone
			return
		}
		for i := len(st.Ranges) - 1; i >= 0; i-- {
			r := &st.Ranges[i]
			if r.Checkpoint.IsZero() || r.CheckpointAt > upTo {
				continue
			}
			size, _, ok := s.Object(r.Checkpoint)
			if !ok {
				continue
			}
			loc = stream.Location{
				Key: r.Checkpoint.Key(c.cluster), Size: int64(size), Epoch: stream.Epoch(r.LeaderEpoch),
				Start: r.CheckpointAt, End: r.CheckpointAt, LogStart: st.LogStart,
			}
			err = nil
			return
		}
	})
	return loc, err
}

// Commit implements stream.Catalog.
func (c *catalog) Commit(sc *host.Scope, com stream.Commit) ([]stream.Verdict, error) {
	cmd := &metadatapb.CommitObject{
		Broker: c.broker, Epoch: c.epoch, Wal: c.walID[:], Generation: c.walGen,
		Seq: com.Seq, Size: uint64(com.Size), Crc: com.CRC, WalTrim: uint64(com.Trim), Durable: uint64(com.Durable),
	}
	for _, e := range com.Entries {
		cmd.Entries = append(cmd.Entries, &metadatapb.CommitEntry{
			Stream: uint64(e.ID), LeaderEpoch: int32(e.Epoch), Start: e.Start, End: e.End,
			MaxTimestamp: e.MaxTimestamp, Checkpoint: true,
		})
	}
	res, err := c.propose(sc, "commit object "+com.Key, metadata.NewCommand(cmd))
	if err != nil {
		return nil, err
	}
	verdicts := make([]stream.Verdict, 0, len(com.Entries))
	for _, v := range res.GetCommit().GetVerdicts() {
		verdicts = append(verdicts, verdictOf(v))
	}
	if len(verdicts) != len(com.Entries) {
		return nil, fmt.Errorf("broker: commit of %d entries was answered with %d verdicts", len(com.Entries), len(verdicts))
	}
	return verdicts, c.settle(sc, com.Seq)
}

func verdictOf(v metadatapb.Verdict) stream.Verdict {
	switch v {
	case metadatapb.Verdict_VERDICT_ACCEPTED:
		return stream.Accepted
	case metadatapb.Verdict_VERDICT_ALREADY:
		return stream.Already
	case metadatapb.Verdict_VERDICT_GONE:
		probe.Hit(probe.BrokerCommitGone)
		return stream.Gone
	default:
		return stream.Refused
	}
}

// GiveUp implements stream.Catalog.
func (c *catalog) GiveUp(sc *host.Scope, seq uint64) error { return c.raise(sc, c.keys.giveUp(seq)) }

// settle notes that the key of seq is referred to.
func (c *catalog) settle(sc *host.Scope, seq uint64) error { return c.raise(sc, c.keys.settle(seq)) }

// raise has the low sequence raised, if it is not 0.
func (c *catalog) raise(sc *host.Scope, low uint64) error {
	if low == 0 {
		return nil
	}
	cmd := &metadatapb.RaiseLow{Broker: c.broker, Epoch: c.epoch, Seq: low}
	_, err := c.propose(sc, "raise the low sequence", metadata.NewCommand(cmd))
	if err == nil {
		c.keys.raised(low)
	}
	return err
}

// Trim implements stream.Catalog.
func (c *catalog) Trim(sc *host.Scope, id stream.ID, epoch stream.Epoch, offset int64) (int64, error) {
	leaderEpoch := int32(epoch)
	cmd := &metadatapb.TrimStream{Stream: uint64(id), LeaderEpoch: &leaderEpoch, Offset: offset}
	res, err := c.propose(sc, "trim a stream", metadata.NewCommand(cmd))
	if err != nil {
		return 0, err
	}
	return res.GetTrim().GetLogStart(), nil
}

// MarkHole implements stream.Catalog.
func (c *catalog) MarkHole(sc *host.Scope, hole stream.HoleError) error {
	cmd := &metadatapb.MarkHole{
		Wal: c.walID[:], Generation: c.walGen, Stream: uint64(hole.ID), LeaderEpoch: int32(hole.Epoch),
		From: hole.From, To: hole.To, Why: hole.Why,
	}
	_, err := c.propose(sc, "mark a hole", metadata.NewCommand(cmd))
	return err
}

// propose gets cmd applied. A refusal that says this broker's epoch or WAL is another's wraps
// stream.ErrFenced.
func (c *catalog) propose(sc *host.Scope, doing string, cmd *metadatapb.Command) (*metadatapb.Result, error) {
	res, err := c.meta.Propose(sc, cmd)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		return nil, refusedError(doing, res)
	}
	return res, nil
}

// ErrRefused is wrapped by errors that say the controller refused a command of this broker.
var ErrRefused = errors.New("broker: the controller refused")

// refusedError says what was refused and why.
func refusedError(doing string, res *metadatapb.Result) error {
	probe.Hit(probe.BrokerCommandRefused)
	kind := ErrRefused
	switch res.GetRefusal() {
	case metadatapb.Refusal_REFUSAL_FENCED, metadatapb.Refusal_REFUSAL_NOT_HOLDER,
		metadatapb.Refusal_REFUSAL_GENERATION, metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER:
		kind = stream.ErrFenced
	}
	return fmt.Errorf("%s: %w: %s (%s)", doing, kind, res.GetDetail(), res.GetRefusal())
}
