package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
)

// DeleteGroups (key 42), v0–2.
//
// Behavior: deletes empty groups with their offsets; NON_EMPTY_GROUP for one with members,
// GROUP_ID_NOT_FOUND for one that does not exist. Answered when the deletion is durable.
func handleDeleteGroups(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.DeleteGroupsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	for _, id := range req.Groups {
		r := kmsg.NewDeleteGroupsResponseGroup()
		r.Group = id
		g, code := b.coordinatorOf(id)
		if code == codeNone {
			code = codeNotCoordinator
			res, err := g.ask(sc, id, func(t group.Token) group.Event { return group.Delete{Token: t} })
			if d, ok := res.(group.DeleteResult); ok && err == nil {
				code = groupCode(d.Kind)
			}
		}
		r.ErrorCode = int16(code)
		resp.Groups = append(resp.Groups, r)
	}
	return encode(c, resp), nil
}
