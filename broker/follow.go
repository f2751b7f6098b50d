package broker

import (
	"fmt"
	"math"
	"slices"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
)

// follow keeps the broker's topics in step with metadata: it opens the partitions that this broker is to
// lead, closes those of topics marked for deletion and confirms that, and forgets what is gone.
func (b *Broker) follow(sc *host.Scope) error {
	seen := b.appliedIndex()
	for {
		index, err := b.meta.Wait(sc, seen, 0)
		if err != nil {
			return nil // watch sees it too
		}
		if err := b.followOnce(sc, index); err != nil {
			if sc.Err() == nil && !b.draining.Load() { // a stop closes the WAL under a partition that is being opened
				b.fail(err)
			}
			return nil
		}
		seen = index
	}
}

// watch ends the broker when the controller has died: nothing could be committed or opened any more. It is a task of
// its own because the follow task may be waiting for room in the WAL, which only commits make.
func (b *Broker) watch(sc *host.Scope) error {
	for {
		_, err := b.meta.Wait(sc, math.MaxUint64, 0)
		switch {
		case err == nil:
			continue
		case sc.Err() == nil:
			probe.Hit(probe.BrokerControllerDied)
			b.fail(fmt.Errorf("follow the metadata: %w", err))
			if b.appliedIndex() == 0 {
				b.cancel() // the start may wait for that room
			}
		}
		return nil
	}
}

// followOnce brings the broker to the state of metadata at index or later. What metadata says did not change
// since the last time is not looked at: most commands commit objects, and few topics change at a time.
func (b *Broker) followOnce(sc *host.Scope, index uint64) error {
	var changed []seenTopic
	var absent []metadata.UUID
	var all bool
	leaving := b.leavingTopics()
	shape := b.shape
	b.meta.Read(func(s *metadata.State) {
		index, _ = s.Index()
		if shape = s.Shape(); shape > b.shape {
			changed, absent, all = look(s, b.shape)
		}
	})
	if shape == b.shape && len(leaving) == 0 {
		b.advance(index)
		return nil
	}
	b.dawdle(sc, "broker.follow.late")
	next := make([]*topic, 0, len(changed))
	var openings, leavers []*part
	for i := range changed {
		t, opened, left := b.buildTopic(&changed[i])
		if t.internal {
			if err := b.followGroups(sc, &changed[i]); err != nil {
				return err
			}
		}
		openings, leavers = append(openings, opened...), append(leavers, left...)
		next = append(next, t)
	}
	if mutant.On(mutant.MapRange) {
		openings = mutant.MapOrder(openings)
	}
	if b.cfg.Cluster == nil {
		if err := b.openParts(sc, openings); err != nil {
			return err
		}
	}
	gone := b.gone(next, absent, all)
	if err := b.forgetGone(sc, gone); err != nil {
		return err
	}
	b.install(next, gone, index)
	b.shape = shape
	if b.cfg.Cluster != nil {
		b.beginOpening(openings)
		for _, t := range gone {
			leavers = t.served(leavers)
		}
		b.retire(leavers)
	}
	if err := b.followDeleting(sc, b.leavingTopics()); err != nil {
		return err
	}
	b.dropGone(gone)
	return nil
}

// seenTopic is what one look at metadata shows of a topic.
type seenTopic struct {
	metadata.Topic
	parts []metadata.Partition
	why   []string  // by partition: why it cannot be served, or ""
	left  []remains // by partition: what can be read nevertheless
	homes []int32   // by partition: the broker whose WAL its last range is on
}

// look returns what metadata shows of the topics that have changed since an index, and the ids of those that changed
// and are not there. all says that it shows all topics.
func look(s *metadata.State, since uint64) (changed []seenTopic, absent []metadata.UUID, all bool) {
	ids, all := s.Reshaped(since)
	for _, id := range ids {
		if t, ok := s.Topic(id); ok {
			changed = append(changed, seeTopic(s, t))
		} else {
			absent = append(absent, id)
		}
	}
	return changed, absent, all
}

// seeTopics shows all topics.
func seeTopics(s *metadata.State) []seenTopic {
	topics := s.Topics()
	list := make([]seenTopic, len(topics))
	for i, t := range topics {
		list[i] = seeTopic(s, t)
	}
	return list
}

func seeTopic(s *metadata.State, t metadata.Topic) seenTopic {
	n := len(t.Streams)
	seen := seenTopic{Topic: t, parts: make([]metadata.Partition, n), why: make([]string, n), left: make([]remains, n),
		homes: make([]int32, n)}
	for p, id := range t.Streams {
		v, _ := s.Partition(t.ID, int32(p))
		seen.parts[p] = v
		if w, ok := s.WAL(v.WAL); ok {
			seen.homes[p] = w.Broker
		}
		if v.Holed {
			if st, ok := s.Stream(id); ok {
				seen.why[p], seen.left[p] = holeText(st), belowHole(&st)
			}
		}
	}
	return seen
}

// holeText says why a stream's last range is offline.
func holeText(st metadata.Stream) string {
	for i := len(st.Holes) - 1; i >= 0; i-- {
		if h := st.Holes[i]; !h.Accepted {
			return h.Why
		}
	}
	return "a hole was recorded"
}

// buildTopic makes the broker's copy of a topic, keeping the parts it serves already. It also returns the parts that
// are to be opened, and those whose ranges others go on with.
func (b *Broker) buildTopic(seen *seenTopic) (t *topic, openings, leavers []*part) {
	t = &topic{
		name: seen.Name, id: seen.ID, internal: seen.Name == offsetsTopic, deleting: seen.Deleting,
		set: seen.Configs, config: parseTopicConfig(seen.Configs), parts: make([]partRef, len(seen.parts)),
	}
	before := b.topicByID(seen.ID)
	for i := range seen.parts {
		v := &seen.parts[i]
		ref := &t.parts[i]
		*ref = partRef{stream: v.Stream, leader: -1, leaderEpoch: v.LeaderEpoch, home: seen.homes[i],
			offline: seen.why[i], remains: seen.left[i]}
		if v.Owned {
			ref.leader = v.Owner
		}
		mine := ref.offline == "" && b.leads(v)
		if before != nil && i < len(before.parts) {
			was := &before.parts[i]
			same := b.cfg.Cluster == nil || was.leaderEpoch == v.LeaderEpoch
			if was.part != nil && (b.cfg.Cluster == nil || same && b.leads(v)) {
				ref.part = was.part
			} else if was.part != nil {
				leavers = append(leavers, was.part)
			}
			if was.broken && same {
				ref.offline, ref.broken = was.offline, true
				ref.remains = remains{logStart: v.LogStart, end: was.remains.end}
				mine = false
			}
		}
		if mine && ref.part == nil && !t.deleting && !t.internal {
			ref.part = b.newPart(t, int32(i), v)
			openings = append(openings, ref.part)
		}
	}
	return t, openings, leavers
}

// leads reports whether this broker is to serve a partition, from its WAL.
func (b *Broker) leads(v *metadata.Partition) bool {
	return v.Owned && v.Owner == b.cfg.NodeID && v.OwnerEpoch == b.epoch && v.WAL == metadata.UUID(b.walID)
}

// dropBroken takes out the parts that could not be opened.
func (t *topic) dropBroken() {
	for i := range t.parts {
		if ref := &t.parts[i]; ref.part != nil && ref.part.isBroken() {
			ref.remains = remains{logStart: ref.part.logStart, end: ref.part.start}
			ref.offline, ref.broken, ref.part = ref.part.broken, true, nil
		}
	}
}

func (b *Broker) newPart(t *topic, index int32, v *metadata.Partition) *part {
	p := &part{b: b, topic: t.id, name: t.name, index: index, id: stream.ID(v.Stream), config: t.config,
		epoch: v.LeaderEpoch, start: v.Start, logStart: v.LogStart}
	p.mu.Init(b.h)
	p.opened.init(b.h)
	return p
}

// openingTasks bounds the partitions that are opened at the same time: each waits for a sync, and the
// syncs are shared.
const openingTasks = 64

// openParts opens the ranges of new parts, many at a time.
func (b *Broker) openParts(sc *host.Scope, parts []*part) error {
	for len(parts) > 0 {
		n := min(len(parts), b.atMost(openingTasks, "broker.follow.open"))
		g := host.NewGroup(b.h, sc)
		for _, p := range parts[:n] {
			g.Go("broker.open", p.open)
		}
		if err := g.Wait(); err != nil {
			return err
		}
		parts = parts[n:]
	}
	return nil
}

// install shows requests the topics that have changed, and hides those that are gone.
func (b *Broker) install(next, gone []*topic, index uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range next {
		t.dropBroken()
	}
	b.counters.Partitions.Add(b.topics.served(next, gone))
	b.topics.change(next, gone)
	b.applied = max(b.applied, index)
	b.follows.Broadcast()
}

// advance tells that requests see metadata at index: nothing that they see has changed.
func (b *Broker) advance(index uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applied = max(b.applied, index)
	b.follows.Broadcast()
}

// followDeleting stops the partitions of topics marked for deletion and confirms it (rule 37).
func (b *Broker) followDeleting(sc *host.Scope, list []*topic) error {
	for _, t := range list {
		if !t.deleting {
			continue
		}
		if b.cfg.Cluster != nil {
			b.beginDeleting(t)
			continue
		}
		for i := range t.parts {
			if p := t.parts[i].part; p != nil {
				p.noteDeleted()
				if err := p.end(sc, codeUnknownTopicOrPartition); err != nil {
					return err
				}
			}
		}
		// Before the confirmation: after it the name is free for a topic that must not find these offsets, and a
		// crash would leave nobody to forget them.
		if err := b.forgetTopic(sc, t.name); err != nil {
			return err
		}
		if err := b.confirmDeleted(sc, t.id); err != nil {
			return err
		}
	}
	return nil
}

// gone returns by name the topics that requests see and that are not there any more: those of absent, and those that
// are not among next when that has all there are.
func (b *Broker) gone(next []*topic, absent []metadata.UUID, all bool) []*topic {
	var list []*topic
	if !all {
		for _, id := range absent {
			if t := b.topicByID(id); t != nil {
				list = append(list, t)
			}
		}
		slices.SortFunc(list, compareTopics)
		return list
	}
	kept := make(map[metadata.UUID]bool, len(next))
	for _, t := range next {
		kept[t.id] = true
	}
	for _, t := range b.allTopics() {
		if !kept[t.id] {
			list = append(list, t)
		}
	}
	return list
}

// forgetGone forgets what was committed for topics that are not there any more while they were marked for
// deletion, by requests that had seen them before. Requests do not see the next topic of that name yet.
func (b *Broker) forgetGone(sc *host.Scope, gone []*topic) error {
	if b.cfg.Cluster != nil {
		b.forgetLater(gone)
		return nil
	}
	for _, t := range gone {
		if err := b.forgetTopic(sc, t.name); err != nil {
			return err
		}
	}
	return nil
}

// dropGone forgets the streams of topics that are not there any more.
func (b *Broker) dropGone(gone []*topic) {
	for _, t := range gone {
		delete(b.deleting, t.id)
		for i := range t.parts {
			b.engine.Drop(stream.ID(t.parts[i].stream))
		}
	}
}

func (b *Broker) appliedIndex() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.applied
}

// awaitApplied waits until requests see metadata at index or later, or sc ends.
func (b *Broker) awaitApplied(sc *host.Scope, index uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.applied < index {
		if err := b.follows.Wait(sc, 0); err != nil {
			return err
		}
	}
	return nil
}

// awaitGone waits until requests do not see the topic any more, or sc ends.
func (b *Broker) awaitGone(sc *host.Scope, id metadata.UUID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.topics.byID[id] != nil {
		if err := b.follows.Wait(sc, 0); err != nil {
			return err
		}
	}
	return nil
}

// syncTopics waits until requests see what metadata says now. When sc ends first, the caller finds out by itself.
func (b *Broker) syncTopics(sc *host.Scope) {
	var index uint64
	b.meta.Read(func(s *metadata.State) { index, _ = s.Index() })
	_ = b.awaitApplied(sc, index)
}
