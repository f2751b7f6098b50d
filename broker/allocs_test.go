package broker_test

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/node"
)

// Budgets of DESIGN §10. They count what the whole process allocates between a request's first byte and its
// answer's last, the WAL and the metadata included.
const (
	produceAllocsMax = 12 // a request
	fetchAllocsMax   = 24 // a request of one partition; DESIGN has no number but "none a partition"
)

// rig is a node on this machine and one client connection that allocates nothing.
type rig struct {
	c      net.Conn
	answer []byte
}

func newRig(tb testing.TB) *rig {
	h, err := oshost.New(oshost.Config{Data: tb.TempDir(), Node: "allocs", Log: slog.DiscardHandler})
	require.NoError(tb, err)
	cfg := node.Default(256 << 20)
	cfg.Listen, cfg.SlabBytes, cfg.WALCapacity, cfg.MetaBytes = "127.0.0.1:0", 4<<20, 256<<20, 16<<20
	cfg.UploadAge, cfg.UploadBytes = time.Hour, 1<<40 // the upload allocates on its own account
	type outcome struct {
		n   *node.Node
		err error
	}
	started := make(chan outcome, 1)
	h.Go(nil, "start", func(sc *host.Scope) {
		n, err := node.Start(sc, h, cfg)
		started <- outcome{n, err}
	})
	o := <-started
	require.NoError(tb, o.err)
	c, err := net.Dial("tcp", o.n.Advertised())
	require.NoError(tb, err)
	tb.Cleanup(func() {
		c.Close()
		h.Close(nil)
		h.Wait()
	})
	return &rig{c: c, answer: make([]byte, 8<<20)}
}

func frameOf(req kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("allocs")).AppendRequest(nil, req, 7)
}

// ask sends a framed request and returns its answer's bytes behind the length, until the next call.
func (r *rig) ask(tb testing.TB, frame []byte) []byte {
	if _, err := r.c.Write(frame); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(r.c, r.answer[:4]); err != nil {
		tb.Fatal(err)
	}
	n := binary.BigEndian.Uint32(r.answer)
	if _, err := io.ReadFull(r.c, r.answer[:n]); err != nil {
		tb.Fatal(err)
	}
	return r.answer[:n]
}

func (r *rig) createTopic(tb testing.TB, name string, partitions int) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 10_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(partitions), 1
	req.Topics = append(req.Topics, t)
	resp := kmsg.NewPtrCreateTopicsResponse()
	resp.SetVersion(5)
	require.NoError(tb, resp.ReadFrom(r.ask(tb, frameOf(req))[5:]))
	require.Zero(tb, resp.Topics[0].ErrorCode)
}

// produceFrame is a Produce request v11 with one batch.
func produceFrame(tb testing.TB, topic string, partition, records, size int) []byte {
	var b batch.Builder
	b.Start(batch.Plain())
	for range records {
		b.Add(batch.Record{Timestamp: 1, Value: make([]byte, size)})
	}
	data, err := b.Append(nil)
	require.NoError(tb, err)
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(11)
	req.Acks, req.TimeoutMillis = -1, 10_000
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = int32(partition), data
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return frameOf(req)
}

func (r *rig) produce(tb testing.TB, frame []byte) {
	answer := r.ask(tb, frame)
	// Correlation id, tags, topics, name, partitions, partition, error code.
	at := 4 + 1 + 1 + int(answer[6]) + 1 + 4
	if code := binary.BigEndian.Uint16(answer[at:]); code != 0 {
		tb.Fatalf("produce was answered with error code %d", code)
	}
}

// fetchFrame is a Fetch request v12 of all partitions of a topic from offset 0.
func fetchFrame(topic string, partitions int) []byte {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(12)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 1000, 1, 4<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	for i := range partitions {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.PartitionMaxBytes = int32(i), -1, 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return frameOf(req)
}

func TestProduceAllocatesLittleARequestAndNothingARecord(t *testing.T) {
	r := newRig(t)
	r.createTopic(t, "produce", 1)
	measure := func(records int) float64 {
		frame := produceFrame(t, "produce", 0, records, 100)
		for range 200 {
			r.produce(t, frame) // pools and maps are filled
		}
		return testing.AllocsPerRun(500, func() { r.produce(t, frame) })
	}
	one, many := measure(1), measure(100)
	t.Logf("%v allocations a request of one record, %v of 100", one, many)
	require.LessOrEqual(t, one, float64(produceAllocsMax))
	require.LessOrEqual(t, many, one+1, "records cost allocations")
}

func TestTailFetchAllocatesLittleARequestAndNothingAPartition(t *testing.T) {
	r := newRig(t)
	measure := func(topic string, partitions int) float64 {
		r.createTopic(t, topic, partitions)
		for p := range partitions {
			frame := produceFrame(t, topic, p, 1, 1024)
			for range 10 {
				r.produce(t, frame)
			}
		}
		frame := fetchFrame(topic, partitions)
		for range 200 {
			r.ask(t, frame)
		}
		return testing.AllocsPerRun(500, func() {
			if n := len(r.ask(t, frame)); n < partitions*10*1024 {
				t.Fatalf("a fetch of %d bytes", n)
			}
		})
	}
	one, many := measure("fetch-1", 1), measure("fetch-33", 33)
	t.Logf("%v allocations a fetch of one partition, %v of 33", one, many)
	require.LessOrEqual(t, one, float64(fetchAllocsMax))
	require.Less(t, (many-one)/32, 0.5, "partitions cost allocations")
}

func BenchmarkProduce(b *testing.B) {
	r := newRig(b)
	r.createTopic(b, "bench", 1)
	frame := produceFrame(b, "bench", 0, 1, 4096)
	b.ReportAllocs()
	for b.Loop() {
		r.produce(b, frame)
	}
}

func BenchmarkTailFetch(b *testing.B) {
	r := newRig(b)
	r.createTopic(b, "bench", 1)
	frame := produceFrame(b, "bench", 0, 1, 4096)
	for range 256 {
		r.produce(b, frame)
	}
	frame = fetchFrame("bench", 1)
	b.SetBytes(int64(len(r.ask(b, frame))))
	b.ReportAllocs()
	for b.Loop() {
		r.ask(b, frame)
	}
}
