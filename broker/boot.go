package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// boot brings the broker from nothing to all partitions open, in the order of PROTOCOL §3 "restart":
//
//	Register with proof → fence word → read metadata → scan → sync → MarkHole, SealRecovered → state
//	records → serve
//
// The lock on the data directory, which the node holds, is the proof that the last run is dead (rule 8).
func (b *Broker) boot(sc *host.Scope) error {
	if err := b.syncMetadata(sc); err != nil {
		return err
	}
	b.meta.Read(func(s *metadata.State) { b.cluster, _ = s.Cluster() })
	held, err := b.register(sc)
	if err != nil {
		return err
	}
	b.startSession() // before anything that takes long
	if b.cfg.Cluster == nil {
		if b.home, err = b.attach(sc, walVolume); err != nil {
			return err
		}
	}
	if held, err = b.releaseUnfit(sc, held); err != nil {
		return err
	}
	if len(held) == 0 {
		fresh, err := b.createWAL(sc)
		if err != nil {
			return err
		}
		held = append(held, fresh)
	}
	if len(held) > 1 && b.cfg.Cluster == nil {
		return fmt.Errorf("broker %d holds %d WALs, %s among them; one is expected", b.cfg.NodeID, len(held), held[0].ID)
	}
	own := b.newest(held)
	vol, err := b.ownVolume(sc, own)
	if err != nil {
		return err
	}
	rec, err := b.openWAL(sc, vol, own)
	if err != nil {
		return err
	}
	if err := b.recoverStreams(sc, rec); err != nil {
		return err
	}
	if b.cfg.Cluster == nil { // else whoever leads the controllers finds them an owner
		if err := b.reopenRanges(sc); err != nil {
			return err
		}
	}
	b.engine.Start(b.root)
	b.holdOwn()
	b.moving.up.Store(true) // before any partition opens: others may open from what this WAL owes
	// What holes left in the WAL may pin all of it, and the partitions that are opened next need room there.
	b.work.Go("broker.quarantine", b.quarantineLoop)
	b.startRecoveries()
	b.reportOffline()
	return b.followOnce(sc, 0)
}

// reportOffline says at each start which partitions stay offline, and why.
func (b *Broker) reportOffline() {
	var list []seenTopic
	b.meta.Read(func(s *metadata.State) { list = seeTopics(s) })
	for i := range list {
		for p, why := range list[i].why {
			if why != "" {
				b.h.Log().Error("a partition is offline", "topic", list[i].Name, "partition", p, "why", why)
			}
		}
	}
}

// walFile is where the ring of a WAL lies on its volume.
func walFile(id metadata.UUID) string { return "ring-" + id.String() }

// releaseUnfit lets go of WALs that were never opened and are not as large as this start asks for: an earlier one found
// no room for its own. Nothing was ever written to them.
func (b *Broker) releaseUnfit(sc *host.Scope, held []metadata.WAL) ([]metadata.WAL, error) {
	var fit []metadata.WAL
	for _, w := range held {
		if w.State != metadatapb.WalState_WAL_STATE_FRESH || w.Capacity == uint64(b.cfg.WALCapacity) {
			fit = append(fit, w)
			continue
		}
		if _, err := b.removeWAL(sc, w); err != nil { // as its holder still (rule 9)
			return nil, fmt.Errorf("remove a WAL that was never opened: %w", err)
		}
		cmd := &metadatapb.ReleaseWal{Wal: w.ID[:], Generation: w.Generation}
		if _, err := b.proposeBoot(sc, "release a WAL that was never opened", cmd); err != nil {
			return nil, err
		}
	}
	return fit, nil
}

// createWAL records a new WAL as fresh; openWAL formats its file.
func (b *Broker) createWAL(sc *host.Scope) (metadata.WAL, error) {
	cmd := &metadatapb.CreateWal{Broker: b.cfg.NodeID, Epoch: b.epoch, Wal: b.newID(), Volume: b.newID(),
		Capacity: uint64(b.cfg.WALCapacity)}
	if _, err := b.proposeBoot(sc, "create a WAL", cmd); err != nil {
		return metadata.WAL{}, err
	}
	var w metadata.WAL
	b.meta.Read(func(s *metadata.State) { w, _ = s.WAL(metadata.UUID(cmd.Wal)) })
	return w, nil
}

// openWAL takes the volume's fence, formats a fresh WAL, and scans (rules 7, 10, 18).
func (b *Broker) openWAL(sc *host.Scope, vol host.Volume, w metadata.WAL) (*wal.Recovery, error) {
	b.walID, b.walGen = wal.UUID(w.ID), w.Generation
	var err error
	if b.fence, err = wal.TakeFence(b.h, vol, walFile(w.ID)+".fence", b.walID, w.Generation); err != nil {
		return nil, fmt.Errorf("take the fence of WAL %s: %w", w.ID, err)
	}
	cfg := wal.Config{Capacity: int64(w.Capacity), Slabs: b.cfg.Slabs, Fence: b.fence.Check,
		Dead: b.walDied, Heads: batch.HeaderSize, Lease: b.awaitLease()}
	if w.State == metadatapb.WalState_WAL_STATE_FRESH {
		id := wal.Identity{Cluster: wal.UUID(b.cluster), Volume: wal.UUID(w.Volume), WAL: b.walID,
			Broker: b.cfg.NodeID, BrokerEpoch: b.epoch, Generation: w.Generation}
		if err := wal.Format(sc, b.h, vol, walFile(w.ID), cfg, id); err != nil {
			return nil, err
		}
		open := &metadatapb.OpenWal{Broker: b.cfg.NodeID, Epoch: b.epoch, Wal: w.ID[:]}
		if _, err := b.proposeBoot(sc, "open the WAL", open); err != nil {
			return nil, err
		}
	}
	log, rec, err := wal.Open(b.root, b.h, vol, walFile(w.ID), cfg, wal.Expect{
		Cluster: wal.UUID(b.cluster), Volume: wal.UUID(w.Volume), WAL: b.walID, Broker: b.cfg.NodeID,
		BrokerEpoch: b.epoch, Generation: w.Generation, Durable: wal.Position(w.Durable), Opened: b.openedAt(w.ID),
	})
	if err != nil {
		return nil, b.explainWAL(w, err)
	}
	b.log = log
	b.vital.Store(log)
	return rec, nil
}

// openedAt is the highest generation that is known to have written a WAL, 0 if none is: its volume carries that
// generation, or it is a copy from before (rule 10). Alone, who opens a range has opened the WAL before; in a cluster
// others may have ranges opened on it sooner, so that only what was committed of one shows that it was written.
func (b *Broker) openedAt(id metadata.UUID) (generation int64) {
	b.meta.Read(func(s *metadata.State) {
		for _, streamID := range s.StreamsOn(id) {
			st, _ := s.Stream(streamID)
			for _, r := range st.Ranges {
				written := b.cfg.Cluster == nil || r.Committed > r.Start || !r.Checkpoint.IsZero()
				if r.WAL == id && written {
					generation = max(generation, r.Generation)
				}
			}
		}
	})
	return generation
}

// explainWAL adds to a refused WAL the command that gives it up.
func (b *Broker) explainWAL(w metadata.WAL, err error) error {
	for _, kind := range []error{wal.ErrMissing, wal.ErrBlank, wal.ErrForeign, wal.ErrGeneration, wal.ErrSuperblock} {
		if errors.Is(err, kind) {
			return fmt.Errorf("%w; metadata says WAL %s is open. If the volume cannot be brought back, give the WAL up with: "+
				"weir recover --abandon-wal %s%s (records that only it held stay offline)", err, w.ID, w.ID, b.dataFlag())
		}
	}
	return err
}

// dataFlag is what a command about this data needs besides, or "".
func (b *Broker) dataFlag() string {
	if b.cfg.Cluster != nil {
		return " --cluster ADDRESS-OF-A-CONTROLLER"
	}
	if b.cfg.DataLabel == "" {
		return ""
	}
	return " --data " + b.cfg.DataLabel
}

// recoverStreams makes what the scan found readable, records holes, and seals the ranges that were open.
func (b *Broker) recoverStreams(sc *host.Scope, rec *wal.Recovery) error {
	b.catalog = b.newCatalog(b.walID, b.walGen)
	b.engine = stream.NewEngine(b.h, b.streamConfig(), b.log, b.store, b.catalog)
	b.cfg.Slabs.Pressure = func() { b.engine.Evict() }
	var ranges []stream.RangeInfo
	b.meta.Read(func(s *metadata.State) { ranges = rangesOn(s, metadata.UUID(b.walID)) })
	if mutant.On(mutant.OpenBeforeReplay) {
		rec.Entries = nil
	}
	found, err := b.engine.Recover(rec, ranges)
	if err != nil {
		return err
	}
	b.noteRecovery(rec)
	return b.sealRecovered(sc, ranges, found)
}

// streamConfig is what the engine of each WAL that this broker holds is told.
func (b *Broker) streamConfig() stream.Config {
	cfg := b.cfg.Stream
	cfg.NewShadow, cfg.Fatal = b.newShadow, b.fail
	if b.cfg.Cluster != nil {
		cfg.Owed = b.readOwed
	}
	cfg.Writer = b.writerID()
	return cfg
}

// rangesOn lists what metadata knows of the ranges whose records may lie in a WAL. Those of its current generation are
// not among them: they wait for its holder to open them, and may have been given to it while it was starting.
func rangesOn(s *metadata.State, id metadata.UUID) []stream.RangeInfo {
	var out []stream.RangeInfo
	w, _ := s.WAL(id)
	for _, streamID := range s.StreamsOn(id) {
		st, _ := s.Stream(streamID)
		for _, r := range st.Ranges {
			if r.WAL == id && r.Generation < w.Generation {
				out = append(out, stream.RangeInfo{
					ID: stream.ID(streamID), Epoch: stream.Epoch(r.LeaderEpoch), Start: r.Start, End: r.End,
					Committed: r.Committed, LogStart: st.LogStart, Checkpointed: !r.Checkpoint.IsZero(),
				})
			}
		}
	}
	return out
}

// sealBatch bounds the entries of one SealRecovered command.
const sealBatch = 1000

// sealRecovered closes the open ranges of the WAL at their recovered ends and opens the next ones here.
func (b *Broker) sealRecovered(sc *host.Scope, ranges []stream.RangeInfo, found []stream.Recovered) error {
	open := map[stream.ID]stream.Epoch{}
	for _, r := range ranges {
		if r.End == stream.Open {
			open[r.ID] = r.Epoch
		}
	}
	var entries []*metadatapb.SealEntry
	for i := range found {
		f := &found[i]
		if f.Hole != nil {
			probe.Hit(probe.BrokerBootHole)
			if err := b.markHole(sc, *f.Hole); err != nil {
				return err
			}
			b.h.Log().Error("a range is offline", "stream", uint64(f.ID), "epoch", int32(f.Epoch), "why", f.Hole.Error())
			continue
		}
		if epoch, ok := open[f.ID]; ok && epoch == f.Epoch {
			b.dawdle(sc, "broker.boot.between")
			to := b.cfg.NodeID
			entries = append(entries, &metadatapb.SealEntry{
				Stream: uint64(f.ID), LeaderEpoch: int32(f.Epoch), End: f.End, To: &to,
			})
		}
	}
	for len(entries) > 0 {
		n := min(len(entries), b.atMost(sealBatch, "broker.boot.seal"))
		cmd := &metadatapb.SealRecovered{Wal: b.walID[:], Generation: b.walGen, Entries: entries[:n]}
		if _, err := b.proposeBoot(sc, "seal the recovered ranges", cmd); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// markHole records a hole, however long that takes, unless it is refused.
func (b *Broker) markHole(sc *host.Scope, hole stream.HoleError) (err error) {
	unanswered := b.patiently(sc, "mark a hole", func() error {
		if err = b.catalog.MarkHole(sc, hole); errors.Is(err, ErrRefused) || errors.Is(err, stream.ErrFenced) {
			return nil
		}
		return err
	})
	if unanswered != nil {
		return unanswered
	}
	return err
}

// reopenRanges opens a range for every partition that a clean stop left without owner.
func (b *Broker) reopenRanges(sc *host.Scope) error {
	var cmds []*metadatapb.OpenRange
	b.meta.Read(func(s *metadata.State) {
		for _, t := range s.Topics() {
			for p := range t.Streams {
				v, ok := s.Partition(t.ID, int32(p))
				if ok && v.End != metadata.Open && !v.Holed && !v.Deleting {
					cmds = append(cmds, &metadatapb.OpenRange{Stream: v.Stream, AfterEpoch: v.LeaderEpoch, To: b.cfg.NodeID})
				}
			}
		}
	})
	return b.each(sc, len(cmds), func(sc *host.Scope, i int) error {
		_, err := b.proposeBoot(sc, "reopen a partition", cmds[i])
		return err
	})
}

// each runs fn for 0..n-1, many at a time, and returns the first error.
func (b *Broker) each(sc *host.Scope, n int, fn func(*host.Scope, int) error) error {
	for from := 0; from < n; from += openingTasks {
		g := host.NewGroup(b.h, sc)
		for i := from; i < min(n, from+openingTasks); i++ {
			g.Go("broker.each", func(sc *host.Scope) error { return fn(sc, i) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// writerID stamps every object with who wrote it.
func (b *Broker) writerID() stream.WriterID {
	var id stream.WriterID
	copy(id[:16], b.cluster[:])
	binary.BigEndian.PutUint32(id[16:], uint32(b.cfg.NodeID))
	binary.BigEndian.PutUint64(id[20:], uint64(b.epoch))
	return id
}

// endpoint is what clients are told, given where the listener is bound.
func (b *Broker) endpoint(bound string) (metadata.Endpoint, error) {
	e := metadata.Endpoint{Listener: "PLAINTEXT", Host: b.cfg.AdvertiseHost, Port: b.cfg.AdvertisePort}
	i := strings.LastIndexByte(bound, ':')
	if i < 0 {
		return e, fmt.Errorf("the listener is bound to %q, which has no port", bound)
	}
	if e.Host == "" {
		e.Host = strings.Trim(bound[:i], "[]")
	}
	if e.Port == 0 {
		port, err := strconv.ParseUint(bound[i+1:], 10, 16)
		if err != nil {
			return e, fmt.Errorf("the listener is bound to %q: %w", bound, err)
		}
		e.Port = int32(port)
	}
	return e, nil
}

// announce records where clients reach this broker.
func (b *Broker) announce(sc *host.Scope) error {
	cmd := &metadatapb.SetEndpoint{Broker: b.cfg.NodeID, Epoch: b.epoch, Endpoints: []*metadatapb.Endpoint{
		{Listener: b.advertised.Listener, Host: b.advertised.Host, Port: b.advertised.Port}}}
	_, err := b.proposeBoot(sc, "announce the listener", cmd)
	return err
}
