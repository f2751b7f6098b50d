package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
)

// DescribeGroups (key 15), v0–6.
//
// Behavior: state, protocol and members of each group. A group that does not exist is Dead without an
// error; from v6 on it is GROUP_ID_NOT_FOUND (KIP-1043). One that another broker coordinates is NOT_COORDINATOR.
//
// Version notes: v3 authorized operations (not computed); v4 instance ids; v6 error message.
func handleDescribeGroups(b *Broker, _ *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.DescribeGroupsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, id := range req.Groups {
		resp.Groups = append(resp.Groups, b.describeGroup(id, c.version))
	}
	return encode(c, resp), nil
}

func (b *Broker) describeGroup(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group = id
	g, code := b.coordinatorOf(id)
	if code == codeNone && !b.vouches() {
		code = codeNotCoordinator
	}
	if code != codeNone {
		out.ErrorCode = int16(code)
		return out
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d, kind := g.coord.Describe(id)
	if kind == group.NotFound && version >= 6 {
		out.ErrorCode = int16(groupCode(kind))
		out.ErrorMessage = kmsg.StringPtr("group " + id + " does not exist")
	}
	out.State, out.ProtocolType, out.Protocol = d.State.String(), d.ProtocolType, d.Protocol
	for _, m := range d.Members {
		x := kmsg.NewDescribeGroupsResponseGroupMember()
		x.MemberID, x.ClientID, x.ClientHost = m.MemberID, m.ClientID, m.ClientHost
		x.ProtocolMetadata, x.MemberAssignment = orEmpty(m.Metadata), orEmpty(m.Assignment)
		if m.InstanceID != "" {
			x.InstanceID = kmsg.StringPtr(m.InstanceID)
		}
		out.Members = append(out.Members, x)
	}
	return out
}

// orEmpty turns nil into no bytes: the field is not nullable.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
