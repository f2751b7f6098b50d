// Package collector deletes the bytes of objects that nothing refers to any more, and of keys that nothing ever
// will (PROTOCOL rules 34, 35): destroyed in metadata → grace → bytes → Forget; and garbage, which a sweep of the
// whole store finds.
//
// It is not the judge: metadata says what is destroyed and what is garbage, and both stay so for ever, so a
// collector may stop anywhere, run twice, or be one that does not know yet that it should have stopped: what it
// deletes is deletable still. A single process has one; in a cluster whoever leads the controllers has, and no
// broker does.
//
// # Invariants
//
//	G1 GarbageForever  a key is deleted only if metadata, at one index, calls its object destroyed or garbage
//	G2 BytesFirst      an object is forgotten only after its bytes are deleted
//	G3 Ours            a key of another cluster, or of no form of ours, is left alone
//
// # Concurrency
//
// A Collector belongs to one task.
package collector
