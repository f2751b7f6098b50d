package group

import "github.com/weirmq/weir/internal/probe"

// Expire drops offsets of groups without members that are older than the retention, and groups that have
// no offsets left. It is called now and then, say each ten minutes.
func (c *Coordinator) Expire(now Now, out []Effect) []Effect {
	horizon := now.Wall - c.cfg.Retention.Milliseconds()
	for _, id := range c.store.Groups() {
		if c.groups[id] != nil {
			continue // somebody is there
		}
		s := c.store.groups[id]
		since := int64(0)
		if s.membership != nil {
			if since = s.membership.Since; len(s.membership.Members) > 0 || since > horizon {
				continue
			}
		}
		var old []Part
		for _, o := range s.sorted() {
			if max(o.Committed, since) <= horizon {
				old = append(old, Part{o.Topic, o.Partition})
			}
		}
		if len(old) > 0 {
			probe.Hit(probe.GroupExpired)
		}
		switch {
		case len(old) == len(s.offsets):
			out = c.Step(now, id, expired{}, out)
		case len(old) > 0:
			out = c.Step(now, id, expired{old}, out)
		}
	}
	return out
}

// DropTopic forgets what all groups committed for the partitions of a topic that was deleted.
func (c *Coordinator) DropTopic(now Now, topic string, out []Effect) []Effect {
	for _, id := range c.store.Groups() {
		var parts []Part
		for _, o := range c.store.groups[id].sorted() {
			if o.Topic == topic {
				parts = append(parts, Part{o.Topic, o.Partition})
			}
		}
		if len(parts) > 0 {
			out = c.Step(now, id, expired{parts}, out)
		}
	}
	return out
}

// expired drops offsets, or the whole group if it names none. Nobody waits for it.
type expired struct{ parts []Part }

func (expired) event() {}

func (g *machine) onExpired(e expired) {
	switch {
	case g.state == Dead:
	case len(e.parts) > 0:
		g.persist(encodeDropped(g.id, e.parts), nil, nil)
	case g.state == Empty:
		g.die(nil, nil)
	}
}
