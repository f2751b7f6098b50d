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
// Behavior: this broker coordinates every group; the offsets topic is created with the first question.
// Transaction and share coordinators are refused with INVALID_REQUEST.
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
	node, host, port := b.cfg.NodeID, b.advertised.Host, b.advertised.Port
	if code != codeNone {
		node, host, port = -1, "", -1
		if code != codeInvalidRequest {
			code = codeCoordinatorNotAvailable
		}
	}
	if c.version < 4 {
		resp.ErrorCode, resp.NodeID, resp.Host, resp.Port = int16(code), node, host, port
		if text != "" {
			resp.ErrorMessage = kmsg.StringPtr(text)
		}
		return encode(c, resp), nil
	}
	for _, key := range req.CoordinatorKeys {
		r := kmsg.NewFindCoordinatorResponseCoordinator()
		r.Key, r.ErrorCode, r.NodeID, r.Host, r.Port = key, int16(code), node, host, port
		if text != "" {
			r.ErrorMessage = kmsg.StringPtr(text)
		}
		resp.Coordinators = append(resp.Coordinators, r)
	}
	return encode(c, resp), nil
}
