package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
)

// Heartbeat (key 12), v0–4.
//
// Behavior: keeps a member's session; REBALANCE_IN_PROGRESS tells it to join again.
//
// Version notes: v3 static members.
func handleHeartbeat(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.HeartbeatRequest)
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	g, code := b.coordinatorOf(req.Group)
	if code == codeNone {
		code = codeNotCoordinator
		res, err := g.ask(sc, req.Group, func(t group.Token) group.Event {
			return group.Heartbeat{
				Token: t, MemberID: req.MemberID, InstanceID: deref(req.InstanceID), Generation: req.Generation,
			}
		})
		if r, ok := res.(group.HeartbeatResult); ok && err == nil {
			code = groupCode(r.Kind)
		}
	}
	resp.ErrorCode = int16(code)
	return encode(c, resp), nil
}
