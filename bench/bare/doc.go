// Command bare is the yardstick of package bench: the least code that can acknowledge a Kafka Produce
// request only once it is on synced media, and the least that can answer a Fetch from memory.
//
//	bare --listen 127.0.0.1:19092 --file DIR/ring
//
// It decodes the request with kmsg, verifies the batch's CRC, copies the batch into an aligned slab, frames
// whatever came while the last group was synced with a CRC, writes the group with O_DIRECT, syncs it once,
// and answers in order. It shares no code with the product, so that a mistake in one is not in both.
//
// It is no broker: there is no recovery, no index, no limit on memory but the slabs, and it trusts its one
// client. A Fetch is answered with the newest group's bytes again and again, whatever was asked for: that
// is what a fetch costs when finding the bytes costs nothing.
//
// Concurrency: one goroutine a connection reads, one commits, one answers. Appends copy under one lock.
package main
