// Package crashtest starts the real server as a process of its own and does to it what machines, operators
// and clients do: kill -9 under load, disks that are slow or fail, volumes that are lost, bytes that rot,
// stores that stop, requests that make no sense. It then holds what clients were told against what is there.
//
// It is tests only, behind the build tag integration (make integration), and needs strace, root and versitygw.
// It proves nothing that a seed could prove: what the simulator can do is tested there. Here the subject is
// the binary, its flags, its one-line refusals and the operating system below it.
//
//	go test -tags integration ./crashtest -run Kill -rounds 50
//	go test -tags integration ./crashtest -long
//	WEIR_REAL_JSON=$PWD/bin/evidence/real.json go test -tags integration ./crashtest
//
// The last leaves how often each kind of fault was done to a real process, for the correctness report.
//
// Nothing of it may be called by production code. Each test owns its processes, ports and folders; a ledger
// is shared by the clients of one test and safe for many goroutines.
package crashtest
