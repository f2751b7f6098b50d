package fsck

import (
	"encoding/binary"
	"fmt"
)

// The group log, as docs/format/group-log.md draws it.
const (
	groupTopic    = "__consumer_offsets"
	groupMagic    = 'G'
	groupHead     = 8
	groupSnapshot = "wGST"

	groupOffsets    = 1
	groupMembership = 2
	groupGone       = 3
	groupForgotten  = 4
)

// decodeGroupEntry reads the records of an entry of the group log and returns how many there are.
func decodeGroupEntry(p []byte) (n uint32, err error) {
	for ; len(p) > 0; n++ {
		size, err := decodeGroupRecord(p)
		if err != nil {
			return n, fmt.Errorf("group record %d: %w", n, err)
		}
		p = p[size:]
	}
	return n, nil
}

// decodeGroupRecord reads one record off p and returns how many bytes it takes.
func decodeGroupRecord(p []byte) (int, error) {
	if len(p) < groupHead+4 || p[0] != groupMagic {
		return 0, fmt.Errorf("it does not begin with %c", groupMagic)
	}
	n := binary.BigEndian.Uint32(p[4:])
	if p[1] != 1 || p[3] != 0 || uint64(n) > uint64(len(p)-groupHead-4) {
		return 0, fmt.Errorf("version %d, %d bytes in %d", p[1], n, len(p))
	}
	end := groupHead + int(n)
	if crc(p[:end]) != binary.BigEndian.Uint32(p[end:]) {
		return 0, fmt.Errorf("its checksum is wrong")
	}
	r := &varints{p: p[groupHead:end]}
	r.str() // group
	switch p[2] {
	case groupOffsets:
		r.offsets()
	case groupMembership:
		r.membership()
	case groupGone:
	case groupForgotten:
		for k := r.count(); k > 0 && !r.bad; k-- {
			r.str()
			r.v()
		}
	default:
		return 0, fmt.Errorf("kind %d is not known", p[2])
	}
	if r.bad || len(r.p) > 0 {
		return 0, fmt.Errorf("its body of %d bytes, kind %d, cannot be read", n, p[2])
	}
	return end + 4, nil
}

// decodeGroupState reads a snapshot and returns how many groups it has.
func decodeGroupState(p []byte) (int, error) {
	if len(p) < 8+4 || string(p[:4]) != groupSnapshot {
		return 0, fmt.Errorf("it does not begin with %s", groupSnapshot)
	}
	body := p[:len(p)-4]
	if p[4] != 1 || !blank(p[5:8]) {
		return 0, fmt.Errorf("it has version %d, this program knows 1", p[4])
	}
	if crc(body) != binary.BigEndian.Uint32(p[len(body):]) {
		return 0, fmt.Errorf("its checksum is wrong")
	}
	r := &varints{p: body[8:]}
	n := r.count()
	last := ""
	for i := uint64(0); i < n && !r.bad; i++ {
		id := r.str()
		r.bad = r.bad || i > 0 && id <= last
		last = id
		switch r.u() {
		case 0:
		case 1:
			r.membership()
		default:
			r.bad = true
		}
		r.offsets()
	}
	if r.bad || len(r.p) > 0 {
		return 0, fmt.Errorf("its %d bytes cannot be read", len(p))
	}
	return int(n), nil
}

// varints takes fields of variable size off a slice. Past the end it gives zeros and is bad.
type varints struct {
	p   []byte
	bad bool
}

func (r *varints) u() uint64 {
	x, n := binary.Uvarint(r.p)
	if n <= 0 {
		r.bad, r.p = true, nil
		return 0
	}
	r.p = r.p[n:]
	return x
}

func (r *varints) v() int64 {
	x, n := binary.Varint(r.p)
	if n <= 0 {
		r.bad, r.p = true, nil
		return 0
	}
	r.p = r.p[n:]
	return x
}

// count reads how many elements follow; each takes a byte at least.
func (r *varints) count() uint64 {
	n := r.u()
	if n > uint64(len(r.p)) {
		r.bad = true
		return 0
	}
	return n
}

func (r *varints) str() string {
	n := r.count()
	s := string(r.p[:n])
	r.p = r.p[n:]
	return s
}

func (r *varints) offsets() {
	for n := r.count(); n > 0 && !r.bad; n-- {
		r.str() // topic
		r.v()   // partition
		r.v()   // offset
		r.v()   // leader epoch
		r.v()   // committed at
		r.str() // metadata
	}
}

func (r *varints) membership() {
	r.v() // since
	r.v() // generation
	for range 3 {
		r.str() // protocol type, protocol, leader
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		for range 4 {
			r.str() // member, instance, client, host
		}
		r.v() // session timeout
		r.v() // rebalance timeout
		r.str()
		r.str()
	}
}
