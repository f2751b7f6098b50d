package fsck

import (
	"fmt"

	"github.com/weirmq/weir/metadata"
)

// Names of volumes and files; docs/format tells them.
const (
	volumeMeta = "meta"
	volumeNode = "node"
	volumeWAL  = "wal"
	raftFile   = "raft.wal"
	raftBirth  = "raft.wal.new"
)

const doMeta = "restore the volume from a copy that was made while the server was stopped, together with the bucket " +
	"of that time"

// readMeta reads the metadata log of a node. It has one if m.log is set then, one that can be believed.
func (c *checker) readMeta(m *member) {
	if !has(m.Meta, raftFile) {
		if m.Meta != nil && has(m.Meta, raftBirth) {
			c.note(Finding{Kind: Pending, Where: m.place(volumeMeta) + "/" + raftBirth,
				What: "the node's first start did not finish"})
		}
		return
	}
	m.has = true
	w := c.openWAL(m.Meta, m.place(volumeMeta), raftFile)
	if w == nil {
		return
	}
	m.wal = w
	l := &raftLog{}
	var bad error
	var badAt uint64
	ok := c.scanWAL(w, 0, func(e *entry) {
		if bad != nil {
			return
		}
		if bad = c.addRecord(l, e); bad != nil {
			badAt = e.frame
		}
	})
	c.report.Counts.MetaFrames += w.scan.frames
	c.frameDamage(w, doMeta, func(*damage) string { return "; the metadata behind it is not believed" })
	if !ok || len(w.scan.damages) > 0 {
		return
	}
	if bad != nil {
		c.find(Finding{Kind: RaftLog, Where: fmt.Sprintf("%s position %d", w.where, badAt), What: bad.Error(),
			Do: doMeta})
		return
	}
	if c.o.Stopped && (!w.super.clean || w.super.cleanEnd != w.scan.pos) {
		c.find(Finding{Kind: Undischarge, Where: w.where, What: "the metadata log has no clean mark at its end"})
	}
	if !l.seen {
		c.note(Finding{Kind: Pending, Where: w.where,
			What: "the metadata log is empty: the node's first start did not finish"})
		return
	}
	if len(l.voters) == 0 && !l.member {
		c.find(Finding{Kind: RaftLog, Where: w.where, What: "it has no membership", Do: doMeta})
		return
	}
	if len(l.voters) == 0 && l.last() == 0 && l.snap == nil {
		c.note(Finding{Kind: Pending, Where: w.where, What: "the member has not joined its cluster yet"})
		return
	}
	m.log = l
}

func (c *checker) addRecord(l *raftLog, e *entry) error {
	if e.kind != kindData || e.stream != raftStreamBatch && e.stream != raftStreamOther {
		return fmt.Errorf("an entry of stream %d, kind %d, is no record of the metadata log", e.stream, e.kind)
	}
	x, err := decodeRaft(e.data)
	if err != nil {
		return err
	}
	if n := len(x.entries); e.stream == raftStreamOther && n > 0 ||
		e.stream == raftStreamBatch && (n == 0 || e.base != int64(x.entries[0].index) || int(e.count) != n) {
		return fmt.Errorf("a record of kind %d with %d entries stands in stream %d at %d", x.kind, n, e.stream,
			e.base)
	}
	return l.add(x, e.frame)
}

// applyMeta applies the log, from where the last check with this cache ended if that is possible.
func (c *checker) applyMeta(w *walFile, l *raftLog) *metadata.State {
	fail := func(kind Kind, err error) *metadata.State {
		c.find(Finding{Kind: kind, Where: w.where, What: err.Error(), Do: doMeta})
		return nil
	}
	state := c.cached(w, l)
	c.cache.meta = nil // apply changes it
	state, err := l.apply(state, func(s *metadata.State, e raftEntry) error {
		c.report.Counts.MetaEntries++
		return applyEntry(s, e)
	})
	if err != nil {
		return fail(RaftLog, err)
	}
	index, _ := state.Index()
	c.report.Index = index
	if index > l.base && index <= l.last() {
		e := &l.entries[index-l.base-1]
		if sum, ok := w.headerSum(e.at); ok {
			c.cache.meta = &applied{state: state, uuid: w.super.uuid, at: e.at, chain: sum}
		}
	}
	if err := state.Check(); err != nil {
		return fail(State, err)
	}
	cluster, _ := state.Cluster()
	if !cluster.IsZero() {
		c.report.Cluster = cluster.String()
	}
	if !cluster.IsZero() && cluster != w.super.cluster {
		return fail(State, fmt.Errorf("the metadata is of cluster %s, its log of cluster %s", cluster,
			w.super.cluster))
	}
	return state
}

// cached returns the state of an earlier check if this log holds the very entry that it ended with.
func (c *checker) cached(w *walFile, l *raftLog) *metadata.State {
	m := c.cache.meta
	if m == nil || m.uuid != w.super.uuid {
		return nil
	}
	index, _ := m.state.Index()
	if index <= l.base || index > l.upTo() || l.entries[index-l.base-1].at != m.at {
		return nil
	}
	if sum, ok := w.headerSum(m.at); !ok || sum != m.chain {
		return nil
	}
	return m.state
}

// headerSum is the checksum in the header of the frame at pos, which names it and all before it.
func (w *walFile) headerSum(pos uint64) (uint32, bool) {
	b, err := w.ring.view(pos, frameHeader)
	if err != nil {
		return 0, false
	}
	f, err := decodeFrame(b)
	return f.crc, err == nil
}

// checkIdentity holds a node's identity file against the metadata.
func (c *checker) checkIdentity(m *member) {
	if m.Node.Node == nil || !has(m.Node.Node, identityFile) {
		return // written last at the first start
	}
	where := m.place(volumeNode) + "/" + identityFile
	b, err := m.Node.Node.Read(identityFile)
	var id identity
	if err == nil {
		id, err = decodeIdentity(b)
	}
	if err != nil {
		c.find(Finding{Kind: Identity, Where: where, What: err.Error(),
			Do: "restore the file from a copy; its lines name what it must say"})
		return
	}
	cluster, _ := c.clusterID()
	var disk metadata.UUID // of the metadata log's volume
	if m.wal != nil {
		disk = m.wal.super.volume
	}
	switch {
	case c.state == nil:
		if !m.has && c.volumes == nil {
			c.find(Finding{Kind: Identity, Where: where, Do: "restore the volume " + volumeMeta,
				What: fmt.Sprintf("the node belongs to cluster %s, and there is no metadata", id.cluster)})
		}
	case id.cluster != cluster || m.wal != nil && id.disk != disk:
		c.find(Finding{Kind: Identity, Where: where, Do: "attach the volumes that belong together",
			What: fmt.Sprintf("it names cluster %s and disk %s, the metadata is of cluster %s on disk %s",
				id.cluster, id.disk, cluster, disk)})
	default:
		if b, ok := c.state.Broker(id.node); ok && b.Disk != id.disk {
			c.find(Finding{Kind: Identity, Where: where, Do: "attach the volumes that belong together",
				What: fmt.Sprintf("node %d is registered with disk %s, this is disk %s", id.node, b.Disk, id.disk)})
		}
	}
}

func (c *checker) clusterID() (metadata.UUID, bool) {
	if c.state == nil {
		return metadata.UUID{}, false
	}
	id, _ := c.state.Cluster()
	return id, !id.IsZero()
}
