package broker

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// ListGroups (key 16), v0–5.
//
// Behavior: the groups that this broker coordinates, by id; clients ask every broker. While a partition of the offsets
// topic is on its way here it is COORDINATOR_LOAD_IN_PROGRESS.
//
// Version notes: v4 state filter and state; v5 type filter and type (KIP-848): all are classic.
func handleListGroups(b *Broker, _ *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.ListGroupsRequest)
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	if len(req.TypesFilter) > 0 && !containsFold(req.TypesFilter, "classic") {
		return encode(c, resp), nil
	}
	if code := b.coordinates(); code != codeNone {
		resp.ErrorCode = int16(code)
		return encode(c, resp), nil
	}
	for _, g := range b.coordinatorParts() {
		g.mu.Lock()
		listed := g.coord.List()
		g.mu.Unlock()
		for _, l := range listed {
			if len(req.StatesFilter) > 0 && !containsFold(req.StatesFilter, l.State.String()) {
				continue
			}
			r := kmsg.NewListGroupsResponseGroup()
			r.Group, r.ProtocolType, r.GroupState, r.GroupType = l.ID, l.ProtocolType, l.State.String(), "classic"
			resp.Groups = append(resp.Groups, r)
		}
	}
	slices.SortFunc(resp.Groups, func(x, y kmsg.ListGroupsResponseGroup) int { return strings.Compare(x.Group, y.Group) })
	return encode(c, resp), nil
}

// coordinates is the code that says why not all groups of this broker can be listed.
func (b *Broker) coordinates() Code {
	if b.cfg.Cluster == nil {
		return codeNone
	}
	if !b.vouches() {
		return codeCoordinatorNotAvailable
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range b.groups.parts {
		if g != nil && !g.isOpen() && !g.isBroken() {
			return codeCoordinatorLoadInProgress
		}
	}
	return codeNone
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}
