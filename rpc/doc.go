// Package rpc carries calls and one-way messages between the nodes of a cluster over [host.Network]: a [Server]
// answers methods that it was given, a [Pool] calls them by address. Payloads are bytes that it never looks into.
//
// It is not an authority: it does not know who leads, who is alive or which node an address ought to be, it keeps
// nothing across a restart, and it never sends anything twice. What a node says of itself in its hello is believed,
// so it is no protection against anybody who reaches the port.
//
// docs/format/rpc.md draws hello and frame.
//
// # Outcomes of a call
//
//	answered     a result
//	refused      a *[Status]: the other side's no; [Status.NeverRan] tells whether a handler saw the request
//	unreachable  [ErrUnreachable]: nothing of it left this node; it was not and will not be carried out
//	unknown      [ErrUnknown]: it left, and no answer came in time, or its connection ended
//
// # Connections
//
// There are two [Class]es, each with a connection of its own: what is urgent (heartbeats, votes) never waits behind
// what is large. The highest bit of a [Method] says to which it belongs. Between two nodes that call each other there
// are up to four: each is used by its dialler alone.
//
//	dialler:   idle ─▶ dialling ─▶ hello ─▶ connected ─▶ lost, or idle for two minutes
//	listener:  accepted ─▶ hello ─▶ serving ─▶ ended
//
// A dialler that hears nothing for a second sends a ping; if nothing comes then for 4 s (bulk: 16 s) it hangs up. A
// listener hangs up after 16 s of silence, or when its answers are not taken for 10 s. After a connection that could
// not be made, or lived less than a second, there is a pause of 10 ms to 1 s, longer each time, in which calls fail at
// once. Requests that had not left when a connection was lost go on the next one.
//
// # Invariants
//
//	R1 CallEndsOnce  a call ends once; it is unreachable only if nothing of it was handed to a connection
//	R2 AnswerMatches an answer ends the call of its id and method, on the connection that carried the request
//	R3 HelloFirst    a dialler writes no frame before it has read a hello that welcomes it, and a listener reads none
//	                 before it has written one: bytes that arrive twice, on a connection of their own, run nothing
//	R4 AnsweredOnce  a request runs at most once and is answered at most once
//	R5 ScopeEnds     a handler's scope ends at its caller's deadline, with a cancel, or with the connection
//	R6 IDNeverReused a link gives each request a number of its own, over all its connections
//	R7 MemoryBound   requests in work and answers on their way are counted against a budget; a length that is only
//	                 promised takes at most a megabyte
//
// # Concurrency
//
// Methods of Pool and Server may be called from any task; Handle and HandleOneWay before Start alone. Tasks: for each
// link of a Pool "rpc.link", which dials and writes, and "rpc.receive"; for a Server "rpc.accept", for each of its
// connections "rpc.read" and "rpc.write", and one for each request, named after its method. Lock order: Pool.mu, then
// a link's; a Server's and a connection's are never held together. None is held across I/O or a handler.
package rpc
