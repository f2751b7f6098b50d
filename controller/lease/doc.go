// Package lease is the session lease between a broker and the controllers, as two state
// machines without I/O: Grants is the leading controller's side, Holder the broker's.
// A broker may acknowledge only while it holds its lease, and a controller may fence it
// only once the lease has run out, by clocks that differ in what they show but hardly in
// how fast they go. The lease is a second line: what decides is the fence word of the
// volume, or the store (PROTOCOL rule 6). A clock that stops defeats any lease.
//
// It is not the driver: it sends nothing, proposes nothing and knows nothing of Raft. Who
// drives Grants tells it of leadership, heartbeats, quorum rounds and applied fences.
//
// # States
//
// Of a broker epoch, as its leader sees it:
//
//	granted ──▶ granted       a heartbeat, and a quorum round begun after it arrived
//	   │   ╲
//	   │    ╲─▶ suspected     it should end: nothing is granted any more, and it falls due in time
//	   ▼         │
//	decided ◀────┘            L + margin after the last grant, or proof of death: its fence is proposed
//	   │
//	   ▼
//	gone                      the fence is applied, or somebody else leads
//
// # Invariants
//
//	L1 LeaseNested    a lease ends, by the broker's clock, before its fence is decided by the leader's,
//	                  while both clocks go right within Margin
//	L2 GrantByLeader  a grant is given in a round that began after its heartbeat arrived, and in one leadership
//	L3 DecidedIsFinal after the decision to fence an epoch, nothing is granted to it in that leadership
//	L4 CountedFromSend a broker counts its lease from the sending of the very heartbeat that was answered
//
// # Concurrency
//
// None inside: each side belongs to one task. Times are host.Time, of one clock each.
package lease
