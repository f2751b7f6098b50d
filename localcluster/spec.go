package localcluster

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Spec says which cluster is wanted.
type Spec struct {
	Binary      string // the weir to run
	Dir         string // everything lies below it; made if it is missing
	Controllers int    // 1, 3 or 5
	Brokers     int
	Separate    bool // no node is both
	// BasePort is the Kafka port of node 1; the next ones follow, and other ports lie up to 500 above. 0 = any that
	// are free.
	BasePort int
	// Set are further settings of every node, by the names of the flags.
	Set map[string]string
	// ClientProxies puts a proxy before each Kafka address, so that links from and to Clients can be cut.
	ClientProxies bool
	// StoreConfig makes the file for --objstore-config of one node, given the address it shall use for the store;
	// nil means a folder that all nodes share. StoreAddr is where that store listens: each node has a proxy to it.
	StoreConfig func(addr string) string
	StoreAddr   string
	// Args are flags that cannot stand in a file, by node.
	Args map[int][]string
}

// Node is one node of a plan. Addresses are host:port.
type Node struct {
	ID         int
	Controller bool
	Broker     bool
	Kafka      string // for clients
	Cluster    string // for other nodes: a proxy's
	HTTP       string
	Data       string // folder
	Config     string // file
	Log        string // file: what its processes print
	NoticeFile string

	kafkaBehind, clusterBehind string // where the process itself listens
	store                      string // address of its proxy to the store, "" if there is none
}

// Roles is "controller, broker" and so on.
func (n *Node) Roles() string {
	switch {
	case n.Controller && n.Broker:
		return "controller, broker"
	case n.Controller:
		return "controller"
	}
	return "broker"
}

const (
	nodesMax = 50
	loopback = "127.0.0.1"
)

// Ports of node i, above the base port, in order of what they are for.
const (
	portKafka = iota * 100
	portCluster
	portHTTP
	portKafkaBehind
	portClusterBehind
	portStore

	portsEach   = 6
	slotCluster = portCluster / 100
)

func (s *Spec) check() error {
	switch {
	case s.Controllers != 1 && s.Controllers != 3 && s.Controllers != 5:
		return fmt.Errorf("%d controllers: give 1, 3 or 5", s.Controllers)
	case s.Brokers < 1 || s.Brokers+s.Controllers > nodesMax:
		return fmt.Errorf("%d brokers: give 1 to %d", s.Brokers, nodesMax-s.Controllers)
	case s.BasePort != 0 && (s.BasePort < 1024 || s.BasePort > 65535-portsEach*100):
		return fmt.Errorf("base port %d: give one from 1024 to %d", s.BasePort, 65535-portsEach*100)
	case s.Dir == "":
		return errors.New("name a folder for the cluster")
	}
	for name := range s.Set {
		if slices.Contains(own, name) {
			return fmt.Errorf("the setting %s is chosen here, one for each node", name)
		}
	}
	return nil
}

// own are the settings that the plan decides.
var own = []string{
	"roles", "node-id", "listen", "advertise", "http", "data", "cluster-listen", "cluster-advertise", "join", "form",
	"volumes", "notice-file", "objstore-config", "config", "gossip-listen",
}

// plan chooses roles, folders and ports.
func (s *Spec) plan() ([]*Node, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return nil, err
	}
	count, first := max(s.Controllers, s.Brokers), 1
	if s.Separate {
		count, first = s.Controllers+s.Brokers, s.Controllers+1
	}
	var nodes []*Node
	for i := 1; i <= count; i++ {
		base := filepath.Join(dir, "node-"+strconv.Itoa(i))
		nodes = append(nodes, &Node{
			ID: i, Controller: i <= s.Controllers, Broker: i >= first && i < first+s.Brokers,
			Data: base, Config: base + ".yaml", Log: base + ".log", NoticeFile: base + ".notice",
		})
	}
	addrs, err := s.addresses(count, founded(dir))
	if err != nil {
		return nil, err
	}
	for i, n := range nodes {
		a := addrs[i]
		n.Kafka, n.Cluster, n.HTTP, n.kafkaBehind, n.clusterBehind, n.store = a[0], a[1], a[2], a[3], a[4], a[5]
		if !s.ClientProxies {
			n.kafkaBehind = n.Kafka
		}
		if s.StoreConfig == nil {
			n.store = ""
		}
	}
	return nodes, nil
}

// founded are the cluster addresses of the nodes that an earlier cluster in dir had: its members know each other by
// them.
func founded(dir string) []string {
	state, err := ReadState(dir)
	if err != nil {
		return nil
	}
	var list []string
	for _, n := range state.Nodes {
		list = append(list, n.Cluster)
	}
	return list
}

// addresses chooses portsEach addresses for each of count nodes, and sees to it that they are free.
func (s *Spec) addresses(count int, founded []string) ([][portsEach]string, error) {
	var open []net.Listener // all at once, or one port could be given twice
	defer func() {
		for _, l := range open {
			_ = l.Close() // nothing came over it
		}
	}()
	all := make([][portsEach]string, count)
	take := func(i, k int, addr string) error {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("%s is needed for node %d: %w; choose another base port", addr, i+1, err)
		}
		open = append(open, l)
		all[i][k] = l.Addr().String()
		return nil
	}
	for i := range min(count, len(founded)) {
		if err := take(i, slotCluster, founded[i]); err != nil {
			return nil, err
		}
	}
	for i := range all {
		for k := range portsEach {
			port := 0
			if s.BasePort != 0 {
				port = s.BasePort + k*100 + i
			}
			if all[i][k] != "" {
				continue
			}
			if err := take(i, k, net.JoinHostPort(loopback, strconv.Itoa(port))); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// settings are those of a node's configuration file.
func (s *Spec) settings(n *Node, nodes []*Node) map[string]string {
	dir := filepath.Dir(n.Data)
	set := map[string]string{
		"memory": "256MiB", "wal-size": "256MiB", // several share one machine
	}
	maps.Copy(set, s.Set)
	var roles, join []string
	if n.Controller {
		roles = append(roles, "controller")
	}
	if n.Broker {
		roles = append(roles, "broker")
	}
	for _, o := range nodes {
		if o.Controller && o != n {
			join = append(join, o.Cluster)
		}
	}
	maps.Copy(set, map[string]string{
		"roles": list(roles), "node-id": strconv.Itoa(n.ID), "listen": n.kafkaBehind, "advertise": n.Kafka,
		"http": n.HTTP, "data": n.Data, "cluster-listen": n.clusterBehind, "cluster-advertise": n.Cluster,
		"join": list(join), "volumes": filepath.Join(dir, "volumes"), "notice-file": n.NoticeFile,
		"objstore-config": s.storeFile(n),
	})
	if set["volumes-exec"] != "" {
		delete(set, "volumes") // a program has them
	}
	if n.ID == 1 {
		set["form"] = "true"
	}
	return set
}

// scalar is a value as YAML reads it back. A list stands as it is.
func scalar(v string) string {
	if strings.HasPrefix(v, "[") {
		return v
	}
	return strconv.Quote(v)
}

func list(items []string) string { return "[" + strings.Join(items, ", ") + "]" }

// storeFile is the file with the object store's configuration for a node.
func (s *Spec) storeFile(n *Node) string {
	if s.StoreConfig != nil {
		return filepath.Join(filepath.Dir(n.Data), "store-"+strconv.Itoa(n.ID)+".yaml")
	}
	return filepath.Join(filepath.Dir(n.Data), "store.yaml")
}

// write makes the folders and files of the plan. Data that is there stays.
func (s *Spec) write(nodes []*Node) error {
	dir := filepath.Dir(nodes[0].Data)
	for _, d := range []string{dir, filepath.Join(dir, "store"), filepath.Join(dir, "volumes")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		set := s.settings(n, nodes)
		var b strings.Builder
		fmt.Fprintf(&b, "# Node %d of the cluster in %s: %s. Written anew by each start.\n", n.ID, dir, n.Roles())
		for _, name := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintf(&b, "%s: %s\n", name, scalar(set[name]))
		}
		if err := os.WriteFile(n.Config, []byte(b.String()), 0o644); err != nil {
			return err
		}
		text := fmt.Sprintf("type: FILESYSTEM\nconfig:\n  directory: %s\n", filepath.Join(dir, "store"))
		if s.StoreConfig != nil {
			text = s.StoreConfig(n.store)
		}
		if err := os.WriteFile(s.storeFile(n), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
