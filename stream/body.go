package stream

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/weirmq/weir/host"
)

// body is the bytes of one object: a reader over slabs and the log, with only headers, index and footer of
// its own. It implements objectstore.Body.
type body struct {
	e      *Engine
	blocks []block
	chunks []chunk // one a block
	tail   []byte  // index and footer
	size   int64

	// Set by the last reader; one reads at a time.
	crc uint32 // of all bytes, once it reached the end
	err error  // why it could not be read; not the store's fault
}

// chunk is where the entries of one block are: in r's index or, for a checkpoint, in state.
type chunk struct {
	r       *rangeLog
	entries []entry
	state   []byte
}

// layout arranges the parts of a plan in blocks and fixes every byte but the entries' own.
func (e *Engine) layout(p *plan) *body {
	b := &body{e: e}
	for i := range p.parts {
		pt := &p.parts[i]
		for rest := pt.entries; len(rest) > 0; {
			n := blockRun(rest, e.cfg.BlockBytes)
			b.addData(pt.r, rest[:n:n])
			rest = rest[n:]
		}
		if pt.state != nil {
			b.add(block{stream: pt.r.st.id, epoch: pt.r.epoch, kind: blockCheckpoint, start: pt.end, end: pt.end, entries: 1},
				entryHeaderSize+len(pt.state), chunk{r: pt.r, state: pt.state})
		}
	}
	at := b.size
	b.tail = appendIndex(nil, b.blocks)
	f := footer{indexPos: at, indexLen: uint32(len(b.tail)), indexCRC: crc32.Checksum(b.tail, castagnoli),
		writer: e.cfg.Writer, seq: p.seq}
	b.tail = f.append(b.tail)
	b.size += int64(len(b.tail))
	return b
}

// blockRun returns how many of entries, at least one, make a block of at most limit bytes.
func blockRun(entries []entry, limit int) int {
	size := 0
	for i := range entries {
		if size += entryHeaderSize + int(entries[i].at.Len); size > limit && i > 0 {
			return i
		}
	}
	return len(entries)
}

func (b *body) addData(r *rangeLog, entries []entry) {
	bl := block{stream: r.st.id, epoch: r.epoch, kind: blockData, start: entries[0].base,
		end: entries[len(entries)-1].end(), entries: uint32(len(entries)), maxTs: minTimestamp}
	size := 0
	for i := range entries {
		size += entryHeaderSize + int(entries[i].at.Len)
		bl.maxTs = max(bl.maxTs, entries[i].maxTs)
	}
	b.add(bl, size, chunk{r: r, entries: entries})
}

func (b *body) add(bl block, size int, c chunk) {
	bl.position, bl.size = b.size, uint32(blockHeaderSize+size+crcSize)
	b.size += int64(bl.size)
	b.blocks = append(b.blocks, bl)
	b.chunks = append(b.chunks, c)
}

// Size implements objectstore.Body.
func (b *body) Size() int64 { return b.size }

// Open implements objectstore.Body.
func (b *body) Open(sc *host.Scope) io.Reader {
	b.err = nil
	return &bodyReader{b: b, sc: sc, max: b.e.cfg.BlockBytes}
}

// bodyReader yields the object's bytes through a buffer of about one block, refilled entry by entry.
type bodyReader struct {
	b       *body
	sc      *host.Scope
	max     int
	block   int // being read
	entry   int // next of it
	started bool
	ended   bool
	crc     uint32 // of the block so far
	total   uint32 // of the object so far
	buf     []byte
	pos     int
	scratch []byte
}

// Read implements io.Reader.
func (r *bodyReader) Read(p []byte) (int, error) {
	for r.pos == len(r.buf) {
		if r.ended {
			return 0, io.EOF
		}
		if err := r.fill(); err != nil {
			if r.sc.Err() == nil {
				r.b.err = err
			}
			return 0, err
		}
	}
	n := copy(p, r.buf[r.pos:])
	r.pos += n
	if r.ended && r.pos == len(r.buf) {
		r.b.crc = r.total
	}
	return n, nil
}

func (r *bodyReader) fill() error {
	r.buf, r.pos = r.buf[:0], 0
	for len(r.buf) < r.max && !r.ended {
		if r.block == len(r.b.blocks) {
			r.buf = append(r.buf, r.b.tail...)
			r.ended = true
			break
		}
		if err := r.step(); err != nil {
			return err
		}
	}
	r.total = crc32.Update(r.total, castagnoli, r.buf)
	return nil
}

// step appends the next piece of the current block to buf: its header, an entry, or its CRC.
func (r *bodyReader) step() error {
	bl, c := r.b.blocks[r.block], &r.b.chunks[r.block]
	at := len(r.buf)
	switch {
	case !r.started:
		r.buf = append(r.buf, make([]byte, blockHeaderSize)...)
		bl.putHeader(r.buf[at:])
		r.started, r.entry, r.crc = true, 0, 0
	case bl.kind == blockCheckpoint && r.entry == 0:
		h := entryHeader{base: bl.start, length: uint32(len(c.state)), epoch: bl.epoch}
		r.header(h)
		r.buf = append(r.buf, c.state...)
		r.entry++
	case r.entry < len(c.entries):
		en := &c.entries[r.entry]
		r.header(entryHeader{base: en.base, count: en.count, length: en.at.Len, maxTs: en.maxTs, epoch: bl.epoch})
		err := r.b.e.withEntry(r.sc, c.r, en, &r.scratch, func(data []byte) { r.buf = append(r.buf, data...) })
		if err != nil {
			return err
		}
		r.entry++
	default:
		r.buf = binary.LittleEndian.AppendUint32(r.buf, r.crc)
		r.block++
		r.started = false
		return nil
	}
	r.crc = crc32.Update(r.crc, castagnoli, r.buf[at:])
	return nil
}

func (r *bodyReader) header(h entryHeader) {
	at := len(r.buf)
	r.buf = append(r.buf, make([]byte, entryHeaderSize)...)
	h.put(r.buf[at:])
}
