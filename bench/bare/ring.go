package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

const (
	ringBytes  = 1 << 30
	slabBytes  = 4 << 20
	slabCount  = 12 // one fills, one is written, the rest are answered or wait
	blockBytes = 4096
	headBytes  = 128
)

// answer is a request that waits for its group's sync.
type answer struct {
	c           net.Conn
	version     int16
	correlation uint32
	topic       string
	partition   int32
	base        int64
}

// group is what one write and one sync make durable.
type group struct {
	mem     []byte
	end     int
	answers []answer
}

// ring is framed groups without recovery.
type ring struct {
	f   *os.File
	pos int64 // commitLoop's

	mu      sync.Mutex
	changed sync.Cond
	fill    *group // nil while no slab is free
	free    []*group
	shown   []byte // batches of the newest durable group
	next    map[int32]int64
	done    chan *group
}

// openRing makes the ring and writes it once, because the first write of a block is dearer than later ones.
func openRing(name string) (*ring, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC|unix.O_DIRECT, 0o644)
	if err != nil {
		return nil, err
	}
	w := &ring{f: f, next: map[int32]int64{}, done: make(chan *group, slabCount)}
	w.changed.L = &w.mu
	for range slabCount {
		mem, err := unix.Mmap(-1, 0, slabBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return nil, err
		}
		clear(mem)
		w.free = append(w.free, &group{mem: mem})
	}
	for at := int64(0); at < ringBytes; at += slabBytes {
		if _, err := f.WriteAt(w.free[0].mem, at); err != nil {
			return nil, err
		}
	}
	w.refill()
	return w, f.Sync()
}

// refill takes a free slab to fill. Called with the lock held.
func (w *ring) refill() {
	w.fill = nil
	if n := len(w.free); n > 0 {
		w.fill, w.free = w.free[n-1], w.free[:n-1]
		w.fill.end, w.fill.answers = headBytes, w.fill.answers[:0]
	}
}

// append copies the batch into the group that fills, waiting for room.
func (w *ring) append(a answer, batch []byte) error {
	if len(batch) > slabBytes-2*blockBytes {
		return fmt.Errorf("a batch of %d bytes does not fit", len(batch))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.fill == nil || w.fill.end+len(batch) > slabBytes {
		w.changed.Wait()
	}
	g := w.fill
	a.base = w.next[a.partition]
	w.next[a.partition] += int64(binary.BigEndian.Uint32(batch[batchCountAt:]))
	copy(g.mem[g.end:], batch)
	binary.BigEndian.PutUint64(g.mem[g.end:], uint64(a.base))
	g.end += len(batch)
	g.answers = append(g.answers, a)
	if len(g.answers) == 1 {
		w.changed.Broadcast()
	}
	return nil
}

// commitLoop writes and syncs one group after the other: while one is synced the next one fills.
func (w *ring) commitLoop() {
	for {
		w.mu.Lock()
		for w.fill == nil || len(w.fill.answers) == 0 {
			w.changed.Wait()
		}
		g := w.fill
		w.refill()
		w.mu.Unlock()
		w.changed.Broadcast()
		size := (g.end + blockBytes - 1) / blockBytes * blockBytes
		clear(g.mem[g.end:size])
		binary.LittleEndian.PutUint64(g.mem, uint64(g.end))
		binary.LittleEndian.PutUint32(g.mem[8:], crc32.Checksum(g.mem[headBytes:g.end], castagnoli))
		if w.pos+int64(size) > ringBytes {
			w.pos = 0
		}
		if _, err := w.f.WriteAt(g.mem[:size], w.pos); err != nil {
			panic(err)
		}
		if err := unix.Fdatasync(int(w.f.Fd())); err != nil {
			panic(err)
		}
		w.pos += int64(size)
		w.done <- g
	}
}

// answerLoop answers whole groups: one write a connection.
func (w *ring) answerLoop() {
	resp := kmsg.NewPtrProduceResponse()
	t := kmsg.NewProduceResponseTopic()
	t.Partitions = []kmsg.ProduceResponseTopicPartition{kmsg.NewProduceResponseTopicPartition()}
	resp.Topics = append(resp.Topics, t)
	out := map[net.Conn][]byte{}
	for g := range w.done {
		for i := range g.answers {
			a := &g.answers[i]
			resp.SetVersion(a.version)
			resp.Topics[0].Topic = a.topic
			resp.Topics[0].Partitions[0].Partition, resp.Topics[0].Partitions[0].BaseOffset = a.partition, a.base
			b := out[a.c]
			at := len(b)
			b = append(b, 0, 0, 0, 0)
			b = binary.BigEndian.AppendUint32(b, a.correlation)
			b = resp.AppendTo(append(b, 0))
			binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
			out[a.c] = b
		}
		for c, b := range out {
			if len(b) == 0 {
				delete(out, c) // answered nothing since: perhaps gone
				continue
			}
			_, _ = c.Write(b) // an error is the reader's to see
			out[c] = b[:0]
		}
		w.release(g)
	}
}

// release gives the slab back and keeps its batches for fetches, until it fills again.
func (w *ring) release(g *group) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = g.mem[headBytes:g.end]
	w.free = append([]*group{g}, w.free...) // the oldest is taken first
	if w.fill == nil {
		w.refill()
	}
	w.changed.Broadcast()
}

// newest returns whole batches of the newest group, at most limit bytes but one batch.
func (w *ring) newest(limit int) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.shown) {
		size := int(binary.BigEndian.Uint32(w.shown[n+batchLengthAt:])) + 12
		if n > 0 && n+size > limit {
			break
		}
		n += size
	}
	return w.shown[:n]
}
