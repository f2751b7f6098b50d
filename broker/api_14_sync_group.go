package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
)

// SyncGroup (key 14), v0–5.
//
// Behavior: the leader hands in the assignment; every member gets its part once it is durable.
//
// Version notes: v3 static members; v5 protocol type and name are checked.
func handleSyncGroup(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.SyncGroupRequest)
	resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
	ev := group.Sync{MemberID: req.MemberID, InstanceID: deref(req.InstanceID), Generation: req.Generation,
		ProtocolType: deref(req.ProtocolType), Protocol: deref(req.Protocol)}
	for i := range req.GroupAssignment {
		a := &req.GroupAssignment[i]
		ev.Assignments = append(ev.Assignments, group.Assignment{MemberID: a.MemberID, Data: a.MemberAssignment})
	}
	g, code := b.coordinatorOf(req.Group)
	if code == codeNone {
		code = codeNotCoordinator
		res, err := g.ask(sc, req.Group, func(t group.Token) group.Event { ev.Token = t; return ev })
		if r, ok := res.(group.SyncResult); ok && err == nil {
			code = groupCode(r.Kind)
			resp.MemberAssignment = r.Assignment
			if r.ProtocolType != "" {
				resp.ProtocolType, resp.Protocol = kmsg.StringPtr(r.ProtocolType), kmsg.StringPtr(r.Protocol)
			}
		}
	}
	if resp.MemberAssignment == nil {
		resp.MemberAssignment = []byte{}
	}
	resp.ErrorCode = int16(code)
	return encode(c, resp), nil
}
