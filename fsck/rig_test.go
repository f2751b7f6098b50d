package fsck_test

import (
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
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// image is what a volume of the world would keep in a power loss that loses all that was not synced.
type image struct {
	files map[string][]byte
	names []string
}

func durable(v *sim.Volume) *image {
	img := &image{files: map[string][]byte{}}
	for _, path := range v.Files() {
		if b, ok := v.Durable(path); ok {
			img.files[path] = b
			img.names = append(img.names, path)
		}
	}
	return img
}

func (i *image) Files() []string { return i.names }

func (i *image) Read(path string) ([]byte, error) {
	if b, ok := i.files[path]; ok {
		return b, nil
	}
	return nil, errors.New("no such file")
}

// bucket is the world's object store.
type bucket struct{ w *sim.World }

func (b bucket) List() ([]fsck.Object, error) {
	var list []fsck.Object
	for _, key := range b.w.Objects() {
		p, _ := b.w.Object(key)
		list = append(list, fsck.Object{Key: key, Size: int64(len(p))})
	}
	return list, nil
}

func (b bucket) Get(key string) ([]byte, error) {
	if p, ok := b.w.Object(key); ok {
		return p, nil
	}
	return nil, fsck.ErrMissing
}

const (
	nodeAddr  = "weir:9092"
	testTopic = "orders"
)

// rig is a world with one node and a machine for clients.
type rig struct {
	t       testing.TB
	w       *sim.World
	m       *sim.Machine
	clients *sim.Machine
	node    *node.Node
	ended   error
	cache   fsck.Cache
	checks  int

	runs  int              // of load
	acked map[string]int64 // value of a record to its offset, by "partition/value"
}

func newRig(t testing.TB, cfg sim.Config) *rig {
	t.Helper()
	w := sim.New(cfg)
	r := &rig{t: t, w: w, m: w.Machine("weir"), clients: w.Machine("clients"), acked: map[string]int64{}}
	r.clients.Boot(func(h host.Host, sc *host.Scope) { _ = h.Sleep(sc, 24*time.Hour) })
	return r
}

func (r *rig) config(h host.Host) node.Config {
	return node.Config{
		NodeID: 1, Listen: nodeAddr, AutoCreate: true, Store: r.w.Store(h),
		Memory: 8 << 20, SlabBytes: 256 << 10, WALCapacity: 2 << 20, MetaBytes: 1 << 20,
		Collect: broker.Collect{
			Every: 700 * time.Millisecond, Grace: time.Second, Sweep: 6 * time.Second, First: 4 * time.Second,
		},
		UploadAge: 400 * time.Millisecond, UploadBytes: 128 << 10, ObjectBytes: 512 << 10,
	}
}

// boot starts the node and waits until it serves, has failed, or is dead.
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
	require.NoError(r.t, r.w.Run(func() bool { return r.node != nil || r.ended != nil || !r.m.Alive() }))
	return r.ended
}

// check looks at what is durable now.
func (r *rig) check(o fsck.Options) *fsck.Report {
	r.checks++
	o.Node = durable(r.m.Volume("node"))
	if o.Cache == nil {
		o.Cache = &r.cache
	}
	return fsck.Check(durable(r.m.Volume("meta")), durable(r.m.Volume("wal")), bucket{r.w}, o)
}

// clean demands that a check finds nothing wrong and every record that was acknowledged.
func (r *rig) clean(o fsck.Options) *fsck.Report {
	r.t.Helper()
	seen := map[string]int64{}
	o.Batch = func(b fsck.Batch) {
		if b.Topic != testTopic {
			return
		}
		values, err := decode(b.Data)
		require.NoError(r.t, err)
		for i, v := range values {
			key := fmt.Sprintf("%d/%s", b.Partition, v)
			_, twice := seen[key]
			require.False(r.t, twice, "%s stands twice", key)
			seen[key] = b.Base + int64(i)
		}
	}
	rep := r.check(o)
	require.NoError(r.t, rep.Err())
	for key, offset := range r.acked {
		at, ok := seen[key]
		require.True(r.t, ok, "%s was acknowledged at %d and is not there", key, offset)
		require.Equal(r.t, offset, at, key)
	}
	return rep
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

// client runs fn with a connection on the clients' machine.
func (r *rig) client(fn func(c *client) error) error {
	return r.w.Do(r.clients, func(h host.Host, sc *host.Scope) error {
		c := &client{r: r, h: h, sc: sc}
		defer c.close()
		return fn(c)
	})
}

// client is one Kafka connection with one request at a time.
type client struct {
	r    *rig
	h    host.Host
	sc   *host.Scope
	conn host.Conn
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *client) do(req kmsg.Request) (kmsg.Response, error) {
	if c.conn == nil {
		conn, err := c.h.Network().Dial(c.sc, nodeAddr)
		if err != nil {
			return nil, err
		}
		c.conn = conn
	}
	buf := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(req.Key()))
	buf = binary.BigEndian.AppendUint16(buf, uint16(req.GetVersion()))
	buf = binary.BigEndian.AppendUint32(buf, 7)
	buf = append(buf, 0, 1, 't')
	if req.IsFlexible() {
		buf = append(buf, 0)
	}
	buf = req.AppendTo(buf)
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	if _, err := c.conn.Write(buf); err != nil {
		return nil, err
	}
	c.conn.SetDeadlines(c.h.Now()+host.Time(20*time.Second), 0)
	var head [8]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return nil, err
	}
	if req.IsFlexible() {
		body = body[1:]
	}
	resp := req.ResponseKind()
	return resp, resp.ReadFrom(body)
}

func (c *client) createTopic(name string, partitions int32) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(4)
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, -1
	req.Topics = append(req.Topics, t)
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	return answered(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

func (c *client) deleteTopic(name string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(3)
	req.TopicNames = []string{name}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	return answered(resp.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
}

// produce appends values to a partition of testTopic and notes where they were acknowledged.
func (c *client) produce(partition int32, o batch.Options, values ...string) (int64, error) {
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Value: []byte(v), Timestamp: 1_700_000_000_000}
	}
	raw, err := batch.Build(o, records...)
	if err != nil {
		return 0, err
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(8)
	req.Acks, req.TimeoutMillis = -1, 15_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = testTopic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, raw
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := c.do(req)
	if err != nil {
		return 0, err
	}
	x := &resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if err := answered(x.ErrorCode); err != nil {
		return 0, err
	}
	for i, v := range values {
		c.r.acked[fmt.Sprintf("%d/%s", partition, v)] = x.BaseOffset + int64(i)
	}
	return x.BaseOffset, nil
}

// producerID asks for one.
func (c *client) producerID() (int64, int16, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(1)
	resp, err := c.do(req)
	if err != nil {
		return 0, 0, err
	}
	x := resp.(*kmsg.InitProducerIDResponse)
	return x.ProducerID, x.ProducerEpoch, answered(x.ErrorCode)
}

// commit commits an offset of a group without members.
func (c *client) commit(group string, offset int64) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(5)
	req.Group, req.Generation = group, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = testTopic
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = offset
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	return answered(resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
}

// coordinator makes the node create the offsets topic.
func (c *client) coordinator(group string) error {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(2)
	req.CoordinatorKey = group
	until := c.h.Now() + host.Time(10*time.Second)
	for {
		resp, err := c.do(req)
		if err != nil {
			return err
		}
		if code := resp.(*kmsg.FindCoordinatorResponse).ErrorCode; code == 0 || c.h.Now() > until {
			return answered(code)
		}
		if err := c.h.Sleep(c.sc, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

var errExists = errors.New("the topic exists")

// answered turns a Kafka error code into an error.
func answered(code int16) error {
	if code == 0 {
		return nil
	}
	if code == 36 {
		return errExists
	}
	return fmt.Errorf("error code %d", code)
}
