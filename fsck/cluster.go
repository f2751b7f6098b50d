package fsck

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weirmq/weir/metadata"
)

// Node is what lies on the disks of one node of a cluster.
type Node struct {
	Name string // for people
	Meta Image  // the volume "meta": of controllers
	Node Image  // the volume "node" with the identity file; nil if it is not to be looked at
}

// Cluster is what the nodes of a cluster left. A node that is lost may be left out, as long as the logs of most
// controllers are there: what the others knew may be newer.
type Cluster struct {
	Nodes []Node
	// Volume returns the volume of WALs of that id, nil for one that is not there.
	Volume func(id metadata.UUID) Image
}

// CheckCluster is [Check] for the nodes of a cluster, their volumes and their bucket. It holds the logs of the
// controllers against each other, and all the rest against what the next of them to lead would have.
func CheckCluster(x Cluster, bucket Bucket, o Options) *Report {
	c := newChecker(bucket, o)
	for i := range x.Nodes {
		c.nodes = append(c.nodes, &member{Node: x.Nodes[i]})
	}
	c.volumes = x.Volume
	c.run()
	return c.report
}

// member is a node with its metadata log.
type member struct {
	Node
	has bool     // there is a log
	wal *walFile // its file, nil if it cannot be believed
	log *raftLog // nil if it says nothing, or nothing that can be believed
}

// place names a volume of the node.
func (m *member) place(volume string) string {
	if m.Name == "" {
		return volume
	}
	return m.Name + "/" + volume
}

// volumeOf returns the volume on which a WAL lies, and its name.
func (c *checker) volumeOf(m *metadata.WAL) (Image, string) {
	if c.volumes == nil {
		return c.wal, volumeWAL
	}
	return c.volumes(m.Volume), "cluster/" + m.Volume.String()
}

// loadMeta reads the metadata logs and brings the state at the end of the newest; nil if there is none.
func (c *checker) loadMeta() *metadata.State {
	var logs []*member
	for _, m := range c.nodes {
		c.readMeta(m)
		if m.wal != nil {
			defer m.wal.file.close()
		}
		if m.log != nil {
			logs = append(logs, m)
		}
	}
	if len(logs) == 0 {
		return nil
	}
	newest := slices.MaxFunc(logs, func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.log.lastTerm(), b.log.lastTerm()), cmp.Compare(a.log.last(), b.log.last()))
	})
	for _, m := range logs {
		c.agree(newest, m)
	}
	newest.log.agreed = newest.log.settled(logs)
	return c.applyMeta(newest.wal, newest.log)
}

// agree holds what a controller knows committed against the newest log, which has all of it if it is to lead.
func (c *checker) agree(newest, m *member) {
	known := min(m.log.commit, m.log.last())
	bad := func(format string, args ...any) {
		c.find(Finding{Kind: RaftLog, Where: m.wal.where, What: fmt.Sprintf(format, args...), Do: doMeta})
	}
	if known > newest.log.last() {
		bad("entry %d is committed, and the log of %s, whose term is the newest, ends at %d", known, newest.Name,
			newest.log.last())
		return
	}
	for i := max(m.log.base, newest.log.base) + 1; i <= known; i++ {
		a, b := &m.log.entries[i-m.log.base-1], &newest.log.entries[i-newest.log.base-1]
		if a.term != b.term || crc(a.data) != crc(b.data) {
			bad("entry %d, which is committed, has term %d and %d bytes, and in the log of %s term %d and %d bytes", i,
				a.term, len(a.data), newest.Name, b.term, len(b.data))
			return
		}
	}
}

// lastTerm is the term of the last entry.
func (l *raftLog) lastTerm() uint64 {
	if n := len(l.entries); n > 0 {
		return l.entries[n-1].term
	}
	return l.snapTerm
}

// settled returns up to where the entries of l count, going by all logs: what any of them knows committed, and what
// most voters have, or may have: a log that is not there counts.
func (l *raftLog) settled(logs []*member) uint64 {
	at := l.base
	for _, m := range logs {
		at = max(at, min(m.log.commit, l.last()))
	}
	for ; at < l.last(); at++ {
		have := max(0, len(l.voters)-len(logs))
		for _, m := range logs {
			if m.log.holds(at+1, l.entries[at-l.base].term) {
				have++
			}
		}
		if have <= len(l.voters)/2 {
			break
		}
	}
	return at
}

// holds tells whether the log has an entry of that term.
func (l *raftLog) holds(index, term uint64) bool {
	return index <= l.base || index <= l.last() && l.entries[index-l.base-1].term == term
}
