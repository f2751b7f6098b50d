package broker

import (
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

// groups finds the coordinator partition of a group. Its list is guarded by Broker.mu and replaced whole.
type groups struct{ parts []*groupPart }

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
	if g := b.groups.parts[groupIndex(id, n)]; g != nil && !g.broken {
		return g, codeNone
	}
	return nil, codeCoordinatorNotAvailable
}

// coordinatorParts returns every coordinator partition that this broker serves.
func (b *Broker) coordinatorParts() []*groupPart {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []*groupPart
	for _, g := range b.groups.parts {
		if g != nil && !g.broken {
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

// followGroups opens the coordinator partitions that this broker is to lead.
func (b *Broker) followGroups(sc *host.Scope, seen *seenTopic) error {
	b.mu.Lock()
	parts := make([]*groupPart, len(seen.parts))
	copy(parts, b.groups.parts)
	b.mu.Unlock()
	var fresh []int
	for i := range seen.parts {
		v := &seen.parts[i]
		if parts[i] == nil && v.Owned && v.Owner == b.cfg.NodeID && v.OwnerEpoch == b.epoch && seen.why[i] == "" {
			parts[i] = b.newGroupPart(int32(i), v)
			fresh = append(fresh, i)
		}
	}
	if err := b.each(sc, len(fresh), func(sc *host.Scope, i int) error { return parts[fresh[i]].open(sc) }); err != nil {
		return err
	}
	for _, i := range fresh {
		if parts[i].stream == nil {
			parts[i].broken = true // its groups have no coordinator until the next start
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups.parts = parts
	return nil
}

func (b *Broker) newGroupPart(index int32, v *metadata.Partition) *groupPart {
	g := &groupPart{
		b: b, index: index, id: stream.ID(v.Stream), epoch: v.LeaderEpoch, start: v.Start, logStart: v.LogStart,
	}
	g.mu.Init(b.h)
	g.quiet.Init(b.h, &g.mu)
	return g
}

// stopGroups ends every coordinator partition and waits for their tasks.
func (b *Broker) stopGroups(sc *host.Scope) {
	for _, g := range b.coordinatorParts() {
		g.stop()
		if _, err := g.finished.Wait(sc, 0); err != nil {
			return
		}
	}
}

// forgetTopic drops the committed offsets of a topic that is deleted. When it returns those that were durable
// or on their way are forgotten for good, so that the next topic of that name begins without any.
func (b *Broker) forgetTopic(sc *host.Scope, name string) error {
	if mutant.On(mutant.OffsetsOutliveTopic) {
		return nil
	}
	for _, g := range b.coordinatorParts() {
		if err := g.settle(sc); err != nil {
			return err
		}
		g.act(func(c *group.Coordinator, now group.Now, out []group.Effect) []group.Effect {
			return c.DropTopic(now, name, out)
		})
	}
	for _, g := range b.coordinatorParts() {
		if err := g.settle(sc); err != nil {
			return err
		}
	}
	return nil
}
