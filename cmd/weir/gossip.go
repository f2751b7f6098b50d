package main

import (
	"fmt"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/gossip/listgossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
)

// startGossip gossips over memberlist.
func startGossip(sc *host.Scope, h host.Host, cfg node.GossipConfig) (gossip.Membership, error) {
	cfg.Self.Name = fmt.Sprint("node ", cfg.Self.Node)
	return listgossip.Start(sc, h, listgossip.Config{
		Self: cfg.Self, Listen: cfg.Listen, Key: cfg.Key, Label: cfg.Label,
	})
}
