package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const fetchBytes = 1 << 20 // asked for in one request: the default of Java's consumer

// consumer reads one partition from a fixed offset to a fixed end, again and again.
type consumer struct {
	*conn
	topic string
	end   int64 // read up to here, then from 0 again; 0 = the server has no offsets
	at    int64
	body  []byte
}

func newConsumer(addr, topic string, end int64) (*consumer, error) {
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	return &consumer{conn: c, topic: topic, end: end, body: make([]byte, fetchBytes+64<<10)}, nil
}

func (c *consumer) request() []byte {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(fetchVersion)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 500, 1, 50<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = c.topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.CurrentLeaderEpoch, p.FetchOffset, p.PartitionMaxBytes = -1, c.at, fetchBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return frame(req, c.next)
}

// fetch asks once and returns the bytes of whole batches in the answer.
func (c *consumer) fetch() (int64, error) {
	if _, err := c.c.Write(c.request()); err != nil {
		return 0, err
	}
	c.next++
	n, err := c.answerHead()
	if err != nil {
		return 0, err
	}
	if n > len(c.body) {
		c.body = make([]byte, n)
	}
	b := c.body[:n]
	if _, err := io.ReadFull(c.r, b); err != nil {
		return 0, err
	}
	records, err := recordsOf(b)
	if err != nil {
		return 0, err
	}
	if c.end > 0 {
		if c.at, err = offsetBehind(records, c.at); err != nil {
			return 0, err
		}
		if c.at >= c.end {
			c.at = 0
		}
	}
	return int64(len(records)), nil
}

// recordsOf finds the records of the one partition in a Fetch answer v12.
func recordsOf(b []byte) ([]byte, error) {
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(fetchVersion)
	if err := resp.ReadFrom(b[1:]); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		return nil, fmt.Errorf("a fetch was answered with %+v", resp.Topics)
	}
	return resp.Topics[0].Partitions[0].RecordBatches, nil
}

// offsetBehind walks the batches from offset at on, which must tile, and returns the offset behind them.
func offsetBehind(b []byte, at int64) (int64, error) {
	for len(b) >= 61 {
		size := int(binary.BigEndian.Uint32(b[8:])) + 12
		if base := int64(binary.BigEndian.Uint64(b)); base != at || size > len(b) {
			return 0, fmt.Errorf("a fetch shows offset %d in place of %d", base, at)
		}
		at += int64(binary.BigEndian.Uint32(b[23:])) + 1
		b = b[size:]
	}
	return at, nil
}

// run fetches until the deadline and returns requests and bytes.
func (c *consumer) run(until time.Time) (requests, bytes int64, err error) {
	for time.Now().Before(until) {
		n, err := c.fetch()
		if err != nil {
			return requests, bytes, err
		}
		if n == 0 {
			return requests, bytes, fmt.Errorf("a fetch at offset %d of %s was empty", c.at, c.topic)
		}
		requests++
		bytes += n
	}
	return requests, bytes, nil
}
