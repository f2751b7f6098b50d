package probe

// Points of package stream.
var (
	// Appends and the cache.
	StreamIndexFull      = define("stream.append waits for the index")
	StreamEvictBlocked   = define("stream.oldest slab is not durable yet")
	StreamOutcomeUnknown = define("stream.entries of unknown outcome leave the index")
	StreamDroppedOwing   = define("stream.deleted stream owed entries of several ranges")
	StreamOpenWaits      = define("stream.opening waits long for room in the log")

	// Moves.
	StreamSealWaits  = define("stream.a seal waits for appends in flight")
	StreamOwedRead   = define("stream.entries that another log owes were read from its holder")
	StreamOwedMoved  = define("stream.entries that another log owed are in objects by now")
	StreamOwedServed = define("stream.a holder of a log was asked for what that owes")
	StreamOwedFirst  = define("stream.what sealed ranges owe was uploaded before all else")

	// Uploads.
	StreamPutAgain        = define("stream.put without a good outcome")
	StreamKeyGivenUp      = define("stream.key of an upload given up")
	StreamGiveUpWaits     = define("stream.giving up a key waits for an upload")
	StreamCommitAlready   = define("stream.commit answered already")
	StreamCommitGone      = define("stream.commit answered gone")
	StreamRangeRefused    = define("stream.commit of a range refused")
	StreamCheckpointAlone = define("stream.object of checkpoints alone")
	StreamStatePins       = define("stream.opening state pins half a ring and no entry waits")
	StreamGoneUnderUpload = define("stream.deleted stream met by an upload")
	StreamPartCut         = define("stream.upload runs into damage")
	StreamUnreadableLeft  = define("stream.uploads went on without what could not be read")
	StreamShadowRebuilt   = define("stream.shadow made anew")

	// Reads.
	StreamReadMoved     = define("stream.read meets an entry that just left the log")
	StreamReadCutShort  = define("stream.read answered with what it had so far")
	StreamReadCrowded   = define("stream.strict read finds no memory")
	StreamReadOneByOne  = define("stream.joined read of the log fails")
	StreamReadOverGap   = define("stream.read skips an accepted gap")
	StreamGetAgain      = define("stream.part of an object read again")
	StreamLogReadAgain  = define("stream.read of the log repeated")
	StreamStateOlder    = define("stream.state comes from before the newest one")
	StreamStateMoved    = define("stream.state moves while it is rebuilt")
	StreamHeadsEndEarly = define("stream.heads do not tell all of the state")

	// Recovery and damage.
	StreamHoleRecovered    = define("stream.recovery finds a hole")
	StreamHoleMet          = define("stream.read finds a hole")
	StreamHoleUntold       = define("stream.hole that metadata does not take")
	StreamQuarantined      = define("stream.hole quarantined")
	StreamHoledClosed      = define("stream.open range with a hole pins half a ring")
	StreamStatelessGivenUp = define("stream.range whose state is lost pins half a ring")
	StreamBeyondSeal       = define("stream.recovery drops entries beyond a sealed end")
	StreamRangeBelowStart  = define("stream.range below the log start offset let go")
	StreamEndIsLogStart    = define("stream.recovery ends below the log start offset")
	StreamStateDischarged  = define("stream.recovery finds a discharged opening state")
)
