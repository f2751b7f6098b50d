package node_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/objectstore/filestore"
)

// realNode is a node over real sockets and files.
type realNode struct {
	h *oshost.Host
	n *node.Node
}

// freeAddr is an address that nobody listened at a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func startReal(t *testing.T, data, volumes, store string, cfg node.Config) *realNode {
	t.Helper()
	h, err := oshost.New(oshost.Config{Data: data, Volumes: volumes, Log: slog.DiscardHandler})
	require.NoError(t, err)
	sh, err := oshost.New(oshost.Config{Data: store, Log: slog.DiscardHandler})
	require.NoError(t, err)
	vol, err := sh.Disk().Volume(nil, "shared")
	require.NoError(t, err)
	cfg.Store, err = filestore.New(h, vol, "objects", "the tests' store")
	require.NoError(t, err)
	n, err := node.Start(h.Root(), h, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { h.Close(nil); h.Wait(); sh.Close(nil) })
	return &realNode{h, n}
}

func realConfig(id int32, cluster string, join []string) node.Config {
	return node.Config{
		NodeID: id, Listen: "127.0.0.1:0", AutoCreate: true,
		Memory: 8 << 20, SlabBytes: 256 << 10, WALCapacity: 2 << 20, MetaBytes: 1 << 20,
		Collect:   broker.Collect{Every: time.Second, Grace: time.Second, Sweep: time.Minute, First: time.Minute},
		UploadAge: 100 * time.Millisecond, UploadBytes: 128 << 10, ObjectBytes: 512 << 10,
		ClusterListen: cluster, Join: join, Form: id == 1, FormWait: 50 * time.Millisecond, Roles: node.Both,
		Lease: 3 * time.Second, Tick: 20 * time.Millisecond,
	}
}

// ask sends one Kafka request on a connection of its own.
func ask(t *testing.T, addr string, req kmsg.Request) kmsg.Response {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	buf := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(req.Key()))
	buf = binary.BigEndian.AppendUint16(buf, uint16(req.GetVersion()))
	buf = append(buf, 0, 0, 0, 1, 0, 1, 't')
	if req.IsFlexible() {
		buf = append(buf, 0)
	}
	buf = req.AppendTo(buf)
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	_, err = conn.Write(buf)
	require.NoError(t, err)
	var head [8]byte
	_, err = io.ReadFull(conn, head[:])
	require.NoError(t, err)
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	_, err = io.ReadFull(conn, body)
	require.NoError(t, err)
	if req.IsFlexible() {
		body = body[1:]
	}
	resp := req.ResponseKind()
	require.NoError(t, resp.ReadFrom(body))
	return resp
}

func TestThreeRealNodesFormAClusterAndServeATopic(t *testing.T) {
	volumes, store := t.TempDir(), t.TempDir()
	var addrs []string
	for range 3 {
		addrs = append(addrs, freeAddr(t))
	}
	nodes := map[int32]*realNode{}
	for i, addr := range addrs {
		id := int32(i + 1)
		nodes[id] = startReal(t, t.TempDir(), volumes, store, realConfig(id, addr, addrs))
	}
	created := ask(t, nodes[1].n.Advertised(), createRequest(testTopic, 6)).(*kmsg.CreateTopicsResponse)
	require.Zero(t, created.Topics[0].ErrorCode)
	for part := range int32(6) {
		var owner metadata.Partition
		require.Eventually(t, func() bool {
			nodes[1].n.Metadata().Read(func(s *metadata.State) {
				if topic, known := s.TopicByName(testTopic); known {
					owner, _ = s.Partition(topic.ID, part)
				}
			})
			return owner.Owned
		}, 10*time.Second, 5*time.Millisecond)
		at := nodes[owner.Owner].n.Advertised()
		require.Eventually(t, func() bool { // it may be on its way
			resp := ask(t, at, produceRequest(testTopic, part, fmt.Sprint("to ", part))).(*kmsg.ProduceResponse)
			return resp.Topics[0].Partitions[0].ErrorCode == 0
		}, 10*time.Second, 5*time.Millisecond)
	}
	require.Eventually(t, func() bool {
		voters := 0
		for _, m := range nodes[1].n.Controller().Members() {
			if m.Voter {
				voters++
			}
		}
		return voters == 3
	}, 10*time.Second, 5*time.Millisecond)
	for _, id := range []int32{2, 3} { // without either of them node 1 can commit nothing any more
		require.NoError(t, nodes[id].n.Stop(nodes[id].h.Root()))
	}
}
