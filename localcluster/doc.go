// Package localcluster runs a cluster of real weir processes on this machine, for trying and for tests: it writes one
// configuration file a node, starts the processes, does to them what machines and networks do to each other, and
// stops them in order. `weir dev` is its face on the terminal, package jepsen drives it from a program.
//
// It is no part of a cluster that serves anybody: everything listens on the loopback, data lies in one folder, and
// whoever may read that folder may end the nodes.
//
//	Spec ─▶ plan: node-1.yaml …   ports, roles, folders
//	        Cluster: processes    start, kill -9, SIGSTOP, SIGCONT, SIGTERM, a notice file
//	        Net: proxies          what flows from whom to whom: cut, slow, reset
//	        Control               dev.json and a socket, for the commands beside `weir dev up`
//
// A node is told addresses of proxies alone, as its own cluster address and as those to join. A proxy learns who
// dialled from the hello that each connection begins with (docs/format/rpc.md), so what flows from node 1 to node 2
// can be held back without holding back what flows from 2 to 1, on the connections that either has made. What is
// held back stays in the sender's and the proxy's buffers, as on a line that loses every packet: nothing is told to
// either end. Gossip has no proxies.
//
// # Invariants
//
//  1. A process that this package has started has ended when Down has returned.
//  2. Equal specs with equal ports give equal configuration files.
//
// Concurrency: methods of Cluster and Net may be called from any goroutine. Actions on one node wait for each other.
package localcluster
