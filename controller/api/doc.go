// Package api is what the controllers of a cluster say to each other and to brokers over package rpc: the numbers of
// the methods, requests and answers with their bytes, and the refusals. Package controller serves it.
//
// It is not a client: it opens no connection and follows no hint.
//
// # States
//
// None: it holds values only.
//
// # Invariants
//
//	P1 NumbersStay     a method keeps its number, and a field its place: what is new goes to the end
//	P2 DefiniteIsFinal a refusal that [Definite] calls definite was never proposed and never will be
//
// # Concurrency
//
// None inside.
//
// docs/format/controller.md draws the messages.
package api
