// Package peer is what the brokers of a cluster say to each other over package rpc: the numbers of the methods,
// requests and answers with their bytes and limits, and the refusals. Package broker serves and calls them.
//
// It is not a client: it opens no connection and knows no address. It judges nothing that takes metadata to judge:
// that a message can be read says nothing of whether its range exists.
//
// # States
//
// None: it holds values only.
//
// # Invariants
//
//	Q1 NumbersStay  a method keeps its number, a refusal its code, a field its number in peer.proto
//	Q2 Tagged       a state is never without the range and the offset that it is of (PROTOCOL rule 26)
//	Q3 Bounded      what is longer than its limit is refused by who reads it, before it is used
//
// # Concurrency
//
// None inside. What is read from bytes shares nothing with them.
//
// docs/format/peer.md draws the messages.
package peer
