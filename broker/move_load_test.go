package broker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// load is what clients do to partition 0 of wireTopic while it moves: idempotent producers with several batches in
// flight, and readers that follow. It knows what they were told; verify compares that with the log.
type load struct {
	r         *cluster
	producers []*producing
	readers   []*reading
	read      []string // what readers have compared, from offset 0
	rng       *rand.Rand
	stop      bool
	running   int
}

// producing is one idempotent producer. Each of its records holds its name and its number.
type producing struct {
	l       *load
	id      int64
	next    int32 // sequence of the next new record
	queue   []int32
	acked   map[int32]int64 // sequence → offset
	last    host.Time       // of the last acknowledgement
	longest time.Duration   // between two
}

// reading is one reader of all there is. Now and then it begins again somewhere.
type reading struct {
	l    *load
	from int64 // of the first record seen
	at   int64
	top  int64 // the highest that at ever was
	seen []string
}

const (
	inFlight  = 4
	askWait   = 3 * time.Second
	retryWait = 20 * time.Millisecond
)

// newLoad begins producers and readers on machines of their own.
func newLoad(r *cluster, producers, readers int) *load {
	l := &load{r: r, rng: r.w.Rand("load")}
	ids := make([]int64, producers)
	r.do(r.members[0], func(c *wire) {
		for i := range ids {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.SetVersion(5)
			got := ask[*kmsg.InitProducerIDResponse](c, req)
			c.expect(got.ErrorCode == 0, "a producer id: %+v", got)
			ids[i] = got.ProducerID
		}
	})
	run := func(name string, body func(c *wire) bool) {
		l.running++
		r.w.Machine(name).Boot(func(h host.Host, sc *host.Scope) {
			c := &wire{t: r.t, h: h, sc: sc}
			defer func() { l.running-- }()
			for !l.stop {
				if !body(c) {
					c.close()
					c.sent = nil
					_ = h.Sleep(sc, retryWait)
				}
			}
			c.close()
		})
	}
	for i, id := range ids {
		p := &producing{l: l, id: id, acked: map[int32]int64{}}
		l.producers = append(l.producers, p)
		run(fmt.Sprint("producer", i), p.round)
	}
	for i := range readers {
		f := &reading{l: l}
		l.readers = append(l.readers, f)
		run(fmt.Sprint("reader", i), f.round)
	}
	return l
}

// toLeader has c talk to who leads, and reports whether anybody does.
func (l *load) toLeader(c *wire) bool {
	v := l.r.partition(wireTopic, 0)
	if !v.Owned {
		return false
	}
	if addr := l.r.broker(v.Owner).kafka(); c.addr != addr {
		c.close()
		c.sent, c.addr = nil, addr
	}
	return true
}

// try sends a request; an error says that the connection is of no use any more.
func (c *wire) try(req kmsg.Request) error {
	if c.conn == nil {
		conn, err := c.h.Network().Dial(c.sc, c.addr)
		if err != nil {
			return err
		}
		c.conn = conn
	}
	c.correlation++
	buf := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(req.Key()))
	buf = binary.BigEndian.AppendUint16(buf, uint16(req.GetVersion()))
	buf = binary.BigEndian.AppendUint32(buf, uint32(c.correlation))
	buf = append(buf, 0, 1, 't', 0)
	buf = req.AppendTo(buf)
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	c.sent = append(c.sent, req)
	c.conn.SetDeadlines(0, c.h.Now().Add(askWait))
	_, err := c.conn.Write(buf)
	return err
}

// hear reads an answer, and gives up sooner than receive.
func (c *wire) hear() (kmsg.Response, error) {
	req := c.sent[0]
	c.sent = c.sent[1:]
	c.conn.SetDeadlines(c.h.Now().Add(askWait), 0)
	var head [8]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	return resp, resp.ReadFrom(body[1:])
}

// round sends what is in flight, oldest first, and takes the answers.
func (p *producing) round(c *wire) bool {
	for len(p.queue) < inFlight {
		p.queue = append(p.queue, p.next)
		p.next++
	}
	if !p.l.toLeader(c) {
		return false
	}
	asked := slices.Clone(p.queue)
	for _, seq := range asked {
		o := batch.Plain()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = p.id, 0, seq
		if c.try(produceOf(batchOf(o, fmt.Sprintf("%d/%d", p.id, seq)))) != nil {
			return false
		}
	}
	if p.l.rng.IntN(6) == 0 { // the answers are lost
		_ = c.h.Sleep(c.sc, time.Duration(p.l.rng.IntN(3000))*time.Microsecond)
		return false
	}
	good := true
	for _, seq := range asked {
		resp, err := c.hear()
		if err != nil {
			return false
		}
		got := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		good = p.answer(c, seq, got, good) && good
	}
	if good {
		_ = c.h.Sleep(c.sc, time.Millisecond)
	}
	return good
}

// answer takes one answer in. Only what Kafka's own clients repeat by themselves is forgiven.
func (p *producing) answer(c *wire, seq int32, got kmsg.ProduceResponseTopicPartition, first bool) bool {
	switch got.ErrorCode {
	case 0:
		if at, known := p.acked[seq]; known {
			c.expect(at == got.BaseOffset, "record %d/%d is at %d and at %d", p.id, seq, at, got.BaseOffset)
		}
		p.acked[seq] = got.BaseOffset
		p.queue = slices.DeleteFunc(p.queue, func(x int32) bool { return x == seq })
		now := c.h.Now()
		if p.last != 0 {
			p.longest = max(p.longest, now.Sub(p.last))
		}
		p.last = now
		return true
	case 45: // the one before it was not taken
		c.expect(!first, "OUT_OF_ORDER_SEQUENCE_NUMBER for %d/%d, which is next", p.id, seq)
	case 3, 5, 6, 7, 56: // not here, or not yet
	default:
		c.expect(false, "record %d/%d is answered with code %d", p.id, seq, got.ErrorCode)
	}
	return false
}

// round fetches once.
func (f *reading) round(c *wire) bool {
	if !f.l.toLeader(c) {
		return false
	}
	req := fetchOf(f.at)
	req.MaxWaitMillis = 200
	if c.try(req) != nil {
		return false
	}
	resp, err := c.hear()
	if err != nil {
		return false
	}
	got := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	switch got.ErrorCode {
	case 0:
		c.expect(got.HighWatermark >= f.at, "high watermark %d, read to %d", got.HighWatermark, f.at)
		for _, x := range recordsOf(got.RecordBatches) {
			c.expect(x.at == f.at, "offset %d follows %d", x.at, f.at)
			f.seen, f.at = append(f.seen, x.value), x.at+1
		}
		f.rewind(c)
		return true
	case 3, 5, 6, 56:
		return false
	}
	c.expect(false, "a fetch at %d is answered with code %d", f.at, got.ErrorCode)
	return false
}

// rewind compares what was read with what others have read, and begins again now and then.
func (f *reading) rewind(c *wire) {
	if f.top = max(f.top, f.at); f.at < f.top || f.l.rng.IntN(20) > 0 {
		return
	}
	for i, v := range f.seen {
		at := f.from + int64(i)
		if int64(len(f.l.read)) == at {
			f.l.read = append(f.l.read, v)
		}
		if int64(len(f.l.read)) > at {
			c.expect(f.l.read[at] == v, "ReadPrefix: offset %d is %s and was %s", at, v, f.l.read[at])
		}
	}
	f.from = f.l.rng.Int64N(f.top + 1)
	f.at, f.seen = f.from, nil
}

type placed struct {
	at    int64
	value string
}

// recordsOf lists the records of batches.
func recordsOf(data []byte) (list []placed) {
	for len(data) > 0 {
		b, err := batch.Parse(data)
		if err != nil {
			panic(err)
		}
		data = data[b.Size():]
		dec := batch.NewDecoder(1 << 20)
		if err := dec.Open(b); err != nil {
			panic(err)
		}
		var rec batch.Record
		for at := b.BaseOffset(); dec.Next(&rec); at++ {
			list = append(list, placed{at, string(rec.Value)})
		}
	}
	return list
}

// progress waits until every producer has had n more records acknowledged.
func (l *load) progress(n int) {
	l.r.t.Helper()
	var before []int
	for _, p := range l.producers {
		before = append(before, len(p.acked))
	}
	l.r.until(time.Minute, "producers go on", func() bool {
		for i, p := range l.producers {
			if len(p.acked) < before[i]+n {
				return false
			}
		}
		return true
	})
}

// verify ends the clients and compares all they were told with the log.
func (l *load) verify() {
	t := l.r.t
	t.Helper()
	l.stop = true
	l.r.until(time.Minute, "clients end", func() bool { return l.running == 0 })
	var log []placed
	owner := l.r.broker(l.r.partition(wireTopic, 0).Owner)
	l.r.do(owner, func(c *wire) {
		for tries := 0; tries < 200; {
			got := c.fetched(fetchOf(int64(len(log))))
			if got.ErrorCode != 0 || len(got.RecordBatches) == 0 && got.HighWatermark > int64(len(log)) {
				tries++
				c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
				continue
			}
			if len(got.RecordBatches) == 0 {
				return
			}
			for _, x := range recordsOf(got.RecordBatches) {
				c.expect(x.at == int64(len(log)), "LogOrder: offset %d follows %d", x.at, len(log))
				log = append(log, x)
			}
		}
		c.expect(false, "the log can be read")
	})
	where := map[string]int64{}
	next := map[int64]int32{}
	for _, x := range log {
		var id int64
		var seq int32
		_, err := fmt.Sscanf(x.value, "%d/%d", &id, &seq)
		require.NoError(t, err)
		require.Equal(t, next[id], seq, "record %s at %d: twice, or one is missing", x.value, x.at)
		next[id] = seq + 1
		where[x.value] = x.at
	}
	for _, p := range l.producers {
		for seq, at := range p.acked {
			got, there := where[fmt.Sprintf("%d/%d", p.id, seq)]
			require.True(t, there, "AckedDurable: record %d/%d was acknowledged at %d", p.id, seq, at)
			require.Equal(t, at, got, "record %d/%d", p.id, seq)
		}
	}
	for _, f := range l.readers {
		for i, v := range f.seen {
			require.Equal(t, log[f.from+int64(i)].value, v, "ReadPrefix: offset %d", f.from+int64(i))
		}
	}
	for i, v := range l.read {
		require.Equal(t, log[i].value, v, "ReadPrefix: offset %d", i)
	}
}

// longest is the longest time between two acknowledgements of a producer.
func (l *load) longest() (d time.Duration) {
	for _, p := range l.producers {
		d = max(d, p.longest)
	}
	return d
}

// beginMove has a move of partition 0 begun.
func (r *cluster) beginMove(to *member) {
	r.t.Helper()
	v := r.partition(wireTopic, 0)
	res := r.propose(to, &metadatapb.BeginMove{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, To: &to.id})
	require.Zero(r.t, res.GetRefusal(), res.GetDetail())
}

// moved waits until the move that is under way is over.
func (r *cluster) moved() {
	r.t.Helper()
	v := r.partition(wireTopic, 0)
	r.until(time.Minute, "the move is over", func() (over bool) {
		r.state(func(s *metadata.State) { _, under := s.Move(v.Stream); over = !under })
		return over
	})
}

// revive starts again what was killed and waits until it serves.
func (r *cluster) revive(m *member) {
	if m.b == nil {
		r.begin(m)
		r.serves(m)
	}
}
