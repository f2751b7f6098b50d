package probe

// Points of package controller.
var (
	ControllerSnapshotAgain      = define("controller.start reads two snapshots")
	ControllerSnapshotInParts    = define("controller.snapshot written in parts")
	ControllerEntriesBehind      = define("controller.entries behind a snapshot lie before it")
	ControllerBatchSplit         = define("controller.batch split in two records")
	ControllerSnapshotAlone      = define("controller.start from a snapshot without a later entry")
	ControllerSnapshotUnfinished = define("controller.snapshot left unfinished by a crash")
	ControllerSnapshotRest       = define("controller.rest of a trimmed snapshot skipped")
	ControllerLogBeginsLater     = define("controller.log begins with entries before its snapshot")
	ControllerBornAgain          = define("controller.half-born log removed")
	ControllerOutcomeUnknown     = define("controller.proposals of unknown outcome")
	ControllerLogDied            = define("controller.log died")
)
