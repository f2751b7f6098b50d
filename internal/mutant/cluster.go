package mutant

import "slices"

// inCluster are the bugs in what only several nodes do: no world of one node comes by them.
var inCluster = []ID{
	RecovererWrites, ScanBeforeFence, SealsOnlyFound, ReleaseWrongWAL, EndBelowCommitted, SealInFlight, SealNotFinal,
	ProducersStay, StateBeforeEnd, OwedSkipped,
}

// InCluster tells whether it takes a world of several nodes to find the bug.
func (b Bug) InCluster() bool { return slices.Contains(inCluster, b.ID) }
