package probe

// Points of package broker/partition.
var (
	PartitionGap          = define("partition.a sequence gap was refused")
	PartitionOldEpoch     = define("partition.an older producer epoch was refused")
	PartitionNewEpoch     = define("partition.a producer came back with a new epoch")
	PartitionForgotten    = define("partition.a producer was forgotten for another")
	PartitionTransaction  = define("partition.a batch of a transaction was refused")
	PartitionFencedReader = define("partition.a client knew an older leader epoch")
	PartitionNewerReader  = define("partition.a client knew a newer leader epoch")
	PartitionSkipped      = define("partition.offsets were skipped behind an accepted loss")
	PartitionLateDurable  = define("partition.an append became durable after the partition closed")
)
