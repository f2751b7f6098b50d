package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
)

// LeaveGroup (key 13), v0–5.
//
// Behavior: removes members and starts a rebalance if any was there.
//
// Version notes: v3 many members, static ones by instance id (KIP-345); v5 reason.
func handleLeaveGroup(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.LeaveGroupRequest)
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	leavers := []group.Leaver{{MemberID: req.MemberID}}
	if c.version >= 3 {
		leavers = leavers[:0]
		for i := range req.Members {
			m := &req.Members[i]
			leavers = append(leavers, group.Leaver{MemberID: m.MemberID, InstanceID: deref(m.InstanceID)})
		}
	}
	g, code := b.coordinatorOf(req.Group)
	var r group.LeaveResult
	if code == codeNone {
		res, err := g.ask(sc, req.Group, func(t group.Token) group.Event { return group.Leave{Token: t, Members: leavers} })
		var ok bool
		if r, ok = res.(group.LeaveResult); !ok || err != nil {
			code = codeNotCoordinator
		} else {
			code = groupCode(r.Kind)
		}
	}
	if c.version < 3 {
		if code == codeNone && len(r.Members) == 1 {
			code = groupCode(r.Members[0])
		}
		resp.ErrorCode = int16(code)
		return encode(c, resp), nil
	}
	resp.ErrorCode = int16(code)
	for i := range r.Members {
		m := kmsg.NewLeaveGroupResponseMember()
		m.MemberID, m.ErrorCode = req.Members[i].MemberID, int16(groupCode(r.Members[i]))
		m.InstanceID = req.Members[i].InstanceID
		resp.Members = append(resp.Members, m)
	}
	return encode(c, resp), nil
}
