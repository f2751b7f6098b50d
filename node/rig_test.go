package node_test

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

const (
	nodeAddr    = "weir:9092"
	testTopic   = "orders"
	answerLimit = host.Time(30 * time.Second)
)

// rig is a world with one node and a machine for clients.
type rig struct {
	t       *testing.T
	w       *sim.World
	m       *sim.Machine
	clients *sim.Machine
	node    *node.Node
	ended   error // why the node did not start, or ended by itself
	change  func(*node.Config)
}

func newRig(t *testing.T, cfg sim.Config) *rig {
	t.Helper()
	w := sim.New(cfg)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	r := &rig{t: t, w: w, m: w.Machine("weir"), clients: w.Machine("clients")}
	r.clients.Boot(func(h host.Host, sc *host.Scope) { _ = h.Sleep(sc, 24*time.Hour) }) // until the world ends
	return r
}

// config is a small node's: a run of a few seconds uploads and trims.
func (r *rig) config(h host.Host) node.Config {
	c := node.Config{
		NodeID: 1, Listen: nodeAddr, AutoCreate: true, Store: r.w.Store(h),
		Memory: 8 << 20, SlabBytes: 256 << 10, WALCapacity: 2 << 20, MetaBytes: 1 << 20,
		Collect: broker.Collect{
			Every: 700 * time.Millisecond, Grace: time.Second, Sweep: 6 * time.Second, First: 4 * time.Second,
		},
		UploadAge: 400 * time.Millisecond, UploadBytes: 128 << 10, ObjectBytes: 512 << 10,
	}
	if r.change != nil {
		r.change(&c)
	}
	return c
}

// boot starts the node and waits until it serves or has failed.
func (r *rig) boot() error {
	r.t.Helper()
	r.node, r.ended = nil, nil
	r.m.Boot(func(h host.Host, sc *host.Scope) {
		n, err := node.Start(sc, h, r.config(h))
		if err == nil {
			r.node = n
			err = n.Failed(sc)
		}
		r.ended = err
	})
	require.NoError(r.t, r.w.Run(func() bool { return r.node != nil || r.ended != nil }))
	return r.ended
}

// stop ends the node in order, and its process.
func (r *rig) stop() error {
	err := r.w.Do(r.m, func(_ host.Host, sc *host.Scope) error { return r.node.Stop(sc) })
	r.m.KillWith(sim.KeepUnsynced) // the process exits
	return err
}

// client runs fn with a connection on the clients' machine.
func (r *rig) client(fn func(c *client) error) {
	r.t.Helper()
	require.NoError(r.t, r.w.Do(r.clients, func(h host.Host, sc *host.Scope) error {
		c := &client{h: h, sc: sc}
		defer c.close()
		return fn(c)
	}))
}

// client is one Kafka connection.
type client struct {
	h           host.Host
	sc          *host.Scope
	to          string // where it connects; "" = nodeAddr
	conn        host.Conn
	correlation int32
	sent        []kmsg.Request // that wait for their answers
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// send writes a request and does not wait.
func (c *client) send(req kmsg.Request) error {
	if c.conn == nil {
		conn, err := c.h.Network().Dial(c.sc, cmp.Or(c.to, nodeAddr))
		if err != nil {
			return err
		}
		c.conn = conn
	}
	c.correlation++
	buf := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(req.Key()))
	buf = binary.BigEndian.AppendUint16(buf, uint16(req.GetVersion()))
	buf = binary.BigEndian.AppendUint32(buf, uint32(c.correlation))
	buf = append(buf, 0, 1, 't')
	if req.IsFlexible() {
		buf = append(buf, 0)
	}
	buf = req.AppendTo(buf)
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	c.sent = append(c.sent, req)
	_, err := c.conn.Write(buf)
	return err
}

// receive reads the answer to the oldest request.
func (c *client) receive() (kmsg.Response, error) {
	req := c.sent[0]
	c.sent = c.sent[1:]
	c.conn.SetDeadlines(c.h.Now()+answerLimit, 0)
	var head [8]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, fmt.Errorf("answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	want := c.correlation - int32(len(c.sent))
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != want {
		return nil, fmt.Errorf("answer to request %d, want %d", got, want)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return nil, err
	}
	if req.IsFlexible() && req.Key() != 18 {
		body = body[1:]
	}
	resp := req.ResponseKind()
	return resp, resp.ReadFrom(body)
}

func (c *client) do(req kmsg.Request) (kmsg.Response, error) {
	if err := c.send(req); err != nil {
		return nil, err
	}
	return c.receive()
}

// createTopic creates a topic.
func (c *client) createTopic(name string, partitions int32) error {
	resp, err := c.do(createRequest(name, partitions))
	if err != nil {
		return err
	}
	return answered(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

func createRequest(name string, partitions int32) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, -1
	req.Topics = append(req.Topics, t)
	return req
}

func (c *client) deleteTopic(name string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(5)
	req.TopicNames = []string{name}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	return answered(resp.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
}

// produce appends values to a partition of testTopic and returns their base offset.
func (c *client) produce(partition int32, values ...string) (int64, error) {
	resp, err := c.do(produceRequest(testTopic, partition, values...))
	if err != nil {
		return 0, err
	}
	p := &resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return p.BaseOffset, answered(p.ErrorCode)
}

// fetch reads a partition of testTopic from offset and returns the values and the high watermark.
func (c *client) fetch(partition int32, offset int64) ([]string, int64, error) {
	resp, err := c.do(fetchRequest(partition, offset))
	if err != nil {
		return nil, 0, err
	}
	p := &resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	values, err := decode(p.RecordBatches)
	return values, p.HighWatermark, errors.Join(answered(p.ErrorCode), err)
}

func fetchRequest(partition int32, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 100, 1, 50<<20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = testTopic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = partition, offset, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func produceRequest(topic string, partition int32, values ...string) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 20_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rt.Partitions = append(rt.Partitions, producePartition(partition, values...))
	req.Topics = append(req.Topics, rt)
	return req
}

func producePartition(partition int32, values ...string) kmsg.ProduceRequestTopicPartition {
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, build(values...)
	return rp
}

func build(values ...string) []byte {
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Value: []byte(v), Timestamp: 1_700_000_000_000}
	}
	b, err := batch.Build(batch.Plain(), records...)
	if err != nil {
		panic(err)
	}
	return b
}

func decode(raw []byte) ([]string, error) {
	var values []string
	dec := batch.NewDecoder(64 << 20)
	for len(raw) > 0 {
		b, err := batch.Parse(raw)
		if err != nil {
			return values, err
		}
		if err := dec.Open(b); err != nil {
			return values, err
		}
		var rec batch.Record
		for dec.Next(&rec) {
			values = append(values, string(rec.Value))
		}
		if err := dec.Err(); err != nil {
			return values, err
		}
		raw = raw[b.Size():]
	}
	return values, nil
}

// answered turns a Kafka error code into an error.
func answered(code int16) error {
	if code == 0 {
		return nil
	}
	return codeError(code)
}

type codeError int16

func (c codeError) Error() string { return fmt.Sprintf("error code %d", int16(c)) }
