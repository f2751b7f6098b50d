// Package listgossip is gossip.Membership over hashicorp/memberlist: SWIM between real machines, over UDP and TCP,
// encrypted when there is a key. It is exempt from the bans, like host/oshost: memberlist has its own goroutines,
// timers and sockets, and so cannot run in simulation, where simgossip keeps the same promises.
//
// It is no more than an adapter: what is seen is kept by gossip.View, and who is gone is memberlist's word.
//
// # How the seam maps to the library
//
//	a life      a memberlist node, named "<node id>.<instance>": two nodes with one id are two nodes there
//	a report    the node's metadata; a refresh raises the report's number, which is also the sign of life
//	suspect     the library does not show its suspicion: no refresh and no answered ping for a while
//	gone        NotifyLeave; by the member's own word if its last report said so
//	join        push/pull with each address that no member has, again and again with pauses, for as long as nobody is
//	            alive; with members there, now and then: after a long partition the library forgets, this does not
//
// The refresh slows down with the number of members, and patience grows with it: the library sends a bounded number of
// packets a second.
//
// # Invariants
//
//	L1 OneKeyLine  packets under another key are told as one error line a minute, with what to do, and not one a packet
//	L2 NoSpam      lines of the library go to slog at its level or below; what it calls an error is a warning here
//	L3 LeftOnce    the library's Leave is never called after its Shutdown (it panics)
//
// # Concurrency
//
// All methods may be called from any task. The library calls the delegate on goroutines of its own, some with its lock
// held: a delegate calls nothing but the View. Tasks, in a child of the scope given to Start: "gossip.refresh",
// "gossip.join", "gossip.end".
package listgossip
