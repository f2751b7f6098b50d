// Package simgossip is gossip.Membership by heartbeats over host.Network: every pace a member tells a few others, over
// a connection of its own each, what it knows of everybody, and hears what they know. It is what runs in simulation,
// where memberlist cannot: cuts, delays, resets and dead machines act on its messages as on all others, and everything
// it draws comes from the seed. It runs on a real machine too, as its tests show.
//
// It is not for production: nothing is encrypted or authenticated, and each exchange carries all members. For that
// there is listgossip.
//
// A report goes round with its age, the time since the member gave it, which every node adds to by its own clock; the
// time on the way is not counted. So a report that arrives late may show a dead member alive, for as long as gossip's
// patience, as with any other implementation.
//
// # Rare turns (host.Buggify)
//
//	gossip.doubt   one member becomes suspect although nothing speaks against it
//	gossip.mute    a round is left out
//
// # Invariants
//
//	S1 Bounded    a frame that is longer than frameMax, or whose checksum is wrong, is refused before it is looked into;
//	              at most answersMax exchanges are answered at a time, and one address is asked once at a time
//	S2 Deadline   an exchange ends within exchangePaces, whatever the other side does
//
// # Concurrency
//
// All methods may be called from any task. Tasks, in a child of the scope given to Start: "gossip.round",
// "gossip.accept", and for each exchange "gossip.ask" or "gossip.answer".
package simgossip
