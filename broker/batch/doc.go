// Package batch reads, checks and writes Kafka record batches of format version 2.
//
// It is the one place that knows the 61-byte batch header, its CRC and the four codecs. It is not a log:
// it knows no offsets but the ones in the bytes, no producers and no topics (package partition does), and
// it does no I/O.
//
// # A batch is its bytes
//
// A [Batch] is the slice it was read from; accessors read fields in place. Base offset and leader epoch
// lie outside the CRC, so the broker sets them without touching the rest. Everything else is covered:
// [Batch.SetLogAppendTime] recomputes the CRC.
//
// A Batch is only as good as the check it went through: [Verify] for bytes from a client, [Parse] for
// bytes from our own log, whose blocks carry checksums of their own. Accessors on shorter slices panic.
//
// # Payload
//
// Records are compressed by the client and handed on untouched. Only ListOffsets by time, weir consume
// and tests look inside, with a [Decoder]: it refuses payloads that unpack to more than its limit.
// [Builder] writes batches.
//
// # Invariants
//
//  1. Verify of an accepted batch allocates nothing and reads each byte once.
//  2. A batch that Verify accepted has Count() == LastOffsetDelta()+1 > 0 and len == Size().
//  3. A Decoder never holds more than its limit of unpacked bytes, whatever the payload says.
//  4. What Builder builds, Verify accepts and Decoder reads back.
//
// # Concurrency
//
// Functions on a Batch are plain reads and writes of its bytes. Decoder and Builder serve one task.
package batch
