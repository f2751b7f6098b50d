package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// Kinds of coordinator that FindCoordinator asks for.
const (
	coordinatorGroup = 0
)

// FindCoordinator (key 10), v0–6.
//
// Behavior: a group's coordinator is the owner of the partition of the offsets topic that the group belongs to; that
// topic is created with the first question. A coordinator that is not live for the moment is
// COORDINATOR_NOT_AVAILABLE. Transaction and share coordinators are refused with INVALID_REQUEST.
//
// Version notes: v1 key type; v4 many keys at once (KIP-699).
func handleFindCoordinator(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.FindCoordinatorRequest)
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	code, text := codeNone, ""
	if c.version >= 1 && req.CoordinatorType != coordinatorGroup {
		code, text = codeInvalidRequest, "only group coordinators are served"
	} else {
		code = b.ensureOffsetsTopic(sc)
	}
	live := b.neighbours()
	if c.version < 4 {
		n, code := b.coordinatorFor(live, req.CoordinatorKey, code)
		resp.ErrorCode, resp.NodeID, resp.Host, resp.Port = int16(code), n.id, n.host, n.port
		if text != "" {
			resp.ErrorMessage = kmsg.StringPtr(text)
		}
		return encode(c, resp), nil
	}
	for _, key := range req.CoordinatorKeys {
		n, code := b.coordinatorFor(live, key, code)
		r := kmsg.NewFindCoordinatorResponseCoordinator()
		r.Key, r.ErrorCode, r.NodeID, r.Host, r.Port = key, int16(code), n.id, n.host, n.port
		if text != "" {
			r.ErrorMessage = kmsg.StringPtr(text)
		}
		resp.Coordinators = append(resp.Coordinators, r)
	}
	return encode(c, resp), nil
}

// coordinatorFor finds a group's coordinator among the live brokers, unless the request has failed with code.
func (b *Broker) coordinatorFor(live []neighbour, group string, code Code) (neighbour, Code) {
	nobody := neighbour{id: -1, port: -1}
	if code == codeInvalidRequest {
		return nobody, code
	}
	if code != codeNone {
		return nobody, codeCoordinatorNotAvailable
	}
	id := b.cfg.NodeID
	if b.cfg.Cluster != nil {
		id = b.coordinatorBroker(group)
	}
	if n, there := neighbourOf(live, id); there {
		return n, codeNone
	}
	return nobody, codeCoordinatorNotAvailable
}
