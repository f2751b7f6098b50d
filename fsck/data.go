package fsck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

func ringFile(id metadata.UUID) string  { return "ring-" + id.String() }
func fenceFile(id metadata.UUID) string { return ringFile(id) + ".fence" }

// checkWAL checks one WAL that metadata knows, and collects what it holds.
func (c *checker) checkWAL(m *metadata.WAL) {
	img, volume := c.volumeOf(m)
	there := has(img, ringFile(m.ID))
	where := volume + "/" + ringFile(m.ID)
	switch {
	case m.State == metadatapb.WalState_WAL_STATE_RELEASED || m.Lost:
		if there {
			c.note(Finding{Kind: Pending, Where: where,
				What: "metadata has let go of this WAL; its file may be deleted"})
		}
		return
	case m.State == metadatapb.WalState_WAL_STATE_FRESH:
		c.note(Finding{Kind: Pending, Where: where,
			What: "the WAL was created and not opened: nothing was written to it"})
		return
	case !there:
		c.find(Finding{Kind: Superblock, Where: where,
			What: "metadata says that this WAL holds records, and its file is missing",
			Do:   doVolume})
		c.wals[m.ID] = true
		return
	}
	w := c.openWAL(img, volume, ringFile(m.ID))
	if w == nil {
		c.wals[m.ID] = true
		return
	}
	defer w.file.close()
	c.checkSuper(w, m)
	c.checkFence(m, w)
	c.mark(m.ID)
	if !c.scanWAL(w, m.Durable, func(e *entry) { c.takeEntry(w, m, e) }) {
		return
	}
	c.report.Counts.Frames += w.scan.frames
	c.report.Counts.RingBytes += int64(w.scan.pos - w.super.trim)
	if len(w.scan.damages) > 0 {
		for _, s := range c.order {
			for i := range s.ranges {
				s.ranges[i].damaged = s.ranges[i].damaged || s.ranges[i].WAL == m.ID
			}
		}
	}
	c.frameDamage(w, doFrame, func(d *damage) string { return c.whoIsHit(m.ID, d) })
	c.checkStopped(w, m)
}

// mark notes that a WAL is read: its ranges are held against it.
func (c *checker) mark(id metadata.UUID) {
	for _, s := range c.order {
		for i := range s.ranges {
			s.ranges[i].scanned = s.ranges[i].scanned || s.ranges[i].WAL == id
		}
	}
}

// checkSuper holds the superblock against metadata.
func (c *checker) checkSuper(w *walFile, m *metadata.WAL) {
	sb := &w.super
	cluster, _ := c.clusterID()
	bad := func(format string, args ...any) {
		c.find(Finding{Kind: Superblock, Where: w.where, What: fmt.Sprintf(format, args...),
			Do: "attach the right volume"})
	}
	if sb.uuid != m.ID || sb.cluster != cluster || sb.volume != m.Volume || sb.broker != m.Broker ||
		sb.capacity != m.Capacity {
		bad("the superblock is of WAL %s, cluster %s, volume %s, broker %d, %d bytes; metadata says %s, %s, %s, %d, "+
			"%d",
			sb.uuid, sb.cluster, sb.volume, sb.broker, sb.capacity, m.ID, cluster, m.Volume, m.Broker, m.Capacity)
	}
	if sb.generation > m.Generation {
		bad("the superblock has generation %d, metadata %d: the metadata is an old copy", sb.generation, m.Generation)
	}
	opened := int64(0)
	for _, s := range c.order {
		for i := range s.ranges {
			r := &s.ranges[i]
			// In a cluster others open ranges on a WAL whose holder is still starting: what was committed was written.
			written := c.volumes == nil || r.Committed > r.Start || !r.Checkpoint.IsZero()
			if r.WAL == m.ID && written {
				opened = max(opened, r.Generation)
			}
		}
	}
	if sb.generation < opened {
		bad("the superblock has generation %d, and a range was opened on this WAL at generation %d: the volume is "+
			"an old copy",
			sb.generation, opened)
	}
	if b, ok := c.state.Broker(m.Broker); ok && sb.epoch > b.Epoch {
		bad("the superblock was written at broker epoch %d, metadata has issued %d: the metadata is an old copy",
			sb.epoch, b.Epoch)
	}
}

// checkFence holds the fence word against metadata.
func (c *checker) checkFence(m *metadata.WAL, w *walFile) {
	img, volume := c.volumeOf(m)
	where := volume + "/" + fenceFile(m.ID)
	bad := func(format string, args ...any) {
		c.find(Finding{Kind: Fence, Where: where, What: fmt.Sprintf(format, args...),
			Do: "start the server: it writes the word anew; look after the volume if it happens again"})
	}
	if !has(img, fenceFile(m.ID)) {
		bad("the fence word is missing, and the WAL was opened")
		return
	}
	b, err := img.Read(fenceFile(m.ID))
	if err != nil {
		bad("the fence word: %v", err)
		return
	}
	f, err := decodeFence(b)
	switch {
	case err != nil && c.o.Crashed && tornFence(b, m.ID):
		c.note(Finding{Kind: Fence, Where: where, What: "the fence word is half written: a crash while it is written " +
			"leaves this"})
	case err != nil:
		bad("the fence word: %v", err)
	case f.uuid != m.ID:
		bad("the fence word is of WAL %s", f.uuid)
	case f.generation > m.Generation:
		bad("the fence word has generation %d, metadata %d: the metadata is an old copy", f.generation, m.Generation)
	case f.generation < w.super.generation:
		bad("the fence word has generation %d, the superblock %d: it is written first", f.generation,
			w.super.generation)
	}
}

// takeEntry gives an entry of the ring to its range.
func (c *checker) takeEntry(w *walFile, m *metadata.WAL, e *entry) {
	s := c.streams[e.stream]
	if s == nil {
		if !c.state.Deleted(e.stream) {
			c.stray(w, e, fmt.Sprintf("stream %d was never created", e.stream))
		}
		return
	}
	r := s.byEpoch(e.epoch)
	if r == nil {
		if e.epoch > s.ranges[0].LeaderEpoch {
			c.stray(w, e, fmt.Sprintf("%s never had leader epoch %d", s.name(), e.epoch))
		}
		return
	}
	if r.WAL != m.ID {
		c.stray(w, e, fmt.Sprintf("%s has leader epoch %d on WAL %s", s.name(), e.epoch, r.WAL))
		return
	}
	x := *e
	x.sum = crc(e.data)
	if e.kind == kindState {
		if e.base != r.Start || e.count != 0 || r.state != nil || len(r.entries) > 0 {
			c.stray(w, e, fmt.Sprintf("a state at offset %d is not the first record of %s, leader epoch %d from %d",
				e.base, s.name(), e.epoch, r.Start))
			return
		}
		c.decodeEntryState(s, &x)
		r.state = &x
		return
	}
	if e.base < r.Start || e.count == 0 {
		c.stray(w, e, fmt.Sprintf("offset %d, %d records, lies before %s, leader epoch %d from %d",
			e.base, e.count, s.name(), e.epoch, r.Start))
		return
	}
	c.decodeEntryData(s, &x)
	r.entries = append(r.entries, x)
}

func (c *checker) stray(w *walFile, e *entry, what string) {
	c.find(Finding{Kind: Stray, Where: fmt.Sprintf("%s position %d", w.where, e.frame), What: what, Do: doBug})
}

// retain reports whether the bytes of entries are needed after they were decoded.
func (c *checker) retain() bool { return c.o.Keep || c.o.Batch != nil }

// whoIsHit names the partitions that may have lost something in d.
func (c *checker) whoIsHit(id metadata.UUID, d *damage) string {
	var list []string
	add := func(s string) {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	if d.listed {
		for i := range d.lost {
			e := &d.lost[i]
			if s := c.streams[e.stream]; s != nil && e.kind == kindData {
				add(fmt.Sprintf("%s offsets %d to %d", s.name(), e.base, e.end()))
			} else if s != nil {
				add(fmt.Sprintf("%s the state at offset %d", s.name(), e.base))
			}
		}
		if len(list) == 0 {
			return "; it held nothing that is still there"
		}
		return "; it held " + cut(list)
	}
	for _, s := range c.order {
		for i := range s.ranges {
			if r := &s.ranges[i]; r.WAL == id && (r.End == metadata.Open || r.Frontier < r.End) {
				add(fmt.Sprintf("%s from offset %d", s.name(), r.Frontier))
			}
		}
	}
	if len(list) == 0 {
		return "; nothing is owed by this WAL"
	}
	return "; it may have held records of " + cut(list)
}

// cut joins a list that may be long.
func cut(list []string) string {
	const most = 12
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}

// checkStopped holds a WAL against what an orderly stop leaves.
func (c *checker) checkStopped(w *walFile, m *metadata.WAL) {
	if !c.o.Stopped {
		return
	}
	owes := func(format string, args ...any) {
		c.find(Finding{Kind: Undischarge, Where: w.where, What: fmt.Sprintf(format, args...)})
	}
	if !w.super.clean || w.super.cleanEnd != w.scan.pos {
		owes("there is no clean mark at the end of the log")
	}
	for _, s := range c.order {
		for i := range s.ranges {
			r := &s.ranges[i]
			if r.WAL == m.ID && !c.holed(s, r) && (r.End == metadata.Open || r.Frontier < r.End) {
				owes("%s, leader epoch %d, is owed from offset %d", s.name(), r.LeaderEpoch, r.Frontier)
			}
		}
	}
}

func (c *checker) holed(s *streamCheck, r *rangeCheck) bool {
	return slices.ContainsFunc(s.meta.Holes, func(h metadata.Hole) bool { return h.LeaderEpoch == r.LeaderEpoch })
}
