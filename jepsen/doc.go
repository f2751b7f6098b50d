// Package jepsen puts a cluster of real processes under real clients and real faults, and has package check judge
// what the clients saw: the same histories and the same verdicts as the simulator's, from another world. What the
// simulator models is real here: kernels, sockets, disks, signals, franz-go, librdkafka, an S3 server.
//
// It is tests only, behind the build tag integration. It needs versitygw (make jepsen installs it); a client of
// librdkafka takes part where kcat is on the machine.
//
//	make jepsen                      five minutes, a fault every fifteen seconds
//	make jepsen JEPSEN_TIME=1h
//	go test -tags integration ./jepsen -run TestCluster -time 30s -only kill,pause
//
// A run goes through four parts:
//
//	workload   producers (idempotent, pipelined), readers that see every answer's marks, consumers, a group with
//	           commits, offsets written and read, ends listed; at most 2,000 operations a second
//	nemesis    one fault at a time, drawn by -seed, each ended before the next: kill -9, SIGSTOP past the lease,
//	           cuts in one or both directions, delays, resets, the store away or slow, clock faults by a fault plan,
//	           moves, drains, notices, rolling restarts
//	rest       every link whole, every node up; what was sent must be answered
//	verdict    every partition read back from its start, the history judged, jepsen.json and jepsen.html written
//
// A run is not repeatable, a history is: it is saved in -out, and `weir sim check DIR` judges it again.
//
// Concurrency: each worker is one goroutine and one client of the history, with one operation at a time. The
// recorder is safe for all of them.
package jepsen
