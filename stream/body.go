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
	return &bodyReader{b: b, sc: sc}
}

// bodyReader yields the object's bytes piece by piece: headers, entries, CRCs, and the tail. A piece that fits
// goes straight into the caller's buffer, where both CRCs are taken while it is warm; one that does not goes
// through buf.
type bodyReader struct {
	b       *body
	sc      *host.Scope
	block   int // being read
	entry   int // next of it
	started bool
	ended   bool
	crc     uint32 // of the block so far
	total   uint32 // of the object so far
	out     []byte // where step appends
	buf     []byte // a piece that did not fit
	pos     int    // what of it was handed out
	hold    slabRun
}

// Read implements io.Reader.
func (r *bodyReader) Read(p []byte) (int, error) {
	n := copy(p, r.buf[r.pos:])
	r.pos += n
	if n == 0 && len(p) > 0 {
		if r.ended {
			return 0, io.EOF
		}
		var err error
		if n, err = r.yield(p); err != nil {
			if r.sc.Err() == nil {
				r.b.err = err
			}
			return 0, err
		}
	}
	if r.ended && r.pos == len(r.buf) {
		r.b.crc = r.total
	}
	return n, nil
}

// yield puts pieces into p while they fit, and the beginning of one if the first does not.
func (r *bodyReader) yield(p []byte) (int, error) {
	defer r.hold.release() // a reader has no Close
	r.out = p[:0:len(p)]
	for !r.ended && r.piece() <= len(p)-len(r.out) {
		if err := r.step(); err != nil {
			return 0, err
		}
	}
	if n := len(r.out); n > 0 {
		return n, nil
	}
	r.out = r.buf[:0]
	if err := r.step(); err != nil {
		return 0, err
	}
	r.buf = r.out
	r.pos = copy(p, r.buf)
	return r.pos, nil
}

// piece returns the size of what step appends next.
func (r *bodyReader) piece() int {
	if r.block == len(r.b.blocks) {
		return len(r.b.tail)
	}
	c := &r.b.chunks[r.block]
	switch {
	case !r.started:
		return blockHeaderSize
	case r.b.blocks[r.block].kind == blockCheckpoint && r.entry == 0:
		return entryHeaderSize + len(c.state)
	case r.entry < len(c.entries):
		return entryHeaderSize + int(c.entries[r.entry].at.Len)
	}
	return crcSize
}

// step appends the next piece to out: the current block's header, an entry, or its CRC; at last the tail.
func (r *bodyReader) step() error {
	at := len(r.out)
	if r.block == len(r.b.blocks) {
		r.out = append(r.out, r.b.tail...)
		r.ended = true
		r.total = crc32.Update(r.total, castagnoli, r.out[at:])
		return nil
	}
	bl, c := &r.b.blocks[r.block], &r.b.chunks[r.block]
	switch {
	case !r.started:
		r.out = append(r.out, make([]byte, blockHeaderSize)...)
		bl.putHeader(r.out[at:])
		r.started, r.entry, r.crc = true, 0, 0
	case bl.kind == blockCheckpoint && r.entry == 0:
		h := entryHeader{base: bl.start, length: uint32(len(c.state)), epoch: bl.epoch}
		r.header(h)
		r.out = append(r.out, c.state...)
		r.entry++
	case r.entry < len(c.entries):
		en := &c.entries[r.entry]
		r.header(entryHeader{base: en.base, count: en.count, length: en.at.Len, maxTs: en.maxTs, epoch: bl.epoch})
		err := r.b.e.withEntry(r.sc, c.r, en, &r.hold, func(data []byte) { r.out = append(r.out, data...) })
		if err != nil {
			return err
		}
		r.entry++
	default:
		r.out = binary.LittleEndian.AppendUint32(r.out, r.crc)
		r.block++
		r.started = false
		r.total = crc32.Update(r.total, castagnoli, r.out[at:])
		return nil
	}
	r.crc = crc32.Update(r.crc, castagnoli, r.out[at:])
	r.total = crc32.Update(r.total, castagnoli, r.out[at:])
	return nil
}

func (r *bodyReader) header(h entryHeader) {
	at := len(r.out)
	r.out = append(r.out, make([]byte, entryHeaderSize)...)
	h.put(r.out[at:])
}
