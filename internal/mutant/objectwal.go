package mutant

// The planted bugs of the object WAL.
const (
	AckBeforeGap        ID = "ack-before-gap"
	ConflictIsStored    ID = "conflict-is-stored"
	RetryOtherBytes     ID = "retry-other-bytes"
	TombstoneAtEnd      ID = "tombstone-at-end"
	WalkFromList        ID = "walk-from-list"
	DeleteBeforeCarried ID = "delete-before-carried"
	TombstoneSwept      ID = "tombstone-swept"
)

// ObjectWAL returns the planted bugs of the object WAL. They are not among All, which are those that worlds of whole
// nodes find: the worlds that find these are in that package's tests.
func ObjectWAL() []Bug {
	const in = "wal/objectwal"
	return []Bug{
		{AckBeforeGap, in, "rule 19", "a sequence is answered before those before it are stored"},
		{ConflictIsStored, in, "rule 19", "a key that is taken counts as stored, whatever it holds"},
		{RetryOtherBytes, in, "rule 19", "a sequence is put again with other bytes"},
		{TombstoneAtEnd, in, "rule 20", "the tombstone is put behind the last key and not at the first gap"},
		{WalkFromList, in, "rule 20", "the walk begins at the first key that is listed, not at the trim in metadata"},
		{DeleteBeforeCarried, in, "rule 20", "keys are deleted before metadata carries the trim"},
		{TombstoneSwept, in, "rule 20", "a tombstone is deleted as garbage"},
	}
}
