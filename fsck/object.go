package fsck

import (
	"encoding/binary"
	"fmt"

	"github.com/weirmq/weir/metadata"
)

// An object, as docs/format/object.md draws it.
const (
	objectMagic      = "weir.obj"
	objectFooter     = 80
	indexMagic       = "WIDX"
	indexHeader      = 16
	indexEntry       = 56
	blockMagic       = "WBLK"
	objectBlockHead  = 36
	objectEntryHead  = 28
	blockData        = 1
	blockCheckpoint  = 2
	formatObject     = 1
	objectBlocksMax  = 1 << 24
	quarantineMagic  = "weir.qua"
	quarantineHeader = 128
)

// object is a parsed object: what each of its blocks holds.
type object struct {
	size   int64
	first  *byte // of the bytes it was parsed from: others may lie at the same key after damage
	crc    uint32
	writer writer
	blocks []block
	err    error // the object as a whole cannot be read
	whole  bool  // its entries have their bytes
}

// writer is who put an object.
type writer struct {
	cluster metadata.UUID
	broker  int32
	epoch   int64
	seq     uint64
}

// block is one block of an object.
type block struct {
	stream  uint64
	epoch   int32
	kind    byte
	first   int64
	end     int64
	stamp   int64
	pos     uint64
	size    uint32
	count   uint32
	entries []entry // at and frame count from the object's begin
	err     error   // its bytes are spoilt
}

// parseObject reads an object. A block that is spoilt has an error of its own.
func parseObject(b []byte) *object {
	o := &object{size: int64(len(b)), crc: crc(b)}
	if len(b) > 0 {
		o.first = &b[0]
	}
	o.err = o.parse(b)
	return o
}

func (o *object) parse(b []byte) error {
	if len(b) < objectFooter+indexHeader+4 {
		return fmt.Errorf("it has %d bytes, too few for an object", len(b))
	}
	f := b[len(b)-objectFooter:]
	le := binary.LittleEndian
	if string(f[:8]) != objectMagic {
		return fmt.Errorf("its last %d bytes do not begin with %s", objectFooter, objectMagic)
	}
	if crc(f[:76]) != le.Uint32(f[76:]) {
		return fmt.Errorf("its footer's checksum is wrong")
	}
	if v, n := le.Uint16(f[8:]), le.Uint16(f[10:]); v != formatObject || n != objectFooter || le.Uint32(f[12:]) != 0 {
		return fmt.Errorf("its footer has version %d, %d bytes, feature bits %#x", v, n, le.Uint32(f[12:]))
	}
	if !blank(f[60:64]) || !blank(f[72:76]) {
		return fmt.Errorf("reserved bytes of its footer are not zero")
	}
	be := binary.BigEndian
	o.writer = writer{metadata.UUID(f[32:48]), int32(be.Uint32(f[48:])), int64(be.Uint64(f[52:])), le.Uint64(f[64:])}
	at, n := le.Uint64(f[16:]), uint64(le.Uint32(f[24:]))
	if at > uint64(len(b)) || n < indexHeader+4 || at+n != uint64(len(b)-objectFooter) {
		return fmt.Errorf("its index of %d bytes is at %d of %d", n, at, len(b))
	}
	index := b[at:][:n]
	if crc(index) != le.Uint32(f[28:]) || crc(index[:n-4]) != le.Uint32(index[n-4:]) {
		return fmt.Errorf("its index's checksum is wrong")
	}
	return o.parseIndex(index, b[:at])
}

func (o *object) parseIndex(p, body []byte) error {
	le := binary.LittleEndian
	n := le.Uint32(p[8:])
	if string(p[:4]) != indexMagic || le.Uint16(p[4:]) != formatObject || !blank(p[6:8]) || !blank(p[12:16]) ||
		n > objectBlocksMax || int(n)*indexEntry+indexHeader+4 != len(p) {
		return fmt.Errorf("its index of %d bytes is not one of %d blocks", len(p), n)
	}
	at := uint64(0)
	o.blocks = make([]block, n)
	for i := range o.blocks {
		e := p[indexHeader+i*indexEntry:][:indexEntry]
		x := &o.blocks[i]
		*x = block{
			stream: le.Uint64(e), first: int64(le.Uint64(e[8:])), end: int64(le.Uint64(e[16:])),
			pos:   le.Uint64(e[24:]),
			stamp: int64(le.Uint64(e[32:])), epoch: int32(le.Uint32(e[40:])), size: le.Uint32(e[44:]),
			count: le.Uint32(e[48:]), kind: e[52],
		}
		point := x.kind == blockCheckpoint
		if !blank(e[53:]) || x.kind != blockData && !point || x.pos != at || x.first < 0 ||
			(x.end == x.first) != point ||
			x.end < x.first || at+uint64(x.size) > uint64(len(body)) {
			return fmt.Errorf("line %d of its index is not what a writer writes", i)
		}
		if i > 0 && !o.blocks[i-1].before(x) {
			return fmt.Errorf("block %d of its index is not behind the one before", i)
		}
		x.err = x.parse(body[at:][:x.size])
		at += uint64(x.size)
	}
	if at != uint64(len(body)) {
		return fmt.Errorf("its blocks end at %d and its index begins at %d", at, len(body))
	}
	return nil
}

// before reports whether blocks may stand in the order x, y: by stream, epoch and offset, each range's checkpoint
// last.
func (x *block) before(y *block) bool {
	switch {
	case x.stream != y.stream:
		return x.stream < y.stream
	case x.epoch != y.epoch:
		return x.epoch < y.epoch
	}
	return x.kind == blockData && x.end <= y.first
}

func (x *block) parse(b []byte) error {
	le := binary.LittleEndian
	if len(b) < objectBlockHead+4 || string(b[:4]) != blockMagic {
		return fmt.Errorf("it does not begin with %s", blockMagic)
	}
	if crc(b[:len(b)-4]) != le.Uint32(b[len(b)-4:]) {
		return fmt.Errorf("its checksum is wrong")
	}
	n := le.Uint32(b[32:])
	if b[4] != x.kind || !blank(b[5:8]) || le.Uint64(b[8:]) != x.stream || int32(le.Uint32(b[16:])) != x.epoch ||
		le.Uint32(b[20:]) != x.count || int64(le.Uint64(b[24:])) != x.first || int(n) != len(b)-objectBlockHead-4 {
		return fmt.Errorf("its header is not what the index says")
	}
	p, at, next, stamp := b[objectBlockHead:len(b)-4], uint32(objectBlockHead), x.first, int64(0)
	for i := range x.count {
		if len(p) < objectEntryHead || int(le.Uint32(p[12:])) > len(p)-objectEntryHead {
			return fmt.Errorf("entry %d of %d does not fit", i, x.count)
		}
		size := le.Uint32(p[12:])
		e := entry{
			stream: x.stream, base: int64(le.Uint64(p)), count: le.Uint32(p[8:]), length: size,
			stamp: int64(le.Uint64(p[16:])), epoch: int32(le.Uint32(p[24:])), kind: kindData,
			at: uint32(x.pos) + at + objectEntryHead, frame: x.pos,
			data: p[objectEntryHead:][:size:size],
		}
		if e.base != next || e.epoch != x.epoch || (e.count == 0) != (x.kind == blockCheckpoint) {
			return fmt.Errorf("entry %d at offset %d of epoch %d does not follow offset %d of epoch %d",
				i, e.base, e.epoch, next, x.epoch)
		}
		if next = e.end(); i == 0 || e.stamp > stamp {
			stamp = e.stamp
		}
		e.sum = crc(e.data)
		x.entries = append(x.entries, e)
		p, at = p[objectEntryHead+size:], at+objectEntryHead+size
	}
	if len(p) != 0 || next != x.end || stamp != x.stamp || x.kind == blockCheckpoint && x.count != 1 {
		return fmt.Errorf("its %d entries end at offset %d, largest timestamp %d; the index says %d and %d",
			x.count, next, stamp, x.end, x.stamp)
	}
	return nil
}

// quarantine is a quarantine object.
type quarantine struct {
	cluster, wal metadata.UUID
	generation   int64
	stream       uint64
	epoch        int32
	from, to     int64
	first, end   uint64 // positions in the ring
	crc          uint32
}

// parseQuarantine reads a quarantine object, as docs/format/quarantine.md draws it.
func parseQuarantine(b []byte) (quarantine, error) {
	var q quarantine
	le := binary.LittleEndian
	if len(b) < quarantineHeader+4 || string(b[:8]) != quarantineMagic {
		return q, fmt.Errorf("it does not begin with %s", quarantineMagic)
	}
	h := b[:quarantineHeader]
	if crc(h[:124]) != le.Uint32(h[124:]) {
		return q, fmt.Errorf("its header's checksum is wrong")
	}
	if v, n := le.Uint16(h[8:]), le.Uint16(h[10:]); v != 1 || n != quarantineHeader {
		return q, fmt.Errorf("it has version %d and a header of %d bytes", v, n)
	}
	if q.crc = le.Uint32(b[len(b)-4:]); crc(b[:len(b)-4]) != q.crc {
		return q, fmt.Errorf("its checksum is wrong")
	}
	q.cluster, q.wal, q.generation = metadata.UUID(h[16:32]), metadata.UUID(h[32:48]), int64(le.Uint64(h[48:]))
	q.stream, q.epoch = le.Uint64(h[56:]), int32(le.Uint32(h[64:]))
	q.from, q.to = int64(le.Uint64(h[72:])), int64(le.Uint64(h[80:]))
	q.first, q.end = le.Uint64(h[88:]), le.Uint64(h[96:])
	if q.first > q.end || q.end-q.first != uint64(len(b)-quarantineHeader-4) || !blank(h[12:16]) ||
		!blank(h[68:72]) ||
		!blank(h[104:124]) {
		return q, fmt.Errorf("its header does not describe its %d bytes", len(b))
	}
	return q, nil
}
