// Package remote is a broker's client of the controllers: it implements metadata.Service over package rpc
// with a replica of its own, and keeps a broker's lease alive.
//
// It is not an authority: it decides nothing, stores nothing, and never repeats a command whose outcome is
// unknown; whoever proposed it does.
//
// # States
//
// The replica follows one member at a time, any of them:
//
//	following ──▶ following      entries that continue it, or none: then on to the next member
//	    │   ▲
//	    ▼   │ all its parts are here, and it is newer than the replica
//	  loading ──▶ following      the source changed, or does not have that snapshot any more: begun anew
//	    │
//	    ▼
//	  ended                      closed; or an entry that only a newer program can read
//
// A session holds a lease or does not, as lease.Holder says, until it is over: the replica shows that the epoch is
// not live.
//
// # Invariants
//
//	C1 ApplyOrder      entries are applied by index, each once, without a gap and in terms that never fall; an answer
//	                   that does not continue the replica is refused as a whole
//	C2 ReadYourResults Read shows a state that is not older than any result that Propose returned, or index that
//	                   Sync did
//	C3 LeaseFromSend   a lease counts from before the first byte of the very heartbeat left that was answered
//	C4 OneSnapshot     the parts of a snapshot are of one index, from one member, without a gap
//	C5 OnceProposed    a command is proposed again only if what was proposed before is known never to be applied, or
//	                   was applied as a refusal
//
// # Concurrency
//
// Methods may be called from any task. Tasks: "remote.follow"; for each session "remote.session" and one
// "remote.heartbeat" for each heartbeat that is not answered. Lock order: a session's, then the client's; neither is
// held across a call.
package remote
