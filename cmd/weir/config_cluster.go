package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/weirmq/weir/gossip/listgossip"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/rpc"
)

// clusterSettings are those of a node that is one of a cluster. Without ClusterListen none of them counts.
type clusterSettings struct {
	Roles            []string
	NodeID           int32
	ClusterListen    string // address for other nodes; "" = a server by itself
	ClusterAdvertise string // host:port given to other nodes; "" = ClusterListen
	Join             []string
	Form             bool
	Rack             string
	Lease            time.Duration
	GossipListen     string // "" = no gossip
	GossipKey        string
	Volumes          string        // directory that the brokers of this machine share; "" = below Data
	VolumesExec      string        // program that attaches and detaches volumes; "" = Volumes
	VolumesTimeout   time.Duration // of one call of it
	NoticeFile       string        // the node leaves when it appears; "" = none
	Drain            time.Duration // how long a stop lets the broker drain …
	NoticeDrain      time.Duration // … and a notice
}

const (
	roleBroker     = "broker"
	roleController = "controller"
	listType       = "stringSlice" // what pflag calls a list
	leaseMin       = 500 * time.Millisecond
	leaseMax       = time.Minute
)

func (c *clusterSettings) flags(f *pflag.FlagSet) {
	f.StringVar(&c.ClusterListen, "cluster-listen", "", "address for the other nodes of a cluster; "+
		"without it this server is one by itself")
	f.StringVar(&c.ClusterAdvertise, "cluster-advertise", "", "host:port that other nodes are told "+
		"(default: the cluster-listen address)")
	f.StringSliceVar(&c.Roles, "roles", []string{roleController, roleBroker}, "what the node does in the cluster")
	f.Int32Var(&c.NodeID, "node-id", 1, "the node's number, its own in the cluster; fixed at its first start")
	f.StringSliceVar(&c.Join, "join", nil, "cluster addresses of other nodes, host:port,…")
	f.BoolVar(&c.Form, "form", false, "found a cluster at the first start if no node of --join belongs to one; "+
		"on one node only")
	f.StringVar(&c.Rack, "rack", "", "where the node is, such as a zone, for placement")
	f.DurationVar(&c.Lease, "lease", 3*time.Second, "how long a broker that is not heard of keeps its partitions; "+
		"the same on every node")
	f.StringVar(&c.GossipListen, "gossip-listen", "", `ip:port for gossip, UDP and TCP; "" turns it off`)
	f.StringVar(&c.GossipKey, "gossip-key", "", "key of 16, 24 or 32 bytes in base64 that encrypts gossip, "+
		"the same on every node")
	f.StringVar(&c.Volumes, "volumes", "", "directory of the WALs, which all brokers of this machine share "+
		"(default: volumes below --data)")
	f.StringVar(&c.VolumesExec, "volumes-exec", "", "PROGRAM that creates, attaches, detaches and deletes the volumes "+
		"of WALs, instead of --volumes")
	f.DurationVar(&c.VolumesTimeout, "volumes-timeout", 3*time.Minute, "how long one call of --volumes-exec may take "+
		"before it is killed and repeated")
	f.StringVar(&c.NoticeFile, "notice-file", "", "FILE whose appearance says that the machine goes away: "+
		"the node drains and ends")
	f.DurationVar(&c.Drain, "drain", 30*time.Second, "how long SIGTERM lets partitions move to other brokers "+
		"before the node ends as it is")
	f.DurationVar(&c.NoticeDrain, "notice-drain", 100*time.Second, "the same after a notice")
}

// joined is a list of scalars as a flag takes it.
func joined(n *yaml.Node) (string, bool) {
	var list []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || strings.ContainsAny(item.Value, ",\"") {
			return "", false
		}
		list = append(list, item.Value)
	}
	return strings.Join(list, ","), true
}

func (c *clusterSettings) validate(s *serverConfig) error {
	if c.ClusterListen == "" {
		return c.alone()
	}
	if c.ClusterAdvertise == "" {
		c.ClusterAdvertise = c.ClusterListen
	}
	if err := c.checkAddresses(); err != nil {
		return err
	}
	for _, role := range c.Roles {
		if role != roleBroker && role != roleController {
			return fmt.Errorf("--roles %s: there is no role %q; the roles are %s and %s",
				strings.Join(c.Roles, ","), role, roleController, roleBroker)
		}
	}
	controls := slices.Contains(c.Roles, roleController)
	switch {
	case len(c.Roles) == 0:
		return fmt.Errorf("--roles is empty; give %s, %s or both", roleController, roleBroker)
	case c.NodeID < 0 || c.NodeID == math.MaxInt32:
		return fmt.Errorf("--node-id %d: give a number from 0 to %d", c.NodeID, math.MaxInt32-1)
	case c.Form && !controls:
		return errors.New("--form takes the role controller: a cluster begins with one")
	case len(c.Join) == 0 && !controls:
		return errors.New("--join is empty, and a node that is no controller needs to be told where one is")
	case c.Drain <= 0 || c.NoticeDrain <= 0:
		return errors.New("--drain and --notice-drain have to be more than 0")
	case c.Lease < leaseMin || c.Lease > leaseMax:
		return fmt.Errorf("--lease %s: give between %s and %s", c.Lease, leaseMin, leaseMax)
	case c.Volumes != "" && c.VolumesExec != "":
		return errors.New("--volumes and --volumes-exec exclude each other: volumes are in a directory that brokers share, " +
			"or a program attaches them")
	case c.VolumesTimeout < time.Second:
		return fmt.Errorf("--volumes-timeout %s: give at least 1s", c.VolumesTimeout)
	case s.ObjStore == "":
		return errors.New("--objstore-config is empty, and the nodes of a cluster need one object store for all; " +
			"a file with `type: FILESYSTEM` and a directory will do on one machine")
	}
	if c.GossipKey != "" {
		if _, err := listgossip.ParseKey(c.GossipKey); err != nil {
			return fmt.Errorf("--gossip-key: %w", err)
		}
	}
	return nil
}

// alone refuses settings that would silently do nothing.
func (c *clusterSettings) alone() error {
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"cluster-advertise", c.ClusterAdvertise != ""}, {"join", len(c.Join) > 0}, {"form", c.Form},
		{"gossip-listen", c.GossipListen != ""}, {"volumes", c.Volumes != ""},
		{"volumes-exec", c.VolumesExec != ""},
	} {
		if s.set {
			return fmt.Errorf("--%s is for a node of a cluster; give it --cluster-listen as well", s.name)
		}
	}
	return nil
}

func (c *clusterSettings) checkAddresses() error {
	type named struct{ name, addr string }
	list := []named{{"cluster-listen", c.ClusterListen}, {"cluster-advertise", c.ClusterAdvertise}}
	for _, a := range c.Join {
		list = append(list, named{"join", a})
	}
	if c.GossipListen != "" {
		list = append(list, named{"gossip-listen", c.GossipListen})
	}
	for _, a := range list {
		port, err := splitAddr(a.addr)
		if err != nil {
			return fmt.Errorf("--%s %q: %w", a.name, a.addr, err)
		}
		if port == 0 && a.name != "gossip-listen" && (a.name != "cluster-listen" || c.ClusterAdvertise == a.addr) {
			return fmt.Errorf("--%s %q: other nodes need a port that is known beforehand", a.name, a.addr)
		}
	}
	host, _, _ := net.SplitHostPort(c.ClusterAdvertise)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("--cluster-advertise: other nodes cannot connect to %q; name a host or address that they reach",
			c.ClusterAdvertise)
	}
	return nil
}

// volumes is the directory of the WALs of a cluster's brokers.
func (c *serverConfig) volumes() string {
	if c.Volumes == "" {
		return filepath.Join(c.Data, "volumes")
	}
	return c.Volumes
}

// provide gives a node's broker the provider of volumes that is asked for, if it is another than the directory.
func (c *clusterSettings) provide(h *oshost.Host, cfg *node.Config) (err error) {
	if c.VolumesExec != "" {
		cfg.Volumes, err = h.ExecVolumes(oshost.ExecConfig{Script: c.VolumesExec, Timeout: c.VolumesTimeout})
	}
	return err
}

// cluster fills in what a node of a cluster is told.
func (c *clusterSettings) cluster(cfg *node.Config) {
	cfg.NodeID = c.NodeID
	if c.ClusterListen == "" {
		return
	}
	cfg.ClusterListen, cfg.ClusterAdvertise = c.ClusterListen, c.ClusterAdvertise
	cfg.GossipListen, cfg.GossipKey, cfg.Gossip = c.GossipListen, c.GossipKey, startGossip
	cfg.Join, cfg.Form, cfg.Rack, cfg.Lease = c.Join, c.Form, c.Rack, c.Lease
	cfg.StopDrain = c.Drain
	for _, role := range c.Roles {
		switch role {
		case roleBroker:
			cfg.Roles |= rpc.RoleBroker
		case roleController:
			cfg.Roles |= rpc.RoleController
		}
	}
}
