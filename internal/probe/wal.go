package probe

// Points of package wal.
var (
	// Recovery.
	WalTornTailDropped     = define("wal.torn tail dropped")
	WalRemainsDropped      = define("wal.torn tail without its header dropped")
	WalRemainsWiped        = define("wal.remains of a torn tail wiped")
	WalHeaderFlipped       = define("wal.header with one changed byte")
	WalDamageNamed         = define("wal.damage named")
	WalDamageWithoutHeader = define("wal.damage without a header")
	WalDamageSpared        = define("wal.damaged frame gave back some of its entries")
	WalOneSlotServes       = define("wal.one superblock slot serves alone")
	WalEqualSlots          = define("wal.superblock slots of one sequence")
	WalCleanMarkBelieved   = define("wal.clean mark believed")
	WalCleanMarkVoid       = define("wal.clean mark void")
	WalAllTrimmed          = define("wal.recovery found all of it trimmed")
	WalFarBeyondEvidence   = define("wal.recovery ended far beyond the evidence")
	WalLaterFrameFound     = define("wal.search ahead found a frame")
	WalSearchReadAgain     = define("wal.search ahead read again")
	WalBornAgain           = define("wal.birth repeated on a file left by another")
	WalBlockUnreadable     = define("wal.a block of the ring that cannot be read")
	WalPassedUnreadable    = define("wal.search ahead passed what cannot be read")

	// Appends.
	WalRingFull          = define("wal.append waits for ring space")
	WalReserveUsed       = define("wal.append takes of the reserve")
	WalSlabStarved       = define("wal.append waits for a slab")
	WalSlabTooShort      = define("wal.slab's rest too short for an entry")
	WalGroupSplit        = define("wal.group split in two frames")
	WalAppendGaveUp      = define("wal.append gave up waiting")
	WalSuperblockHurried = define("wal.superblock written early to free space")

	// Ends.
	WalWriteFailed      = define("wal.write failed")
	WalDiedOfSync       = define("wal.died of a sync")
	WalDiedOfSuperblock = define("wal.died of a superblock")
	WalFenced           = define("wal.fenced")
	WalFenceHigher      = define("wal.fence word already higher")
	WalFenceTorn        = define("wal.fence word torn")
	WalFenceReadAgain   = define("wal.fence word read again")
	WalLeaseParked      = define("wal.an acknowledgement waited for the lease")
	WalAbandoned        = define("wal.ended without a close")

	// Reads.
	WalReadForeign = define("wal.another holder's log read")
	WalReadAgain   = define("wal.ring read again")
	WalReadTrimmed = define("wal.read of a trimmed position")
	WalReadDamaged = define("wal.read found a changed block")
)
