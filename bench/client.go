package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of the requests that are sent: the last that name topics, which the yardstick understands.
const (
	produceVersion = 11
	fetchVersion   = 12
)

const clientID = "bench"

// frame encodes req as it goes over the wire. The correlation id is at correlationAt.
func frame(req kmsg.Request, correlation uint32) []byte {
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	return f.AppendRequest(nil, req, int32(correlation))
}

const correlationAt = 8

// conn is one client connection.
type conn struct {
	c    net.Conn
	r    *bufio.Reader
	next uint32 // correlation id
	due  uint32 // correlation id of the next answer
}

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, r: bufio.NewReaderSize(c, 256<<10)}, nil
}

// answerHead reads length and correlation id of the next answer and returns the bytes behind them.
func (c *conn) answerHead() (int, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, err
	}
	if got := binary.BigEndian.Uint32(head[4:]); got != c.due {
		return 0, fmt.Errorf("answer %d arrived in place of %d", got, c.due)
	}
	c.due++
	return int(binary.BigEndian.Uint32(head[:])) - 4, nil
}

// ask sends one request and decodes its answer into resp.
func (c *conn) ask(req kmsg.Request, resp kmsg.Response) error {
	if _, err := c.c.Write(frame(req, c.next)); err != nil {
		return err
	}
	c.next++
	n, err := c.answerHead()
	if err != nil {
		return err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return err
	}
	resp.SetVersion(req.GetVersion())
	if req.IsFlexible() {
		body = body[1:] // header tags: none
	}
	return resp.ReadFrom(body)
}

// createTopic makes a topic with so many partitions.
func createTopic(addr, topic string, partitions int) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.c.Close()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 10_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, int32(partitions), 1
	req.Topics = append(req.Topics, t)
	resp := kmsg.NewPtrCreateTopicsResponse()
	if err := c.ask(req, resp); err != nil {
		return err
	}
	if len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != 0 {
		return fmt.Errorf("create topic %s: %+v", topic, resp.Topics)
	}
	return nil
}

// producer sends one batch over and over to one partition, with a window of requests in flight.
type producer struct {
	*conn
	request []byte // framed
	window  int
	flight  int
	records int64 // a batch
	base    int64 // the next answer's base offset, -1 before the first
	out     []byte
	bufs    net.Buffers
}

func newProducer(addr, topic string, partition int32, batch []byte, records int, window int) (*producer, error) {
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(produceVersion)
	req.Acks, req.TimeoutMillis = -1, 30_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return &producer{conn: c, request: frame(req, 0), window: window, records: int64(records), base: -1}, nil
}

// copyMax is up to which size requests are joined in one buffer; larger ones are sent in place.
const copyMax = 16 << 10

// fill sends as many requests as the window has room for, in one write.
func (p *producer) fill() error {
	const head = correlationAt + 4
	p.out, p.bufs = p.out[:0], p.bufs[:0]
	for ; p.flight < p.window; p.flight++ {
		at := len(p.out)
		if len(p.request) <= copyMax {
			p.out = append(p.out, p.request...)
		} else {
			p.out = append(p.out, p.request[:head]...)
		}
		binary.BigEndian.PutUint32(p.out[at+correlationAt:], p.next)
		p.next++
	}
	if len(p.request) <= copyMax {
		_, err := p.c.Write(p.out)
		return err
	}
	for at := 0; at < len(p.out); at += head {
		p.bufs = append(p.bufs, p.out[at:at+head], p.request[head:])
	}
	bufs := p.bufs
	_, err := bufs.WriteTo(p.c)
	return err
}

// drain reads at least one answer and then those that have arrived already, and returns how many.
func (p *producer) drain() (int, error) {
	for n := 1; ; n++ {
		if err := p.answer(); err != nil {
			return n, err
		}
		p.flight--
		if p.flight == 0 || p.r.Buffered() == 0 {
			return n, nil
		}
	}
}

var errAnswer = errors.New("the answer to a produce request is not understood")

// answer reads one answer and checks that the batch has the offset behind the one before. It is written
// by hand, because the client's processor time is taken from the servers'.
func (p *producer) answer() error {
	n, err := p.answerHead()
	if err != nil {
		return err
	}
	b, err := p.r.Peek(n)
	if err != nil {
		return err
	}
	defer func() { _, _ = p.r.Discard(n) }() // it was peeked
	// Header tags, topics, name, partitions, partition, error code, base offset.
	if n < 4 || b[0] != 0 || b[1] != 2 {
		return errAnswer
	}
	at := 2 + int(b[2]) + 1 + 4 // the name's length and one, in one byte; then the array's and the index
	if n < at+10 {
		return errAnswer
	}
	if code := int16(binary.BigEndian.Uint16(b[at:])); code != 0 {
		return fmt.Errorf("a produce request was answered with error code %d", code)
	}
	base := int64(binary.BigEndian.Uint64(b[at+2:]))
	if p.base >= 0 && base != p.base {
		return fmt.Errorf("a batch was given offset %d, expected %d", base, p.base)
	}
	p.base = base + p.records
	return nil
}

// run produces until the deadline and returns the requests acknowledged by then; then it drains.
func (p *producer) run(until time.Time) (int64, error) {
	var acked int64
	for time.Now().Before(until) {
		if err := p.fill(); err != nil {
			return acked, err
		}
		n, err := p.drain()
		if err != nil {
			return acked, err
		}
		acked += int64(n)
	}
	for p.flight > 0 {
		if _, err := p.drain(); err != nil {
			return acked, err
		}
	}
	return acked, nil
}
