// Package gossip says who seems to be there and how loaded they are: the [Membership] seam, what a member reports of
// itself, and the [View] that every implementation keeps. listgossip carries it over memberlist between real machines,
// simgossip over host.Network, in simulation too; gossiptest is what both must do.
//
// It is a hint, never a proof. A member shown alive may be dead, one shown gone may be serving, and two nodes may see
// different members for as long as they like. It makes things quick: finding a controller, suspecting a broker early,
// placing by load, showing people what is there. No lease, fence, ownership or acknowledgement may rest on it, and with
// gossip off everything works, only slower.
//
// docs/format/gossip.md draws what a member reports.
//
// # States of a member, as one node sees it
//
//	alive ─▶ suspect   nothing was heard of it for a while
//	alive, suspect ─▶ gone   for longer, or the library says so; or the member said that it leaves
//	suspect, gone ─▶ alive   it was heard of again, unless it had left
//	gone ─▶ forgotten   after a while, or when another life of the same node takes its place
//
// A life is one run of a node's process, from start to leave or crash: it draws a number, its instance. A node that
// comes back is another life. Two lives of one node id are both shown, until the broker epochs tell which is the
// later, or one is silent: an operator who gave two nodes one id must see both.
//
// # Invariants
//
//	G1 HintOnly      nothing here is durable, fenced or compared with a clock of another machine
//	G2 NewestReport  what is shown of a life is its report of the highest number seen; a lower one changes nothing
//	G3 OnlyNewsIsLife only a report of a higher number than any seen, or an answer of the member itself, makes it alive:
//	                 copies that go round never do
//	G4 LeftStays     a life that said it leaves is not alive again
//	G5 LaterEpoch    of two lives of one node with broker epochs the lower is not shown, unless the higher is gone
//	G6 Bounded       a report fits memberlist's 512 bytes; a view holds at most MembersMax lives
//	G7 VersionMoves  Members differ, but for the numbers of reports, only if the version does, and it only grows
//
// # Concurrency
//
// Everything may be called from any task. View.mu is held across nothing that blocks.
package gossip
