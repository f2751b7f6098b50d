package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address for the client")
	file := flag.String("file", "", "file of the ring; made anew")
	flag.Parse()
	if err := run(*listen, *file); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(listen, file string) error {
	w, err := openRing(file)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	go w.commitLoop()
	go w.answerLoop()
	fmt.Println("bare ready:", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := w.serve(c); err != nil && err != io.EOF {
				fmt.Fprintln(os.Stderr, "bare:", err)
			}
		}()
	}
}

// Request keys.
const (
	keyProduce = 0
	keyFetch   = 1
)

// serve reads requests until the connection ends.
func (w *ring) serve(c net.Conn) error {
	r := bufio.NewReaderSize(c, 64<<10)
	var head [4]byte
	var buf []byte
	req := kmsg.NewPtrProduceRequest()
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if cap(buf) < n {
			buf = make([]byte, n)
		}
		buf = buf[:n]
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		key, version := binary.BigEndian.Uint16(buf), int16(binary.BigEndian.Uint16(buf[2:]))
		correlation := binary.BigEndian.Uint32(buf[4:])
		client := int(binary.BigEndian.Uint16(buf[8:]))
		body := buf[10+client+1:] // flexible header, no tags
		switch key {
		case keyProduce:
			req.SetVersion(version)
			if err := req.ReadFrom(body); err != nil {
				return err
			}
			if err := w.produce(c, version, correlation, req); err != nil {
				return err
			}
		case keyFetch:
			if err := w.fetch(c, version, correlation, body); err != nil {
				return err
			}
		default:
			return fmt.Errorf("request key %d is not served", key)
		}
	}
}

// The fields of a record batch that the log needs.
const (
	batchLengthAt = 8
	batchCRCAt    = 17
	batchCRCFrom  = 21
	batchCountAt  = 57
	batchHeader   = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// produce appends the request's one batch; the answer leaves after its group's sync.
func (w *ring) produce(c net.Conn, version int16, correlation uint32, req *kmsg.ProduceRequest) error {
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 {
		return fmt.Errorf("a produce request with one batch is all that is served")
	}
	p := &req.Topics[0].Partitions[0]
	b := p.Records
	if len(b) < batchHeader || int(binary.BigEndian.Uint32(b[batchLengthAt:]))+12 != len(b) ||
		crc32.Checksum(b[batchCRCFrom:], castagnoli) != binary.BigEndian.Uint32(b[batchCRCAt:]) {
		return fmt.Errorf("the batch is damaged")
	}
	return w.append(answer{c: c, version: version, correlation: correlation, topic: req.Topics[0].Topic,
		partition: p.Partition}, b)
}

// fetch answers with the newest group's batches, over and over up to the partition's limit.
func (w *ring) fetch(c net.Conn, version int16, correlation uint32, body []byte) error {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(version)
	if err := req.ReadFrom(body); err != nil {
		return err
	}
	limit := int(req.Topics[0].Partitions[0].PartitionMaxBytes)
	data := w.newest(limit)
	times := max(1, limit/max(1, len(data)))
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(version)
	t := kmsg.NewFetchResponseTopic()
	t.Topic = req.Topics[0].Topic
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition = req.Topics[0].Partitions[0].Partition
	t.Partitions = append(t.Partitions, p)
	resp.Topics = append(resp.Topics, t)
	out := make([]byte, 4, 256)
	out = binary.BigEndian.AppendUint32(out, correlation)
	out = append(out, 0)
	out = resp.AppendTo(out)
	// The empty records are the last field but three tag sections: put the real length in their place.
	tail := append([]byte(nil), out[len(out)-3:]...)
	out = binary.AppendUvarint(out[:len(out)-4], uint64(times*len(data))+1)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4+times*len(data)+len(tail)))
	bufs := net.Buffers{out}
	for range times {
		bufs = append(bufs, data)
	}
	bufs = append(bufs, tail)
	_, err := bufs.WriteTo(c)
	return err
}
