package group

import "slices"

// Description is a group as tools see it.
type Description struct {
	ID           string
	State        State
	Generation   int32
	ProtocolType string
	Protocol     string // "" unless Stable
	Members      []Described
}

// Described is a member as tools see it.
type Described struct {
	MemberID, InstanceID string
	ClientID, ClientHost string
	Metadata, Assignment []byte // nil unless Stable
}

// Describe tells about a group. One that does not exist is Dead and NotFound.
func (c *Coordinator) Describe(id string) (Description, Kind) {
	g, ok := c.look(id)
	if !ok {
		return Description{ID: id, State: Dead, Generation: -1}, NotFound
	}
	d := Description{ID: id, State: g.state, Generation: g.generation, ProtocolType: g.protocolType}
	stable := g.state == Stable
	if stable {
		d.Protocol = g.protocol
	}
	for _, m := range g.members {
		x := Described{MemberID: m.id, InstanceID: m.instance, ClientID: m.clientID, ClientHost: m.clientHost}
		if stable {
			x.Metadata, x.Assignment = m.metadata(g.protocol), m.assignment
		}
		d.Members = append(d.Members, x)
	}
	return d, OK
}

// look finds a group without making it live.
func (c *Coordinator) look(id string) (*machine, bool) {
	if g := c.groups[id]; g != nil {
		return g, true
	}
	s := c.store.groups[id]
	if s == nil {
		return nil, false
	}
	g := newMachine(id, &c.cfg, &c.lastID)
	if s.membership != nil {
		g.load(s.membership)
	}
	return g, true
}

// Listed is a group in a listing.
type Listed struct {
	ID           string
	ProtocolType string
	State        State
}

// List lists the groups, live or stored, sorted by id.
func (c *Coordinator) List() []Listed {
	ids := append(c.store.Groups(), c.liveIDs()...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	out := make([]Listed, 0, len(ids))
	for _, id := range ids {
		if g, ok := c.look(id); ok {
			out = append(out, Listed{id, g.protocolType, g.state})
		}
	}
	return out
}
