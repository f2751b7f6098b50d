// Package metadatapb holds the generated protobuf messages of package metadata: commands as they lie in
// the Raft log, results as they are answered, and the snapshot. It holds no logic; package metadata alone
// gives these bytes a meaning. Run go generate in package metadata after editing metadata.proto.
//
// Invariants: no map fields (their order is not fixed); field numbers are never reused.
//
// Concurrency: messages are plain data; whoever built one owns it.
package metadatapb
