package fsck

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weirmq/weir/metadata"
)

// checker is one Check at work.
type checker struct {
	nodes   []*member
	wal     Image                            // of one node
	volumes func(volume metadata.UUID) Image // of a cluster; nil for one node
	bucket  Bucket
	o       Options
	report  *Report
	cache   *Cache

	state   *metadata.State // nil if there is none, or none that can be believed
	keys    map[string]int64
	listed  bool
	streams map[uint64]*streamCheck
	order   []*streamCheck // by id
	objects map[metadata.ObjectID]*object
	kept    map[string]*object // what the cache is to hold next
	wals    map[metadata.UUID]bool
}

func newChecker(bucket Bucket, o Options) *checker {
	c := &checker{
		bucket: bucket, o: o, cache: o.Cache, report: &Report{}, keys: map[string]int64{},
		streams: map[uint64]*streamCheck{}, objects: map[metadata.ObjectID]*object{}, kept: map[string]*object{},
		wals: map[metadata.UUID]bool{},
	}
	if c.cache == nil {
		c.cache = &Cache{}
	}
	return c
}

func (c *checker) find(f Finding) { c.report.Findings = append(c.report.Findings, f) }
func (c *checker) note(f Finding) { c.report.Notes = append(c.report.Notes, f) }

// run looks at everything, in an order in which each part may rely on those before.
func (c *checker) run() {
	c.state = c.loadMeta()
	for _, m := range c.nodes {
		c.checkIdentity(m)
	}
	c.list()
	if c.state == nil {
		c.withoutMeta()
		return
	}
	c.gather()
	for _, w := range c.state.WALs() {
		c.checkWAL(&w)
	}
	c.checkObjects()
	for _, s := range c.order {
		c.checkStream(s)
	}
	c.checkKeys()
	c.cache.objects = c.kept
}

// withoutMeta checks what can be checked by itself.
func (c *checker) withoutMeta() {
	c.rawRings()
	what := "there is no metadata"
	if !c.report.OK() {
		what = "without metadata"
	}
	c.note(Finding{Kind: Pending, Where: volumeMeta,
		What: fmt.Sprintf("%s: rings and objects were not held against it", what)})
}

// list lists the bucket.
func (c *checker) list() {
	if c.bucket == nil {
		return
	}
	list, err := c.bucket.List()
	if err != nil {
		c.find(Finding{Kind: Unreadable, Where: "bucket", What: "it cannot be listed: " + err.Error(),
			Do: "fix access to the bucket"})
		return
	}
	c.listed = true
	for _, x := range list {
		c.keys[x.Key] = x.Size
	}
	c.report.Counts.Keys = len(list)
}

// streamCheck is what is known of one stream while it is checked.
type streamCheck struct {
	meta     metadata.Stream
	topic    string
	internal bool
	deleting bool
	ranges   []rangeCheck
	out      Stream
	tracker  *tracker
}

// rangeCheck is one range with what the WAL holds of it.
type rangeCheck struct {
	metadata.Range
	state   *entry  // its first record, if it is still in the ring
	entries []entry // in the order of the ring
	scanned bool    // its WAL was read
	damaged bool    // a part of its WAL is spoilt
	covers  []metadata.Coverage
}

// gather collects every stream of the metadata.
func (c *checker) gather() {
	for _, t := range c.state.Topics() {
		for p, id := range t.Streams {
			st, ok := c.state.Stream(id)
			if !ok || st.Topic != t.ID || st.Partition != int32(p) {
				c.find(Finding{Kind: State, Where: "topic " + t.Name, Do: doBug,
					What: fmt.Sprintf("its partition %d is stream %d, which is not there or another's", p, id)})
				continue
			}
			s := &streamCheck{meta: st, topic: t.Name, internal: t.Name == groupTopic, deleting: t.Deleting}
			s.out = Stream{ID: id, Topic: t.Name, Partition: int32(p), Internal: s.internal, LogStart: st.LogStart,
				Ranges: len(st.Ranges)}
			for _, r := range st.Ranges {
				s.ranges = append(s.ranges, rangeCheck{Range: r})
			}
			c.streams[id] = s
			c.order = append(c.order, s)
		}
	}
	slices.SortFunc(c.order, func(a, b *streamCheck) int { return cmp.Compare(a.meta.ID, b.meta.ID) })
}

// byEpoch returns the range of a leader epoch, nil if there is none.
func (s *streamCheck) byEpoch(epoch int32) *rangeCheck {
	for i := range s.ranges {
		if s.ranges[i].LeaderEpoch == epoch {
			return &s.ranges[i]
		}
	}
	return nil
}

func (s *streamCheck) name() string {
	return fmt.Sprintf("topic %s partition %d", s.topic, s.meta.Partition)
}

func (s *streamCheck) span(from, to int64) *Span {
	return &Span{Stream: s.meta.ID, Topic: s.topic, Partition: s.meta.Partition, From: from, To: to}
}
