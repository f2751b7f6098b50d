package broker_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// These tests speak the wire protocol, request by request, to a node in a simulated world: time is
// virtual, so a wait of a minute costs nothing and its length can be told exactly.

const (
	wireAddr  = "weir:9092"
	wireTopic = "orders"
	// wireWait is far above every wait that a test expects.
	wireWait = host.Time(2 * time.Minute)
)

// world is a node, and a machine for its clients.
type world struct {
	t       *testing.T
	w       *sim.World
	m       *sim.Machine
	clients *sim.Machine
	node    *node.Node
	ended   error // why the node ended by itself, or did not start
}

// newWorld boots a node.
func newWorld(t *testing.T) *world { return newWorldUnder(t, nil) }

// newWorldUnder boots a node to which a plan of faults happens.
func newWorldUnder(t *testing.T, plan fault.Plan) *world {
	t.Helper()
	w := sim.New(sim.Config{Seed: 1, Plan: plan})
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	r := &world{t: t, w: w, m: w.Machine("weir"), clients: w.Machine("clients")}
	r.clients.Boot(func(h host.Host, sc *host.Scope) { _ = h.Sleep(sc, 24*time.Hour) }) // until the world ends
	r.boot()
	return r
}

// boot starts the node, again after a kill.
func (r *world) boot() {
	r.t.Helper()
	r.node = nil
	r.ended = nil
	r.m.Boot(func(h host.Host, sc *host.Scope) {
		cfg := node.Default(8 << 20)
		cfg.Listen, cfg.Store = wireAddr, r.w.Store(h)
		cfg.SlabBytes, cfg.WALCapacity, cfg.MetaBytes = 256<<10, 2<<20, 1<<20
		n, err := node.Start(sc, h, cfg)
		if err == nil {
			r.node = n
			err = n.Failed(sc)
		}
		r.ended = err
	})
	require.NoError(r.t, r.w.Run(func() bool { return r.node != nil || r.ended != nil }))
	require.NoError(r.t, r.ended)
}

// kill ends the node's process at once and starts it again on the same disk.
func (r *world) kill() {
	r.t.Helper()
	r.m.KillWith(sim.LoseUnsynced)
	r.boot()
}

// do runs fn with a connection; what fn panics with fails the test.
func (r *world) do(fn func(c *wire)) {
	r.t.Helper()
	require.NoError(r.t, r.w.Do(r.clients, func(h host.Host, sc *host.Scope) error {
		c := &wire{t: r.t, h: h, sc: sc, addr: wireAddr}
		defer c.close()
		fn(c)
		return nil
	}))
}

// wire is one Kafka connection.
type wire struct {
	t           *testing.T
	h           host.Host
	sc          *host.Scope
	addr        string // where the broker is
	conn        host.Conn
	correlation int32
	sent        []kmsg.Request // that wait for their answers
}

// another returns a second connection of the same client machine.
func (c *wire) another() *wire { return &wire{t: c.t, h: c.h, sc: c.sc, addr: c.addr} }

func (c *wire) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// send writes a request and does not wait.
func (c *wire) send(req kmsg.Request) {
	c.correlation++
	buf := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(req.Key()))
	buf = binary.BigEndian.AppendUint16(buf, uint16(req.GetVersion()))
	buf = binary.BigEndian.AppendUint32(buf, uint32(c.correlation))
	buf = append(buf, 0, 1, 't')
	if req.IsFlexible() {
		buf = append(buf, 0)
	}
	c.sendRaw(req.AppendTo(buf))
	c.sent = append(c.sent, req)
}

// sendRaw writes a frame; its first four bytes become its length.
func (c *wire) sendRaw(frame []byte) {
	if c.conn == nil {
		conn, err := c.h.Network().Dial(c.sc, c.addr)
		c.must(err)
		c.conn = conn
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	_, err := c.conn.Write(frame)
	c.must(err)
}

// receive reads the answer to the oldest request; an error means that the connection ended.
func (c *wire) receive() (kmsg.Response, error) {
	req := c.sent[0]
	c.sent = c.sent[1:]
	c.conn.SetDeadlines(c.h.Now()+wireWait, 0)
	var head [8]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, fmt.Errorf("answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	want := c.correlation - int32(len(c.sent))
	c.expect(int32(binary.BigEndian.Uint32(head[4:])) == want, "the answer to request %d comes next", want)
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

// ask sends a request and returns its answer.
func ask[R kmsg.Response](c *wire, req kmsg.Request) R {
	c.send(req)
	resp, err := c.receive()
	c.must(err)
	return resp.(R)
}

// must stops the client at an error.
func (c *wire) must(err error) {
	if err != nil {
		panic(err)
	}
}

// expect fails the test unless the claim holds, and lets it go on.
func (c *wire) expect(ok bool, claim string, args ...any) {
	c.t.Helper()
	if !ok {
		c.t.Errorf("not so: "+claim, args...)
	}
}

// hangsUp sends a request and reports whether the broker closes the connection instead of answering.
func (c *wire) hangsUp(req kmsg.Request) bool {
	c.send(req)
	_, err := c.receive()
	c.close()
	c.sent = nil
	return errors.Is(err, io.EOF) || errors.Is(err, host.ErrReset)
}

// topic creates a topic and returns its id.
func (c *wire) topic(name string, partitions int32, settings ...string) [16]byte {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, -1
	for i := 0; i+1 < len(settings); i += 2 {
		s := kmsg.NewCreateTopicsRequestTopicConfig()
		s.Name, s.Value = settings[i], &settings[i+1]
		t.Configs = append(t.Configs, s)
	}
	req.Topics = append(req.Topics, t)
	got := ask[*kmsg.CreateTopicsResponse](c, req).Topics[0]
	c.expect(got.ErrorCode == 0, "topic %s is created: %+v", name, got)
	return got.TopicID
}

// produceOf is a request of one batch to partition 0 of wireTopic, at version 9.
func produceOf(records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 20_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = wireTopic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// produced sends a produce request and returns the answer for its one partition.
func (c *wire) produced(req *kmsg.ProduceRequest) kmsg.ProduceResponseTopicPartition {
	return ask[*kmsg.ProduceResponse](c, req).Topics[0].Partitions[0]
}

// values appends one batch of values to partition 0 of wireTopic.
func (c *wire) values(values ...string) {
	got := c.produced(produceOf(batchOf(batch.Plain(), values...)))
	c.expect(got.ErrorCode == 0, "the batch is appended: %+v", got)
}

// batchOf builds a batch whose records are a second apart.
func batchOf(o batch.Options, values ...string) batch.Batch {
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Value: []byte(v), Timestamp: int64(1+i) * 1000}
	}
	b, err := batch.Build(o, records...)
	if err != nil {
		panic(err)
	}
	return b
}

// fetchOf is a request for partition 0 of wireTopic that does not wait, at version 12.
func fetchOf(offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(12)
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 0, 1, 50<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = wireTopic
	t.Partitions = append(t.Partitions, fetchFrom(0, offset))
	req.Topics = append(req.Topics, t)
	return req
}

func fetchFrom(partition int32, offset int64) kmsg.FetchRequestTopicPartition {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, offset, 1<<20, -1
	return p
}

// fetched sends a fetch request and returns the answer for its one partition.
func (c *wire) fetched(req *kmsg.FetchRequest) kmsg.FetchResponseTopicPartition {
	return ask[*kmsg.FetchResponse](c, req).Topics[0].Partitions[0]
}
