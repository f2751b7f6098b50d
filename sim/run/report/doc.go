// Package report makes the correctness report: one HTML file, for a reviewer, of what is claimed, what was done to
// find that it is false, and what came of it.
//
// It runs nothing and measures nothing. Every figure comes from a file that a run wrote (package run names them:
// sweep.json, mutants.json and so on), the claims from docs/guarantees.md, the ledger from docs/bugs.md. Beside each
// figure stands the command that makes it again. Where a file is missing the report says so, and which command
// writes it: a section is never left out silently.
//
//	bin/evidence/*.json ─▶ Load ─▶ Evidence ─▶ Write ─▶ report.html
//	docs/*.md ──────────────┘                   │
//	                                            └ charts: SVG drawn here
//
// The file is self-contained: style, charts and the picture of a history are inside it, and it asks the network for
// nothing.
//
// # Invariants
//
//  1. The template's own text has no digit: a number in the report was read, or counted from what was read.
//  2. Equal evidence gives equal bytes.
//
// Concurrency: none; functions read their arguments only.
package report
