// Command bench measures a weir server beside the two things that bound it: the disk's own sync, and
// bench/bare, the least code that can acknowledge a synced produce request.
//
//	go run ./bench            about three minutes: make bench
//	go run ./bench --short    about one minute
//
// It builds both servers into a temporary folder, starts them with their data on the same disk, and drives
// them with the same client over loopback. Every case is run on one and the other in turn, several times,
// because a shared disk drifts by a factor of five within minutes: only ratios of neighbours mean anything.
// While one server is measured the other is stopped (SIGSTOP), so that what it does in the background is
// paid by itself. Server processor time is read from /proc.
//
// The output is Markdown: a table of cases, and a verdict for each budget. bench judges speed only; whether
// what was acknowledged is there after a crash is asked by other tests.
//
// Concurrency: one goroutine a connection, which writes what its window allows and reads answers in turn.
package main
