// Package fsck checks what weir has stored: the metadata log, the WAL volumes and the bucket, against each other and
// each by itself. It reads with a reader of its own, written from docs/format and not from the code that writes, so
// that a mistake in that code does not excuse itself here. It writes nothing, and repairs nothing.
//
// It is not recovery: it decides nothing for the broker, and the broker does not ask it. It is not the judge of what
// clients saw (package check), but it hands out every record batch it finds, so that the two can be compared.
//
// # What it is given
//
// An [Image] of a volume's files and a [Bucket], both still. An image may be of any instant: what a crash leaves
// (a torn tail, writes that were never synced, objects without a commit) is normal and becomes a note. What no crash
// leaves is a finding. [Options.Stopped] demands more: that the node has ended in order and owes nothing.
//
// # What it checks
//
//	superblocks and fence   slots agree; uuid, generation, capacity are those of metadata
//	ring                    frames chain from both trims; no durable frame is missing or changed; the end is not below D
//	metadata log            records follow each other; the state passes every check of package metadata
//	objects                 exist, have size and CRC of metadata; footer, index, blocks, entries, batches are right
//	streams                 every offset from the log start offset on lies in one object, or in the WAL of its range,
//	                        or in a named hole; what lies in both is the same bytes
//	checkpoints             are there, can be read, are of their offset and remember the producers that the log shows
//	bucket                  holds nothing that nobody can have written; what waits to be deleted is counted
//
// # Speed
//
// Objects never change, so a [Cache] parses each once, and applies the metadata log from where the last check ended.
//
// Concurrency: one Check at a time may use a Cache. Everything else is plain values.
package fsck
