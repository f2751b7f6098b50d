// Package broker serves Kafka clients: connections, one file an API key, partitions over streams.
//
// It is not the rules of a partition or a group (broker/partition, broker/group: sans-IO), not the
// storage (stream, wal) and not the cluster's agreement (metadata, behind metadata.Service). It never
// imports the controller.
//
// # Pieces
//
//	conn         a reader task that decodes and begins requests, a responder task that answers in order
//	apis         the table of served keys, their version ranges (Apache Kafka 4.2's) and handlers
//	topicIndex   what metadata says of topics, replaced whole by the follow task
//	part         one partition: partition.Log under a mutex, its stream, its waiters
//	catalog      metadata as the stream engine asks for it
//	session      in a cluster: the lease, and what keeps a broker from asking for it
//	neighbours   in a cluster: the live brokers, and hints to clients that ask the wrong one
//	move, park   a partition that goes to another broker; requests that wait for it, here and there
//	peers        what other brokers ask: states, and records that a WAL owes; and asking them
//	boot, Stop   the order of start and end that keeps acknowledged data
//
// # Alone, and one of several
//
// Config.Cluster tells which. Alone the controller is of this process: what it does not answer is the end, partitions
// open before requests see them, and every range is this broker's. In a cluster the controllers may be away for long:
// what the broker must tell them is repeated, requests are answered in their time, ranges come and go while others are
// served, and nothing is acknowledged or vouched for without the lease.
//
// # States
//
//	booting ─▶ serving ─▶ draining ─▶ stopped
//	              └──▶ failed: the WAL died or was fenced; nothing is acknowledged any more
//
// # Invariants
//
//  1. AckOrder: answers of one connection leave in the order of its requests.
//  2. AckedDurable: a produce is answered when the ack condition holds (PROTOCOL rule 6), never before.
//  3. DuplicateWaits: a duplicate is answered when its original is durable (rule 29).
//  4. ReadPrefix: a fetch shows a prefix of the log below the high watermark.
//  5. StateAtStart: a partition appends after its state is the range's first durable record (rule 26).
//  6. Definite: an error code says that nothing was appended; after the hand-over to the WAL the outcome
//     is unknown and the connection closes (rule 30). REQUEST_TIMED_OUT promises nothing.
//  7. SealFinal: a partition that was sealed for a move appends nothing any more; its end and state are
//     final (rule 24). Appends that come later wait for the next owner's name, and were never framed.
//  8. OwedOneHop: what a WAL owes is read from its holder, which looks nowhere else (rule 27).
//
// # Concurrency
//
// A conn belongs to its two tasks. Broker.mu guards the index and the list of connections; part.mu one
// partition. Lock order: the WAL's lock, Broker.mu, part.mu, produceCall.mu; Broker.mu, moving.mu. No mutex is
// held across anything that blocks.
package broker
