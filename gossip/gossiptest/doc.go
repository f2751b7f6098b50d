// Package gossiptest is what every gossip.Membership must do, as a suite over a [Rig] that starts, kills and cuts off
// members: join, spread of load, leave, crash, rejoin under a new epoch, conflict of node ids, a partition that heals.
//
// It judges what members see in the end and within a number of paces, never how: neither messages nor their number. It
// is no test of scale.
//
// Concurrency: the suite runs on one goroutine, the test's; a Rig runs members as it likes.
package gossiptest
