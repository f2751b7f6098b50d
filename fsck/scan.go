package fsck

import (
	"fmt"
	"math"

	"github.com/weirmq/weir/metadata"
)

// damage is a part of a ring that was durable once and is not what was written.
type damage struct {
	from, to uint64
	why      string
	lost     []entry // that the frame's table still lists
	listed   bool    // it lists all of them
	end      bool    // nothing of the log lies behind it
}

// scan walks a ring from a trim to the end of the log, by the table in docs/format/wal.md.
type scan struct {
	ring     *ring
	uuid     metadata.UUID
	limit    uint64 // the next lap begins here
	frame    uint64 // the longest frame
	pos      uint64
	chain    uint32
	anchored bool // chain counts
	epoch    int64
	durable  uint64           // the best evidence of durability
	whose    string           // where that comes from
	take     func(*entry)     // is given each entry of a frame that is whole, and each whole entry of another
	progress func(pos uint64) // nil for none

	frames  int
	damages []damage
	torn    string // why the tail was dropped, "" if it was not
	tornAt  uint64
}

// seen is what lies at the place of the next frame.
type seen struct {
	f       frame
	b       []byte // the frame's bytes; nil if no header tells where it ends
	flipped bool   // the header is right but for one changed byte
	entries []entry
	listed  bool   // the table can be believed
	bad     []bool // blocks that do not match
	why     string // what is wrong; "" if the frame is part of the log
	missing bool   // what is wrong may be a write that did not happen
}

// run scans to the end.
func (s *scan) run() error {
	for {
		if s.progress != nil {
			s.progress(s.pos)
		}
		x, err := s.look()
		if err != nil {
			return err
		}
		if x.why == "" && x.b != nil {
			s.accept(x)
			continue
		}
		later, remains, err := s.search()
		if err != nil {
			return err
		}
		switch known := s.durable > s.pos; {
		case known, x.b != nil && !x.missing:
			if !s.spoilt(x, later, known) {
				return nil
			}
		case x.b != nil || remains:
			s.torn, s.tornAt = x.why, s.pos
			return nil
		default:
			return nil
		}
	}
}

// look classifies what lies at s.pos.
func (s *scan) look() (*seen, error) {
	x := &seen{why: "there is no frame"}
	if s.pos+blockSize > s.limit {
		return x, nil
	}
	b, err := s.ring.view(s.pos, blockSize)
	if err != nil {
		return nil, err
	}
	f, err := decodeFrame(b)
	if err != nil {
		fixed, ok := repaired(b)
		if !ok || !s.next(&fixed) {
			return x, nil
		}
		f, x.flipped = fixed, true
	} else if !s.next(&f) {
		x.why = fmt.Sprintf("there is a frame of position %d, epoch %d, that does not follow", f.pos, f.epoch)
		return x, nil
	}
	x.f, x.why = f, ""
	if x.b, err = s.ring.view(s.pos, int(f.length)); err != nil {
		return nil, err
	}
	s.inspect(x)
	if x.flipped { // a sector that was torn within its header lacks what follows, too
		x.missing = x.why != "" && x.missing
		x.why = "one byte of its header was changed"
	}
	return x, nil
}

// next reports whether f is the frame that follows.
func (s *scan) next(f *frame) bool {
	return f.pos == s.pos && f.uuid == s.uuid && f.epoch >= s.epoch && (!s.anchored || f.chain == s.chain) &&
		f.pos+uint64(f.length) <= s.limit
}

// inspect checks the trailer and the blocks of x.
func (s *scan) inspect(x *seen) {
	f := &x.f
	trailer := x.b[f.place:][:f.trailer]
	if got := crc(trailer); got != f.sum {
		x.why = "its trailer's checksum is wrong"
		x.missing = s.mayMiss(f.pos+uint64(f.place), trailerSpan(x))
		if at, bits, ok := changedByte(f.sum, got, len(trailer)); ok && at < len(trailer) && !s.unwritten(x,
			int(f.place)+at, int(f.place+f.trailer), bits) {
			x.why, x.missing = x.why+", and one changed byte explains it", false
		}
		return
	}
	var err error
	if x.entries, err = f.table(x.b); err != nil {
		x.why, x.missing = err.Error(), false
		return
	}
	x.listed, x.missing = true, false
	bad, flipped, missing := 0, false, false
	for i := range int(f.length / blockSize) {
		got, n := f.blockSum(x.b, i)
		want := f.storedSum(x.b, i)
		if got == want {
			continue
		}
		if x.bad == nil {
			x.bad = make([]bool, f.length/blockSize)
		}
		x.bad[i] = true
		bad++
		at, bits, ok := changedByte(want, got, n)
		flipped = ok && (at == n || !s.unwritten(x, f.covered(i, at), len(x.b), bits))
		missing = missing || s.mayMiss(f.pos+uint64(i*blockSize), x.b[i*blockSize:][:blockSize])
	}
	if bad == 0 {
		return
	}
	x.why = fmt.Sprintf("%d of its %d blocks do not match their checksums", bad, f.length/blockSize)
	x.missing = missing
	if bad == 1 && flipped {
		x.why, x.missing = x.why+", and one changed byte explains it", false
	}
}

// trailerSpan is the sectors that the trailer of x overlaps.
func trailerSpan(x *seen) []byte {
	from := x.f.place / sector * sector
	to := min((x.f.place+x.f.trailer+sector-1)/sector*sector, x.f.length)
	return x.b[from:to]
}

// sector is the least that a disk writes as a whole.
const sector = 512

// mayMiss reports whether a write of sectors b, at or about pos, may be one that did not happen: on the first lap
// such a sector ends in zero, later nothing can be told.
func (s *scan) mayMiss(pos uint64, b []byte) bool {
	if pos >= s.ring.capacity {
		return true
	}
	for at := sector; at <= len(b); at += sector {
		if b[at-1] == 0 {
			return true
		}
	}
	return false
}

// unwritten reports whether byte at of x, which alone is wrong, by bits, and the rest of its sector may have been torn
// off: then it was to be the last one there that is not zero, among those below end that the checksum covers.
func (s *scan) unwritten(x *seen, at, end int, bits byte) bool {
	rest := x.b[at:min((at/sector+1)*sector, end)]
	return rest[0] != bits && blank(rest[1:]) && (rest[0] == 0 || x.f.pos+uint64(at) >= s.ring.capacity)
}

// accept takes a whole frame.
func (s *scan) accept(x *seen) {
	s.frames++
	for i := range x.entries {
		s.take(&x.entries[i])
	}
	s.step(x)
}

func (s *scan) step(x *seen) {
	s.evidence(x.f.kd, "a frame behind it")
	s.pos, s.chain, s.anchored, s.epoch = s.pos+uint64(x.f.length), x.f.crc, true, x.f.epoch
}

func (s *scan) evidence(d uint64, whose string) {
	if d > s.durable {
		s.durable, s.whose = d, whose
	}
}

// spoilt notes damage at s.pos and goes on behind it; false if nothing lies behind it.
func (s *scan) spoilt(x *seen, later uint64, known bool) bool {
	d := damage{from: s.pos, why: x.why, listed: x.listed}
	if known {
		d.why += "; that it was durable is known from " + s.whose
	}
	if x.b == nil {
		d.to = s.durable
		if later != 0 {
			d.to = later
		}
		d.end = later == 0
		s.damages = append(s.damages, d)
		s.pos, s.anchored = d.to, false
		return later != 0 || d.to < s.limit
	}
	d.to = s.pos + uint64(x.f.length)
	for i := range x.entries {
		e := &x.entries[i]
		if e.bad = x.flipped || touches(e, x.bad); e.bad {
			d.lost = append(d.lost, *e)
		} else {
			s.take(e)
		}
	}
	s.damages = append(s.damages, d)
	s.step(x)
	return true
}

func touches(e *entry, bad []bool) bool {
	if e.length == 0 || bad == nil {
		return false
	}
	for i := e.at / blockSize; i <= (e.at+e.length-1)/blockSize; i++ {
		if bad[i] {
			return true
		}
	}
	return false
}

// search looks for later frames of this lap, up to its end, and takes what they know of durability. It returns the
// first of them, and whether anything lies behind s.pos where no lap wrote before.
func (s *scan) search() (first uint64, remains bool, err error) {
	near := s.pos + s.frame
	for at := s.pos; at+blockSize <= s.limit; {
		n := min(searchChunk, s.limit-at, s.ring.capacity-at%s.ring.capacity)
		chunk, err := s.ring.view(at, int(n))
		if err != nil {
			return 0, false, err
		}
		if at < min(near, s.ring.capacity) && !remains {
			remains = !blank(chunk[:min(n, min(near, s.ring.capacity)-at)])
		}
		for off := uint64(0); off+blockSize <= n; off += blockSize {
			pos, b := at+off, chunk[off:]
			if pos == s.pos || string(b[:8]) != frameMagic {
				continue
			}
			f, err := decodeFrame(b)
			if err != nil || f.uuid != s.uuid || f.pos != pos || f.epoch < s.epoch {
				continue
			}
			if first == 0 {
				first = pos
			}
			s.evidence(f.kd, fmt.Sprintf("the frame at position %d", pos))
		}
		at += n
	}
	return first, remains, nil
}

// searchChunk is how much of a ring is looked at at a time.
const searchChunk = 1 << 20

// reaches follows headers from an older trim to a newer one and returns where that fails, or ok.
func (r *ring) reaches(old, newer *superblock) (at uint64, ok bool, err error) {
	s := &scan{ring: r, uuid: old.uuid, limit: math.MaxUint64, pos: old.trim, chain: old.trimChain, anchored: true,
		epoch: old.trimEpoch}
	for s.pos < newer.trim {
		b, err := r.view(s.pos, frameHeader)
		if err != nil {
			return 0, false, err
		}
		f, err := decodeFrame(b)
		if err != nil || !s.next(&f) {
			return s.pos, false, nil
		}
		s.pos, s.chain, s.epoch = s.pos+uint64(f.length), f.crc, f.epoch
	}
	return s.pos, s.pos == newer.trim && s.chain == newer.trimChain && s.epoch <= newer.trimEpoch, nil
}
