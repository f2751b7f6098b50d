package broker

import (
	"errors"
	"hash/crc32"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
)

const (
	// offsetsTopic holds the groups' records, in an encoding of our own (docs/format/group-log.md). It is
	// shown as internal and is neither read nor written over the wire.
	offsetsTopic = "__consumer_offsets"
	// offsetsPartitions is how many coordinator partitions there are; fixed when the topic is created.
	offsetsPartitions = 8
)

// groups finds the coordinator partition of a group. Its lists are guarded by Broker.mu and replaced whole.
type groups struct {
	parts   []*groupPart
	leaders []int32 // by partition; -1: nobody

	forgetting map[string]int // in a cluster: the tasks that forget the offsets of topics, by the topics' names
	late       int            // of them, those that forget what is gone already
}

// groupIndex is which coordinator partition a group belongs to. It is persisted by where the group's
// records lie: never change it.
func groupIndex(id string, partitions int) int {
	return int(crc32.Checksum([]byte(id), crc32.MakeTable(crc32.Castagnoli)) % uint32(partitions))
}

// coordinatorOf returns the part that coordinates a group on this broker.
func (b *Broker) coordinatorOf(id string) (*groupPart, Code) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.groups.parts)
	if n == 0 {
		return nil, codeNotCoordinator
	}
	i := groupIndex(id, n)
	g := b.groups.parts[i]
	switch {
	case g != nil && g.isOpen():
		return g, codeNone
	case b.cfg.Cluster != nil && g == nil:
		return nil, codeNotCoordinator
	case b.cfg.Cluster != nil && !g.isBroken():
		return nil, codeCoordinatorLoadInProgress
	}
	return nil, codeCoordinatorNotAvailable
}

// coordinatorBroker is which broker coordinates a group; -1: nobody for the moment.
func (b *Broker) coordinatorBroker(id string) int32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.groups.leaders)
	if n == 0 {
		return -1
	}
	return b.groups.leaders[groupIndex(id, n)]
}

// coordinatorParts returns every coordinator partition that this broker serves.
func (b *Broker) coordinatorParts() []*groupPart {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []*groupPart
	for _, g := range b.groups.parts {
		if g != nil && g.isOpen() {
			out = append(out, g)
		}
	}
	return out
}

// ensureOffsetsTopic creates the offsets topic if there is none yet.
func (b *Broker) ensureOffsetsTopic(sc *host.Scope) Code {
	if b.topicByName(offsetsTopic) != nil {
		return codeNone
	}
	sc, cancel := b.within(sc, 0)
	defer cancel()
	_, code, _ := b.createTopic(sc, &topicWish{name: offsetsTopic, partitions: offsetsPartitions})
	if code == codeTopicAlreadyExists {
		b.syncTopics(sc)
		code = codeNone
	}
	return code
}

// followGroups opens the coordinator partitions that this broker is to lead, and ends those that others go on with.
func (b *Broker) followGroups(sc *host.Scope, seen *seenTopic) error {
	b.mu.Lock()
	before := b.groups.parts
	b.mu.Unlock()
	parts, leaders := make([]*groupPart, len(seen.parts)), make([]int32, len(seen.parts))
	copy(parts, before)
	var fresh, leavers []*groupPart
	for i := range seen.parts {
		v := &seen.parts[i]
		if leaders[i] = -1; v.Owned {
			leaders[i] = v.Owner
		}
		mine := b.leads(v) && seen.why[i] == ""
		if g := parts[i]; g != nil && b.cfg.Cluster != nil && (!b.leads(v) || g.epoch != v.LeaderEpoch) {
			leavers, parts[i] = append(leavers, g), nil
		}
		if parts[i] == nil && mine && (b.cfg.Cluster == nil || !seen.Deleting) {
			parts[i] = b.newGroupPart(int32(i), v)
			fresh = append(fresh, parts[i])
		}
	}
	if b.cfg.Cluster == nil {
		err := b.each(sc, len(fresh), func(sc *host.Scope, i int) error { return fresh[i].open(sc) })
		if err != nil {
			return err
		}
	}
	b.mu.Lock()
	b.groups.parts, b.groups.leaders = parts, leaders
	b.mu.Unlock()
	if b.cfg.Cluster != nil {
		b.openCoordinators(fresh)
	}
	b.retireGroups(leavers)
	return nil
}

func (b *Broker) newGroupPart(index int32, v *metadata.Partition) *groupPart {
	g := &groupPart{
		b: b, index: index, id: stream.ID(v.Stream), epoch: v.LeaderEpoch, start: v.Start, logStart: v.LogStart,
	}
	g.mu.Init(b.h)
	g.quiet.Init(b.h, &g.mu)
	g.opened.init(b.h)
	g.finished.init(b.h)
	return g
}

// stopGroups ends every coordinator partition and waits for their tasks.
func (b *Broker) stopGroups(sc *host.Scope) {
	for _, g := range b.coordinatorParts() {
		g.stop()
		if err := g.finished.wait(sc); err != nil {
			return
		}
	}
}

// forgetTopic drops the committed offsets of a topic that is deleted. When it returns those that were durable
// or on their way are forgotten for good, so that the next topic of that name begins without any. A coordinator that
// is being opened forgets what is not there when it is; one that has gone to another broker does so there.
func (b *Broker) forgetTopic(sc *host.Scope, name string) error {
	if mutant.On(mutant.OffsetsOutliveTopic) {
		return nil
	}
	for _, g := range b.coordinatorParts() {
		if err := b.settled(sc, g); err != nil {
			return err
		}
		g.act(func(c *group.Coordinator, now group.Now, out []group.Effect) []group.Effect {
			return c.DropTopic(now, name, out)
		})
	}
	for _, g := range b.coordinatorParts() {
		if err := b.settled(sc, g); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until what a coordinator has asked for is durable, or it has gone to another broker.
func (b *Broker) settled(sc *host.Scope, g *groupPart) error {
	err := g.settle(sc)
	if errors.Is(err, errStopped) && b.cfg.Cluster != nil && b.log.Err() == nil {
		return nil
	}
	return err
}
