package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/weirmq/weir/broker/batch"
)

// kase is one line of the table.
type kase struct {
	name     string
	budget   string // what it is held against: see budgets; "" = shown only
	fetch    bool
	record   int  // bytes of a record's value
	full     bool // a batch of 256 KiB in place of one record
	parts    int  // partitions, one connection each
	inFlight int  // requests on each connection
}

const fullBatch = 256 << 10

// cases are run in this order: small requests first, so that what they left to upload is small.
func cases() []kase {
	var out []kase
	for _, full := range []bool{false, true} {
		for _, record := range []int{4096, 100} {
			for _, parts := range []int{1, 16} {
				for _, inFlight := range []int{1, 32} {
					c := kase{record: record, full: full, parts: parts, inFlight: inFlight}
					size := "one " + bytesText(record) + " record"
					if full {
						size = "256 KiB of " + bytesText(record) + " records"
						c.inFlight = min(inFlight, 8)
					}
					c.name = fmt.Sprintf("produce, %s, %s, %d in flight", size, count(parts, "partition"), c.inFlight)
					c.budget = budgetOf(c)
					out = append(out, c)
				}
			}
		}
	}
	for _, c := range []kase{{record: 4096, full: true}, {record: 4096}, {record: 100}} {
		size := "batches of one " + bytesText(c.record) + " record"
		if c.full {
			size = "batches of 256 KiB"
		}
		c.name, c.fetch, c.parts, c.inFlight, c.budget = "tail fetch, "+size+", 1 MiB a request", true, 1, 1, budgetFetch
		out = append(out, c)
	}
	return out
}

func bytesText(n int) string {
	if n >= 1024 {
		return fmt.Sprintf("%d KiB", n/1024)
	}
	return fmt.Sprintf("%d B", n)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// topic is the case's own, so that no partition is shared.
func (c *kase) topic() string {
	return fmt.Sprintf("bench-%v-%v-%d-%d-%d", c.fetch, c.full, c.record, c.parts, c.inFlight)
}

// batch returns the case's batch and the records in it.
func (c *kase) batch() ([]byte, int, error) {
	value := make([]byte, c.record)
	for i := range value {
		value[i] = byte(i * 7)
	}
	n := 1
	if c.full {
		n = fullBatch / (c.record + 10)
	}
	records := make([]batch.Record, n)
	for i := range records {
		records[i] = batch.Record{Timestamp: 1_700_000_000_000, Value: value}
	}
	b, err := batch.Build(batch.Plain(), records...)
	return b, n, err
}

// sample is what one run of a case on one server gave.
type sample struct {
	requests int64
	bytes    int64
	wall     time.Duration
	cpu      time.Duration
}

func (s *sample) add(o sample) {
	s.requests += o.requests
	s.bytes += o.bytes
	s.wall += o.wall
	s.cpu += o.cpu
}

func (s sample) perSecond() float64      { return float64(s.requests) / s.wall.Seconds() }
func (s sample) bytesPerSecond() float64 { return float64(s.bytes) / s.wall.Seconds() }
func (s sample) cpuPerRequest() float64  { return s.cpu.Seconds() / float64(s.requests) }
func (s sample) cpuPerGB() float64       { return s.cpu.Seconds() / float64(s.bytes) * 1e9 }

// run drives one server with the case for d.
func (c *kase) run(s *server, d time.Duration) (sample, error) {
	if c.fetch {
		return c.runFetch(s, d)
	}
	b, records, err := c.batch()
	if err != nil {
		return sample{}, err
	}
	all := make([]*producer, c.parts)
	for i := range all {
		if all[i], err = newProducer(s.addr, c.topic(), int32(i), b, records, c.inFlight); err != nil {
			return sample{}, err
		}
		defer all[i].c.Close()
	}
	return measure(s, func() (sample, error) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var sum sample
		var failed error
		until := time.Now().Add(d)
		for _, p := range all {
			wg.Add(1)
			go func() {
				defer wg.Done()
				n, err := p.run(until)
				mu.Lock()
				defer mu.Unlock()
				sum.requests += n
				sum.bytes += n * int64(len(b))
				if err != nil {
					failed = fmt.Errorf("%s, %s: %w", s.name, c.name, err)
				}
			}()
		}
		wg.Wait()
		return sum, failed
	})
}

// runFetch fills the topic for a moment and then reads the newest part of it over and over.
func (c *kase) runFetch(s *server, d time.Duration) (sample, error) {
	b, records, err := c.batch()
	if err != nil {
		return sample{}, err
	}
	p, err := newProducer(s.addr, c.topic(), 0, b, records, 8)
	if err != nil {
		return sample{}, err
	}
	defer p.c.Close()
	if _, err := p.run(time.Now().Add(200 * time.Millisecond)); err != nil {
		return sample{}, err
	}
	end := p.base
	if s.name == "bare" {
		end = 0
	}
	r, err := newConsumer(s.addr, c.topic(), end)
	if err != nil {
		return sample{}, err
	}
	defer r.c.Close()
	return measure(s, func() (sample, error) {
		requests, bytes, err := r.run(time.Now().Add(d))
		return sample{requests: requests, bytes: bytes}, err
	})
}

// measure adds wall and processor time to what run counted.
func measure(s *server, run func() (sample, error)) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	out, err := run()
	if err != nil {
		return sample{}, err
	}
	out.wall = time.Since(began)
	after, err := s.cpu()
	out.cpu = after - before
	return out, err
}
