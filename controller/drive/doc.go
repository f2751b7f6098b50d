// Package drive is what the leading controller does without being asked: it gives orphaned WALs a recoverer
// and partitions an owner, moves partitions away from brokers that drain, and ends brokers that hold things
// up past a deadline. Everything it does is a command that metadata judges, or the end of a lease.
//
// It is not an authority: what it decides is recorded or refused by metadata, and any later leader decides the
// same from there. It moves no partition itself (the owner does, from metadata), recovers no WAL (the
// recoverer does, ReleaseWal included), and fences nobody: who is suspected gets no lease any more, and the
// controller fences it when its last one has run out (PROTOCOL rule 3). Leases that run out by themselves are
// the controller's.
//
// # Pieces
//
//	Decider  one leadership's decisions, without I/O: metadata and a time in, a Plan out
//	Run      the task: decides while this member leads, proposes in the term of the decision
//
// # Rules
//
//	orphans    a WAL to be recovered that nobody holds: AssignRecoverer, to the seat with the fewest recoveries
//	unowned    a partition whose last range is closed: OpenRange, by placement
//	drains     a partition of a draining broker: BeginMove, by placement; a bounded number are under way at a
//	           time, and without a target it stays where it is until its owner seals it in leaving
//	moves      a move that its living owner has not ended in time: the owner is suspected (rule 25)
//	debts      an owed range that has not got shorter in time, while others can upload: who holds its WAL is
//	           suspected (rule 27). Of each WAL one holder at most in a leadership: if the next one cannot upload
//	           it either, it is the WAL, and an operator has to look
//
// A seat is a broker that is live, does not drain, has an open WAL and is not suspected. A deadline counts from
// when this leader first saw the thing.
//
// # Invariants
//
//	D1 MoveTarget   nothing goes to a broker that drains, is suspected or is fenced
//	D2 OneAtATime   a plan has at most one command for a WAL or a partition, and no plan is made before every
//	                command of the last has its answer
//	D3 Bounded      at most Config.Moves moves are under way because of it, and Config.MovesOfOne from one broker
//	D4 Quiescent    where nothing is to do the plan is empty; a refused command is not decided again at once
//	D5 OneTerm      a plan is proposed in the term in which it was made, or not at all
//
// # Concurrency
//
// A Decider belongs to one task. Run is a task, one a controller; it lasts until its scope ends.
package drive
