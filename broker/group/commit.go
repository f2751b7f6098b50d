package group

import (
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

func (g *machine) onCommit(e Commit) {
	kinds := make([]Kind, len(e.Offsets))
	if k := g.validateCommit(e); k != OK {
		g.reply(e.Token, CommitResult{fill(kinds, k)})
		return
	}
	var good []Offset
	for i, o := range e.Offsets {
		if len(o.Metadata) > g.cfg.MaxMetadata {
			kinds[i] = MetadataTooLarge
			continue
		}
		o.Committed = g.now.Wall
		good = append(good, o)
	}
	if len(good) == 0 {
		g.reply(e.Token, CommitResult{kinds})
		return
	}
	record := encodeOffsets(g.id, good)
	if len(record) > g.cfg.MaxRecordBytes {
		g.reply(e.Token, CommitResult{fill(kinds, RecordTooLarge)})
		return
	}
	g.persist(record, func() { g.reply(e.Token, CommitResult{kinds}) },
		func() { g.reply(e.Token, CommitResult{fill(kinds, NotCoordinator)}) })
}

func fill(kinds []Kind, k Kind) []Kind {
	for i := range kinds {
		kinds[i] = k
	}
	return kinds
}

// validateCommit says whether the committer may. A generation below 0 comes from a client that manages
// its partitions itself: only while nobody is a member. Members may commit what they hold until their
// next join is answered; between that and the assignment they hold nothing.
func (g *machine) validateCommit(e Commit) Kind {
	switch {
	case g.state == Dead:
		return NotAvailable
	case e.Generation < 0 && g.state == Empty:
		return OK
	case mutant.On(mutant.StaleGeneration) && 0 <= e.Generation && e.Generation < g.generation:
		return OK
	case e.Generation < 0 && e.MemberID == "" && e.InstanceID == "":
		return UnknownMember
	}
	m, k := g.find(e.MemberID, e.InstanceID)
	switch {
	case k != OK:
		probe.Hit(probe.GroupUnknownMember)
		return k
	case e.Generation != g.generation:
		probe.Hit(probe.GroupStaleGeneration)
		return IllegalGeneration
	case g.state == CompletingRebalance:
		probe.Hit(probe.GroupCommitBetween)
		return RebalanceInProgress
	}
	g.heard(m)
	return OK
}

func (g *machine) onDropOffsets(e DropOffsets) {
	kinds := make([]Kind, len(e.Parts))
	if g.state == Dead || len(e.Parts) == 0 {
		g.reply(e.Token, CommitResult{kinds}) // the offsets go with the group
		return
	}
	g.persist(encodeDropped(g.id, e.Parts), func() { g.reply(e.Token, CommitResult{kinds}) },
		func() { g.reply(e.Token, CommitResult{fill(kinds, NotCoordinator)}) })
}

func (g *machine) onDelete(e Delete) {
	switch g.state {
	case Dead:
		g.reply(e.Token, DeleteResult{NotFound})
		return
	case Empty:
	default:
		g.reply(e.Token, DeleteResult{NonEmpty})
		return
	}
	g.die(func() { g.reply(e.Token, DeleteResult{OK}) },
		func() { g.reply(e.Token, DeleteResult{NotCoordinator}) })
}

// die stores the end of an empty group. Until that is durable requests are told to come back: they may
// then found it anew.
func (g *machine) die(then, abort func()) {
	probe.Hit(probe.GroupDied)
	g.state = Dead
	g.promised = nil
	g.persist(encodeDeleted(g.id), then, abort)
}
