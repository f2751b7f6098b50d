package broker

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
)

// JoinGroup (key 11), v0–9.
//
// Behavior: see broker/group. The answer comes when the join phase ends.
//
// Version notes: v1 rebalance timeout; v4 MEMBER_ID_REQUIRED for new members (KIP-394); v5 static members
// (KIP-345); v7 protocol type in the answer; v8 reason; v9 skip assignment (KIP-814).
func handleJoinGroup(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.JoinGroupRequest)
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	r := b.joinGroup(sc, c, req)
	resp.ErrorCode, resp.Generation = int16(groupCode(r.Kind)), r.Generation
	resp.LeaderID, resp.MemberID, resp.SkipAssignment = r.Leader, r.MemberID, r.SkipAssignment
	if r.Protocol != "" || c.version < 7 {
		resp.Protocol = kmsg.StringPtr(r.Protocol)
	}
	if r.ProtocolType != "" {
		resp.ProtocolType = kmsg.StringPtr(r.ProtocolType)
	}
	for _, m := range r.Members {
		jm := kmsg.NewJoinGroupResponseMember()
		jm.MemberID, jm.ProtocolMetadata = m.MemberID, m.Metadata
		if m.InstanceID != "" {
			jm.InstanceID = kmsg.StringPtr(m.InstanceID)
		}
		resp.Members = append(resp.Members, jm)
	}
	return encode(c, resp), nil
}

func (b *Broker) joinGroup(sc *host.Scope, c *call, req *kmsg.JoinGroupRequest) group.JoinResult {
	g, code := b.coordinatorOf(req.Group)
	if code != codeNone {
		return group.JoinResult{Kind: kindOfCode(code), Generation: -1, MemberID: req.MemberID}
	}
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	rebalance := session
	if c.version >= 1 {
		rebalance = time.Duration(req.RebalanceTimeoutMillis) * time.Millisecond
	}
	ev := group.Join{
		MemberID: req.MemberID, FreshID: b.memberID(c.clientID), InstanceID: deref(req.InstanceID),
		ClientID: c.clientID, ClientHost: "/" + hostOf(c.conn.nc.Peer().Addr),
		SessionTimeout: session, RebalanceTimeout: rebalance, ProtocolType: req.ProtocolType,
		RequireKnownID: c.version >= 4, SkipAssignment: c.version >= 9,
	}
	for i := range req.Protocols {
		ev.Protocols = append(ev.Protocols, group.Protocol{Name: req.Protocols[i].Name, Metadata: req.Protocols[i].Metadata})
	}
	res, err := g.ask(sc, req.Group, func(t group.Token) group.Event { ev.Token = t; return ev })
	if r, ok := res.(group.JoinResult); ok && err == nil {
		return r
	}
	return group.JoinResult{Kind: group.NotCoordinator, Generation: -1, MemberID: req.MemberID}
}

// memberID draws an id for a new member: the client's id and 16 random bytes, as Kafka does.
func (b *Broker) memberID(clientID string) string {
	id := b.newID()
	if len(clientID) > 200 {
		clientID = clientID[:200]
	}
	return clientID + "-" + hex.EncodeToString(id)
}

// kindOfCode is for answers that must be given without asking a group.
func kindOfCode(c Code) group.Kind {
	if c == codeCoordinatorNotAvailable {
		return group.NotAvailable
	}
	return group.NotCoordinator
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// hostOf is the host part of an address.
func hostOf(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		return strings.Trim(addr[:i], "[]")
	}
	return addr
}
