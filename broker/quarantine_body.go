package broker

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// The quarantine format; docs/format/quarantine.md draws it.
const (
	quarantineMagic   = "weir.qua"
	quarantineVersion = 1
	quarantineHeader  = 128
	quarantineCRC     = 4
	// quarantineChunk bounds what is read from the ring at a time.
	quarantineChunk = 256 << 10
)

// quarantineBody is the bytes of one quarantine object: a header, the ring's bytes as they are read, a CRC. It
// implements objectstore.Body.
type quarantineBody struct {
	log      *wal.Log
	head     [quarantineHeader]byte
	from, to wal.Position

	// Set by the last reader; one reads at a time.
	crc  uint32 // of all but itself, once it was read
	gone bool   // the WAL was trimmed past the bytes
}

func newQuarantineBody(cluster metadata.UUID, w *heldWAL, h stream.Holed) *quarantineBody {
	body := &quarantineBody{log: w.log, from: h.From, to: h.To}
	p, le := body.head[:], binary.LittleEndian
	copy(p, quarantineMagic)
	le.PutUint16(p[8:], quarantineVersion)
	le.PutUint16(p[10:], quarantineHeader)
	copy(p[16:], cluster[:])
	copy(p[32:], w.id[:])
	le.PutUint64(p[48:], uint64(w.gen))
	le.PutUint64(p[56:], uint64(h.Hole.ID))
	le.PutUint32(p[64:], uint32(h.Hole.Epoch))
	le.PutUint64(p[72:], uint64(h.Hole.From))
	le.PutUint64(p[80:], uint64(h.Hole.To))
	le.PutUint64(p[88:], uint64(h.From))
	le.PutUint64(p[96:], uint64(h.To))
	le.PutUint32(p[quarantineHeader-4:], crc32.Checksum(p[:quarantineHeader-4], castagnoli()))
	return body
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Size implements objectstore.Body.
func (b *quarantineBody) Size() int64 { return quarantineHeader + int64(b.to-b.from) + quarantineCRC }

// Open implements objectstore.Body.
func (b *quarantineBody) Open(sc *host.Scope) io.Reader {
	return &quarantineReader{b: b, sc: sc, pos: b.from, rest: b.head[:], table: castagnoli()}
}

type quarantineReader struct {
	b     *quarantineBody
	sc    *host.Scope
	pos   wal.Position // next byte of the ring
	rest  []byte       // of the header or the CRC: handed out next
	crc   uint32
	ended bool // rest is the CRC
	table *crc32.Table
}

// Read implements io.Reader.
func (r *quarantineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 && r.pos == r.b.to && !r.ended {
		r.rest, r.ended, r.b.crc = binary.LittleEndian.AppendUint32(nil, r.crc), true, r.crc
	}
	switch {
	case len(r.rest) > 0:
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		r.crc = crc32.Update(r.crc, r.table, p[:n])
		return n, nil
	case r.ended:
		return 0, io.EOF
	}
	p = p[:min(len(p), quarantineChunk, int(min(r.b.to-r.pos, quarantineChunk)))]
	if err := r.b.log.ReadRaw(r.sc, r.pos, p); err != nil {
		if errors.Is(err, wal.ErrTrimmed) {
			r.b.gone = true
			err = objectstore.Terminal(err)
		}
		return 0, err
	}
	r.pos += wal.Position(len(p))
	r.crc = crc32.Update(r.crc, r.table, p)
	return len(p), nil
}
