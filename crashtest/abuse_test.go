//go:build integration

package crashtest

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// dial opens a connection that is closed at the end of the test.
func dial(t *testing.T, s *server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.kafka)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// frame is a request as it goes over the wire: size, key, version, correlation id, no client id, body.
func frame(key, version int16, body []byte) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(10+len(body)))
	p = binary.BigEndian.AppendUint16(p, uint16(key))
	p = binary.BigEndian.AppendUint16(p, uint16(version))
	p = binary.BigEndian.AppendUint32(p, 7)
	p = binary.BigEndian.AppendUint16(p, 0xffff)
	return append(p, body...)
}

// closedBy requires that the server closes the connection.
func closedBy(t *testing.T, c net.Conn, limit time.Duration) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(limit)))
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if e, ok := err.(net.Error); ok {
		timeout = e
	}
	require.False(t, timeout != nil && timeout.Timeout(), "the server keeps the connection open for %s", limit)
}

// TestNonsenseOnAConnectionHurtsNobodyElse sends what no client sends, under a load that must not notice.
func TestNonsenseOnAConnectionHurtsNobodyElse(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB", "--upload-age", "500ms")
	s.start()
	l := startLoad(t, s, "events", 4, modest)
	l.awaitAcks(t, 200, callMax)
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	noise[0] = 0x7f
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.SetVersion(8)
	before := s.residentBytes()
	for _, c := range []struct {
		name, says string
		send       []byte
	}{
		{"64 KiB of random bytes", "Kafka client", noise},
		{"a length prefix of 2 GiB", "request of 2147483647 bytes", []byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 8, 0, 0, 0, 1}},
		{"a negative length", "request of -1 bytes", []byte{0xff, 0xff, 0xff, 0xff, 0, 3, 0, 8, 0, 0, 0, 1}},
		{"an unknown api key", "key 999 is not served", frame(999, 0, nil)},
		{"an unknown version", "v99 is not served", frame(3, 99, metadata.AppendTo(nil))},
		{"a request that ends inside its body", "cannot be decoded", frame(3, 8, []byte{0, 0, 0, 9, 0})},
		{"an HTTP request", "Kafka client", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dial(t, s)
			for _, err := conn.Write(c.send); err != nil; {
				break // closed while we wrote: that is an answer
			}
			closedBy(t, conn, 5*time.Second)
			s.says(`level=WARN.*client=` + conn.LocalAddr().String() + `.*` + c.says)
			l.awaitAcks(t, 200, 5*time.Second)
		})
	}
	grown := s.residentBytes() - before
	t.Logf("%d bytes more in memory", grown)
	require.Less(t, grown, int64(64<<20))
	l.finish()
	l.judgeAgain(t, l.topic)
	s.stop()
}

// TestHalfARequestHoldsLittle: many clients promise large requests, send half and fall silent.
func TestHalfARequestHoldsLittle(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB", "--upload-age", "500ms")
	s.start()
	l := startLoad(t, s, "events", 4, modest)
	l.awaitAcks(t, 200, callMax)
	before := s.residentBytes()
	for _, key := range []int16{0, 1, 3} {
		for range 40 {
			c := dial(t, s)
			p := frame(key, 8, make([]byte, 3<<20))
			_, err := c.Write(p[:len(p)/1000])
			require.NoError(t, err)
		}
	}
	for range 5 {
		l.awaitAcks(t, 200, 10*time.Second)
	}
	fresh := newTopic(t, s, "fresh") // others connect and work
	fresh.add(value("fresh", "0"))
	fresh.whole()
	part := dial(t, s)
	_, err := part.Write(frame(3, 8, make([]byte, 100))[:50])
	require.NoError(t, err)
	require.NoError(t, part.Close())
	s.says("left in the middle of a request")
	grown := s.residentBytes() - before
	t.Logf("120 halves of 3 MiB: %d bytes more in memory", grown)
	require.Less(t, grown, int64(128<<20))
	require.Eventually(t, func() bool { return s.metric("weir_kafka_connections") < 60 }, 20*time.Second,
		50*time.Millisecond, "the silent clients are cut off")
	s.says("paused for 10 s in the middle of a request of 3145738 bytes")
	large := frame(0, 8, make([]byte, 60<<20))
	c := dial(t, s)
	_, err = c.Write(large[:1<<20]) // this one gets the memory of all requests
	require.NoError(t, err)
	l.awaitAcks(t, 200, 20*time.Second)
	l.finish()
	l.judgeAgain(t, l.topic)
	_, err = dial(t, s).Write(large[:1<<20])
	require.NoError(t, err)
	require.Less(t, s.stop(), 10*time.Second, "silent clients do not hold up the end")
}

// TestIdleConnectionsAreCheap opens ten thousand.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const many = 10_000
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur, limit.Max = max(limit.Cur, many+2000), max(limit.Max, many+2000)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit), "the limit of open files")
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB")
	s.start()
	l := startLoad(t, s, "events", 4, modest)
	l.awaitAcks(t, 500, callMax)
	before := s.residentBytes()
	conns := make([]net.Conn, many)
	hello := kmsg.NewPtrApiVersionsRequest()
	request := frame(18, 0, hello.AppendTo(nil))
	for i := range conns {
		conns[i] = dial(t, s)
		if i%2 == 0 { // half of them have said something once
			_, err := conns[i].Write(request)
			require.NoError(t, err)
			var size [4]byte
			_, err = io.ReadFull(conns[i], size[:])
			require.NoError(t, err)
			_, err = io.CopyN(io.Discard, conns[i], int64(binary.BigEndian.Uint32(size[:])))
			require.NoError(t, err)
		}
	}
	require.Eventually(t, func() bool { return s.metric("weir_kafka_connections") >= many }, callMax, 20*time.Millisecond)
	l.awaitAcks(t, 500, callMax)
	grown := s.residentBytes() - before
	t.Logf("%d idle connections: %.1f MiB more in memory", many, float64(grown)/(1<<20))
	require.Less(t, grown, int64(100<<20))
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool { return s.metric("weir_kafka_connections") < 100 }, callMax, 20*time.Millisecond)
	l.finish()
	l.judgeAgain(t, l.topic)
	s.stop()
}

// TestAClientThatNeverReadsHurtsNobodyElse asks for much, over and over, and reads nothing.
func TestAClientThatNeverReadsHurtsNobodyElse(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--wal-size", "128MiB", "--upload-age", "300ms")
	s.start()
	big := createTopic(t, s, "fill", 8)
	fill(t, s, 64)
	l := startLoad(t, s, "events", 4, modest)
	l.awaitAcks(t, 200, callMax)
	before := s.residentBytes()
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.MaxBytes, req.MinBytes = 32<<20, 1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = big.topic
	for p := range int32(8) {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.PartitionMaxBytes = p, 8<<20
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	request := frame(1, 11, req.AppendTo(nil))
	for range 20 {
		c := dial(t, s)
		require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4096))
		for range 50 {
			require.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
			if _, err := c.Write(request); err != nil {
				break // it is not read further
			}
		}
	}
	for range 5 {
		l.awaitAcks(t, 300, 10*time.Second)
	}
	grown := s.residentBytes() - before
	t.Logf("20 clients with 1000 fetches of 32 MiB, none read: %.1f MiB more in memory", float64(grown)/(1<<20))
	require.Less(t, grown, int64(256<<20))
	records := 0
	for p := range int32(8) {
		records += len(big.readFrom(p, 0))
	}
	require.Equal(t, 64*1024/fillKiB, records, "others read on")
	l.judge(t, l.topic, l.snapshot())
	if *long {
		s.t.Log("waiting for the silent clients to be cut off")
		require.Eventually(t, func() bool { return s.metric("weir_kafka_connections") < 20 }, 3*time.Minute, time.Second)
		s.says("left its answers unread")
	}
	l.finish()
	l.judgeAgain(t, l.topic)
	require.Less(t, s.stop(), 10*time.Second, "clients that do not read do not hold up the end")
}

// TestARequestPerConnectionLeaksNothing connects, asks and hangs up, often.
func TestARequestPerConnectionLeaksNothing(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB")
	s.start()
	topic := newTopic(t, s, "events")
	round := func(n int) {
		for range n {
			c, err := kgo.NewClient(kgo.SeedBrokers(s.kafka))
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), callMax)
			require.NoError(t, c.Ping(ctx))
			cancel()
			c.Close()
		}
	}
	round(200)
	before := s.residentBytes()
	round(1000)
	grown := s.residentBytes() - before
	t.Logf("1000 clients that came and went: %.1f MiB more in memory", float64(grown)/(1<<20))
	require.Less(t, grown, int64(30<<20))
	require.Eventually(t, func() bool { return s.metric("weir_kafka_connections") < 10 }, callMax, 20*time.Millisecond)
	topic.add(value("events", "0"))
	topic.whole()
	s.stop()
}
