package group

import (
	"bytes"
	"time"

	"github.com/weirmq/weir/host"
)

// parked is a request that waits for its phase to end.
type parked struct {
	on    bool
	token Token
}

// member is one member of a live group.
type member struct {
	id         string
	instance   string // "" for a dynamic member
	clientID   string
	clientHost string
	session    time.Duration
	rebalance  time.Duration
	protocols  []Protocol
	assignment []byte

	join     parked
	sync     parked
	fresh    bool      // its first join is not answered yet: it cannot send heartbeats
	mustSync bool      // joined this generation, has not synced
	expires  host.Time // session's or first join's end; 0 = not counted while a request is parked
}

// matches reports whether p is what the member joined with.
func (m *member) matches(p []Protocol) bool {
	if len(p) != len(m.protocols) {
		return false
	}
	for i, x := range m.protocols {
		if x.Name != p[i].Name || !bytes.Equal(x.Metadata, p[i].Metadata) {
			return false
		}
	}
	return true
}

// metadata is the member's subscription under a protocol, nil if it does not support it.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

// supports reports whether the member can use a protocol.
func (m *member) supports(protocol string) bool {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return true
		}
	}
	return false
}

// vote is the member's first choice among the candidates.
func (m *member) vote(candidates []string) string {
	for _, p := range m.protocols {
		for _, c := range candidates {
			if p.Name == c {
				return c
			}
		}
	}
	return ""
}

func (m *member) update(e Join) {
	m.clientID, m.clientHost = e.ClientID, e.ClientHost
	m.session, m.rebalance = e.SessionTimeout, e.RebalanceTimeout
	m.protocols = e.Protocols
}
