package fsck

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirmq/weir/metadata"
)

// checkObjects checks every object that metadata refers to.
func (c *checker) checkObjects() {
	quarantined := map[metadata.ObjectID]bool{}
	for _, s := range c.order {
		for _, h := range s.meta.Holes {
			if !h.Quarantine.IsZero() {
				quarantined[h.Quarantine] = true
			}
		}
	}
	list := c.state.Objects()
	cluster, _ := c.clusterID()
	for i, id := range list {
		if c.o.Progress != nil {
			c.o.Progress("bucket", int64(i), int64(len(list)))
		}
		c.report.Counts.Objects++
		key := id.Key(cluster)
		size, sum, _ := c.state.Object(id)
		c.report.Counts.ObjectBytes += int64(size)
		got, there := c.keys[key]
		switch {
		case c.listed && !there:
			c.missing(id, key, "metadata refers to it, and it is not in the bucket")
		case c.listed && got != int64(size):
			c.badObject(id, key, fmt.Sprintf("it has %d bytes, metadata says %d", got, size))
		case c.o.Quick || !c.listed:
		case quarantined[id]:
			c.checkQuarantine(id, key, sum)
		default:
			c.checkObject(id, key, size, sum)
		}
	}
}

func (c *checker) missing(id metadata.ObjectID, key, what string) {
	c.find(Finding{Kind: Missing, Where: "object " + key, What: what + c.holds(id), Do: doObject})
}

func (c *checker) badObject(id metadata.ObjectID, key, what string) {
	c.find(Finding{Kind: BadObject, Where: "object " + key, What: what + c.holds(id), Do: doObject})
}

// holds names what metadata has in an object.
func (c *checker) holds(id metadata.ObjectID) string {
	var list []string
	for _, s := range c.order {
		for _, x := range c.state.Coverages(s.meta.ID, 0, 1<<30) {
			if x.Object == id {
				list = append(list, fmt.Sprintf("%s offsets %d to %d", s.name(), x.Start, x.End))
			}
		}
		for i := range s.ranges {
			if s.ranges[i].Checkpoint == id {
				list = append(list, fmt.Sprintf("%s the state at offset %d", s.name(), s.ranges[i].CheckpointAt))
			}
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "; it holds " + cut(list)
}

// get reads an object's bytes; it says so if that fails.
func (c *checker) get(id metadata.ObjectID, key string) ([]byte, bool) {
	b, err := c.bucket.Get(key)
	if errors.Is(err, ErrMissing) {
		c.missing(id, key, "metadata refers to it, and it is not in the bucket")
		return nil, false
	}
	if err != nil {
		c.find(Finding{Kind: Unreadable, Where: "object " + key, What: err.Error(),
			Do: "try again; then as for a missing object"})
		return nil, false
	}
	return b, true
}

func (c *checker) checkObject(id metadata.ObjectID, key string, size uint64, sum uint32) {
	b, ok := c.get(id, key)
	if !ok {
		return
	}
	o := c.cache.objects[key]
	if o == nil || len(b) == 0 || o.first != &b[0] || o.size != int64(len(b)) || c.retain() && !o.whole {
		o = parseObject(b)
		o.whole = c.retain()
		c.judgeObject(o)
	}
	if c.kept[key] = o; c.o.Cache == nil {
		o.first = nil // let go of the bytes
	}
	switch cluster, _ := c.clusterID(); {
	case o.err != nil:
		c.badObject(id, key, o.err.Error())
		return
	case o.size != int64(size):
		c.badObject(id, key, fmt.Sprintf("it has %d bytes, metadata says %d", o.size, size))
	case o.writer != writer{cluster, id.Broker, id.Epoch, id.Seq}:
		c.badObject(id, key, fmt.Sprintf("its footer names broker %d, epoch %d, sequence %d of cluster %s",
			o.writer.broker,
			o.writer.epoch, o.writer.seq, o.writer.cluster))
	}
	c.objects[id] = o
	spoilt := false
	for i := range o.blocks {
		x := &o.blocks[i]
		if x.err == nil {
			continue
		}
		spoilt = true
		f := Finding{Kind: BadObject, Where: fmt.Sprintf("object %s byte %d", key, x.pos), What: x.err.Error(),
			Do: doObject}
		if s := c.streams[x.stream]; s != nil {
			f.What += fmt.Sprintf("; this block holds %s offsets %d to %d", s.name(), x.first, x.end)
			f.Span = s.span(x.first, x.end)
		} else {
			f.What += "; this block holds nothing that is still there"
		}
		c.find(f)
	}
	if o.crc != sum && !spoilt {
		c.badObject(id, key, fmt.Sprintf("its CRC is %08x, metadata says %08x", o.crc, sum))
	}
}

// judgeObject decodes what the blocks of an object say, once.
func (c *checker) judgeObject(o *object) {
	for i := range o.blocks {
		x := &o.blocks[i]
		s := c.streams[x.stream]
		for k := range x.entries {
			e := &x.entries[k]
			switch {
			case s == nil:
				e.data = nil
			case x.kind == blockCheckpoint:
				c.decodeEntryState(s, e)
			default:
				c.decodeEntryData(s, e)
			}
		}
	}
}

func (c *checker) checkQuarantine(id metadata.ObjectID, key string, sum uint32) {
	b, ok := c.get(id, key)
	if !ok {
		return
	}
	c.report.Counts.Quarantines++
	q, err := parseQuarantine(b)
	if err != nil {
		c.find(Finding{Kind: Quarantine, Where: "object " + key, What: err.Error(), Do: doObject})
		return
	}
	cluster, _ := c.clusterID()
	for _, s := range c.order {
		for _, h := range s.meta.Holes {
			if h.Quarantine != id {
				continue
			}
			if q.crc != sum || q.cluster != cluster || q.wal != h.WAL || q.stream != s.meta.ID ||
				q.epoch != h.LeaderEpoch {
				c.find(Finding{Kind: Quarantine, Where: "object " + key, Do: doBug,
					What: fmt.Sprintf("it is of stream %d, leader epoch %d, WAL %s, with CRC %08x; metadata has it "+
						"for %s, "+
						"leader epoch %d, WAL %s, with CRC %08x", q.stream, q.epoch, q.wal, q.crc, s.name(),
						h.LeaderEpoch, h.WAL, sum)})
			}
		}
	}
}

// checkKeys judges the keys that metadata does not refer to.
func (c *checker) checkKeys() {
	cluster, _ := c.clusterID()
	live := map[string]bool{}
	for _, id := range c.state.Objects() {
		live[id.Key(cluster)] = true
	}
	dead := map[metadata.ObjectID]bool{}
	for _, d := range c.state.Destroyed() {
		dead[d.ID] = true
	}
	var waiting, garbage, underway, foreign []string
	for _, key := range slices.Sorted(maps.Keys(c.keys)) {
		if live[key] {
			continue
		}
		of, id, err := metadata.ParseKey(key)
		if err != nil || of != cluster {
			foreign = append(foreign, key)
			continue
		}
		c.report.Counts.Leaked++
		b, known := c.state.Broker(id.Broker)
		switch {
		case dead[id]:
			waiting = append(waiting, key)
		case c.state.Garbage(id):
			garbage = append(garbage, key)
		case known && b.Live && b.Epoch == id.Epoch:
			underway = append(underway, key)
		default:
			c.find(Finding{Kind: Leak, Where: "object " + key,
				Do:   "the metadata is an old copy: delete nothing, restore the newer one",
				What: "its writer, by its key, is a broker epoch that metadata never issued"})
		}
	}
	c.leaks(Destroyed, "wait to be deleted: metadata has let go of them", waiting)
	c.leaks(Garbage, "are garbage, and will be swept", garbage)
	c.leaks(Pending, "were put and not committed, or are about to be: the next start makes garbage of them", underway)
	if len(foreign) > 0 {
		c.note(Finding{Kind: Foreign, Where: "bucket", What: fmt.Sprintf("%d keys are not of this cluster: %s",
			len(foreign), cut(foreign))})
	}
}

func (c *checker) leaks(kind Kind, what string, keys []string) {
	if len(keys) == 0 {
		return
	}
	f := Finding{Kind: kind, Where: "bucket", What: fmt.Sprintf("%d keys %s: %s", len(keys), what, cut(keys))}
	if c.o.NoLeaks {
		f.Kind, f.Do = Leak, "let the server run: it sweeps an hour after its start, and then hourly"
		c.find(f)
		return
	}
	c.note(f)
}
