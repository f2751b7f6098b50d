package wal

import (
	"hash/crc32"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// scanner walks the ring from the trim position and decides by the table. It reads, and writes nothing.
type scanner struct {
	ring       *ring
	wal        UUID
	frameLimit int
	limit      Position // trim + capacity: behind it lies the next lap
	buf        []byte   // aligned; at least one frame
	from       Position // of the bytes in buf
	n          int      // how many there are

	pos      Position
	chain    uint32
	anchored bool  // chain counts; behind damage it is not known
	epoch    int64 // no frame may be below it
	durable  Position
	clean    Position // the end at which the log was closed in order, if nothing was written since; 0 = it was not

	patience patience
	unread   map[Position]bool // blocks that cannot be read

	heads int    // bytes of each data entry to keep
	kept  []byte // where the newest of them are

	rec   *Recovery
	marks []mark
	sums  []uint32
	dirty bool // something is left where no lap wrote before, behind the end
}

// sight is what was seen at a position.
type sight struct {
	header headerSeen
	body   bodySeen
	h      header
	buf    []byte // the frame's bytes, if a header announces them
	table  bool   // the trailer can be read
	bad    []bool // by block: what does not match its checksum; nil if none
}

// view returns n bytes at pos, nil if they reach behind the limit.
func (s *scanner) view(pos Position, n int) ([]byte, error) {
	if pos+Position(n) > s.limit || n > len(s.buf) {
		return nil, nil
	}
	if pos < s.from || pos+Position(n) > s.from+Position(s.n) {
		s.from, s.n = pos, int(min(Position(len(s.buf)), s.limit-pos))
		if err := s.fetch(s.buf[:s.n], pos); err != nil {
			s.n = 0
			return nil, err
		}
	}
	at := int(pos - s.from)
	return s.buf[at : at+n : at+n], nil
}

// run scans to the end of the log.
func (s *scanner) run() error {
	for {
		if mutant.On(mutant.RecoveryStopsEarly) && s.pos >= s.durable {
			return nil
		}
		o, err := s.look()
		if err != nil {
			return err
		}
		if decisions[o.header][o.body][evidenceNone] == verdictAccept {
			s.accept(&o)
			continue
		}
		if again, err := s.lookAgain(); err != nil {
			return err
		} else if again {
			continue
		}
		later, err := s.searchBehind()
		if err != nil {
			return err
		}
		if o, err = s.lookAfresh(); err != nil { // the search may have moved the window, and a repair is only in it
			return err
		}
		if decisions[o.header][o.body][evidenceNone] == verdictAccept {
			s.accept(&o) // it was read wrong until now
			continue
		}
		if o.header == headerOther && s.dirty {
			o.header = headerRemains
		}
		e := evidenceNone
		if s.durable > s.pos && !mutant.On(mutant.EvidenceIgnored) {
			e = evidenceDurable
		}
		v := decisions[o.header][o.body][e]
		if v == verdictDamage && mutant.On(mutant.DamageIsTear) {
			v = verdictTorn
		}
		switch why := reason(o.header, o.body, e); v {
		case verdictEnd:
			return nil
		case verdictTorn:
			if mutant.On(mutant.RecoveryAcceptsTorn) && o.table {
				o.bad = nil
				s.accept(&o)
				continue
			}
			probe.Hit(probe.WalTornTailDropped)
			if o.header == headerRemains {
				probe.Hit(probe.WalRemainsDropped)
			}
			s.rec.Torn = Torn{Frames: 1, At: s.pos, Bytes: int64(o.h.length), Why: why}
			s.dirty = true
			return nil
		case verdictDamage:
			s.damage(&o, later, why)
		default:
			invariant.Fail(invariant.TailEvidence, "no verdict for header %d, body %d, evidence %d",
				o.header, o.body, e)
		}
	}
}

// lookAgain reads what is at s.pos once more before anything is dropped for it, and reports whether it is a frame
// of the log after all.
func (s *scanner) lookAgain() (bool, error) {
	for range readTries - 1 {
		o, err := s.lookAfresh()
		if err != nil {
			return false, err
		}
		if decisions[o.header][o.body][evidenceNone] == verdictAccept {
			probe.Hit(probe.WalReadAgain)
			return true, nil
		}
	}
	return false, nil
}

// lookAfresh is look that believes nothing of what was read before. One block is enough to see that no frame of the
// log is there, as behind the end of each log that a start reads; the rest of the window may be many MiB.
func (s *scanner) lookAfresh() (sight, error) {
	s.n = 0
	if s.pos+BlockSize <= s.limit {
		b := s.buf[:BlockSize]
		if err := s.fetch(b, s.pos); err != nil {
			return sight{}, err
		}
		if _, seen := s.headerIn(b); seen == headerOther {
			s.from, s.n = s.pos, BlockSize
		}
	}
	return s.look()
}

// headerIn decodes the header in block b, and mends it if one byte of it is wrong.
func (s *scanner) headerIn(b []byte) (header, headerSeen) {
	h, err := decodeHeader(b)
	switch {
	case err == nil && s.isNext(&h):
		return h, headerNext
	case err == nil:
		return h, headerOther
	}
	if h, ok := repairHeader(b); ok && s.isNext(&h) {
		return h, headerFlipped
	}
	return h, headerOther
}

// look classifies what is at s.pos.
func (s *scanner) look() (sight, error) {
	o := sight{header: headerOther, body: bodyUnknown}
	b, err := s.view(s.pos, BlockSize)
	if err != nil || b == nil {
		return o, err
	}
	h, seen := s.headerIn(b)
	if o.header = seen; seen == headerOther {
		if s.hidden(s.pos, BlockSize) && s.pos != s.clean {
			o.header = headerUnread
		}
		return o, nil
	}
	if seen == headerFlipped {
		probe.Hit(probe.WalHeaderFlipped)
	}
	f, err := s.view(s.pos, int(h.length))
	if err != nil {
		return o, err
	}
	o.h, o.buf = h, f
	s.inspect(&o)
	return o, nil
}

// isNext is rule 12.
func (s *scanner) isNext(h *header) bool {
	if h.wal != s.wal || int(h.length) > len(s.buf) || s.pos+Position(h.length) > s.limit {
		return false
	}
	if mutant.On(mutant.ChainIgnored) {
		return true
	}
	return h.pos == s.pos && h.epoch >= s.epoch && (!s.anchored || h.chain == s.chain)
}

// virgin reports whether no earlier lap wrote at pos: there the ring is zero ahead of the log.
func (s *scanner) virgin(pos Position) bool { return pos < Position(s.ring.capacity) }

// inspect checks trailer and blocks of the frame in o.
func (s *scanner) inspect(o *sight) {
	h, f := &o.h, o.buf
	trailer := f[h.place : h.place+h.trailer]
	if s.hidden(s.pos+Position(h.place), int(h.trailer)) {
		o.body = bodyUnread
		return
	}
	if sum := crc32.Checksum(trailer, castagnoli); sum != h.trailerCRC {
		o.body = bodyMissing
		at, bits, ok := changedByte(h.trailerCRC, sum, len(trailer))
		if ok && !s.unwritten(f[:h.place+h.trailer], int(h.place)+at, bits) {
			o.body = bodyFlipped
			trailer[at] ^= bits // in our copy, so that the loss can be listed
			o.table = h.tabled(trailer)
		} else if s.virgin(s.pos+Position(h.length)-1) && !s.missing(f, int(h.place), int(h.trailer)) {
			o.body = bodyStrange
		}
		return
	}
	if o.table = h.tabled(trailer); !o.table {
		o.body = bodyStrange
		return
	}
	if o.body = bodyWhole; mutant.On(mutant.FrameUnchecked) {
		return
	}
	bad, flipped, missing, hidden := 0, false, false, false
	for i := range int(h.length) / BlockSize {
		stored := h.storedSum(f, i)
		got, n := h.blockSum(f, i)
		if got == stored {
			continue
		}
		if o.bad == nil {
			o.bad = make([]bool, h.length/BlockSize)
		}
		o.bad[i] = true
		bad++
		hidden = hidden || s.hidden(s.pos+Position(i*BlockSize), BlockSize)
		missed := s.missing(f, i*BlockSize, BlockSize)
		if at, bits, ok := flippedAt(h, i, stored, got, n); ok && !s.unwritten(f, at, bits) {
			flipped = true
		}
		missing = missing || missed || !s.virgin(s.pos+Position(i*BlockSize))
	}
	switch {
	case bad == 0:
	case hidden:
		o.body = bodyUnread
	case bad == 1 && flipped:
		o.body = bodyFlipped
	case missing:
		o.body = bodyMissing
	default:
		o.body = bodyStrange
	}
}

// flippedAt returns where in the frame one changed byte explains block i's checksum, and which bits of it.
func flippedAt(h *header, i int, stored, got uint32, n int) (int, byte, bool) {
	at, bits, ok := changedByte(stored, got, n)
	if !ok {
		return 0, 0, false
	}
	a, b, c, _ := h.hashed(i)
	if at < b-a {
		return a + at, bits, true
	}
	return c + at - (b - a), bits, true
}

// sector is the least that a disk writes or does not write as a whole; some tear even that.
const sector = 512

// missing reports whether a sector that overlaps the n bytes at off of frame f may be one whose write did
// not happen, or not to its end: where no earlier lap wrote, it ends in zero then.
func (s *scanner) missing(f []byte, off, n int) bool {
	for at := off / sector * sector; at < off+n; at += sector {
		if s.virgin(s.pos+Position(at)) && f[at+sector-1] == 0 {
			return true
		}
	}
	return false
}

// unwritten reports whether the sector with the byte at off may be one that was not written from there on, although
// that byte alone is wrong, by bits: it should be the last one in it that is not zero. Where no lap wrote before it is
// zero now. A byte that should be zero, as all that a frame is padded with, says nothing of that: it was changed. f is
// the frame up to the end of what the checksum covers: behind that an earlier lap may have left anything.
func (s *scanner) unwritten(f []byte, off int, bits byte) bool {
	end := min((off/sector+1)*sector, len(f))
	if f[off] == bits || f[off] != 0 && s.virgin(s.pos+Position(off)) {
		return false
	}
	return allZero(f[off+1 : end])
}

// accept takes the frame in o into the log.
func (s *scanner) accept(o *sight) {
	s.list(o, func(f Found) { s.rec.Entries = append(s.rec.Entries, f) })
	s.rec.Frames++
	s.step(o)
}

// step goes on behind the frame in o, whose header is known.
func (s *scanner) step(o *sight) {
	s.marks = append(s.marks, mark{s.pos, o.h.chain, o.h.epoch})
	s.durable = max(s.durable, o.h.durable)
	capacity := Position(s.ring.capacity)
	for i := range int(o.h.length) / BlockSize {
		sum := crc32.Checksum(o.buf[i*BlockSize:(i+1)*BlockSize], castagnoli)
		if o.bad != nil && o.bad[i] {
			sum = ^sum // reads of it must fail
		}
		s.sums[(s.pos+Position(i*BlockSize))%capacity/BlockSize] = sum
	}
	s.pos += Position(o.h.length)
	s.chain, s.anchored, s.epoch = o.h.crc, true, o.h.epoch
}

// list calls fn for each entry of the frame's table.
func (s *scanner) list(o *sight, fn func(Found)) {
	at := int(o.h.place)
	for range o.h.entries {
		p := decodePlaced(o.buf[at : at+entrySize])
		at += entrySize
		fn(Found{p.Entry, Extent{Len: p.Length, Frame: s.pos, FrameOff: p.off}, s.head(o.buf, &p)})
	}
}

// headsChunk is how much memory is taken at a time for the heads of entries.
const headsChunk = 256 << 10

// head copies the first bytes of an entry of the frame in buf.
func (s *scanner) head(buf []byte, p *placed) []byte {
	n := min(s.heads, int(p.Length))
	if n == 0 || p.Kind != KindData || int(p.off)+n > len(buf) {
		return nil
	}
	if len(s.kept)+n > cap(s.kept) {
		s.kept = make([]byte, 0, max(headsChunk, n))
	}
	s.kept = append(s.kept, buf[p.off:int(p.off)+n]...)
	return s.kept[len(s.kept)-n : len(s.kept) : len(s.kept)]
}

// damage names what is spoilt at s.pos and resumes behind it: at the frame's end if its header is known,
// else at the next valid header, else where the log is known to have been durable.
func (s *scanner) damage(o *sight, later Position, why string) {
	d := Damage{From: s.pos, Why: why, Listed: o.table && o.buf != nil}
	probe.Hit(probe.WalDamageNamed)
	if o.buf == nil {
		probe.Hit(probe.WalDamageWithoutHeader)
		d.To = s.durable
		if later != 0 {
			d.To = later
		}
		d.To = max(d.To, d.From+BlockSize) // a block that cannot be read, and nothing tells of what was behind it
		s.poisonSums(d.From, d.To)
		s.rec.Damage = append(s.rec.Damage, d)
		s.pos, s.anchored = d.To, false
		return
	}
	d.To = s.pos + Position(o.h.length)
	// With its header or its table spoilt nothing in the frame is believed.
	whole := o.header == headerNext && o.bad != nil
	if d.Listed {
		s.list(o, func(f Found) {
			if whole && !o.touches(f.Extent) {
				s.rec.Entries = append(s.rec.Entries, f)
			} else {
				d.Lost = append(d.Lost, f)
			}
		})
	}
	if d.Listed && whole && len(d.Lost) < int(o.h.entries) {
		probe.Hit(probe.WalDamageSpared)
	}
	if !whole {
		o.bad = make([]bool, o.h.length/BlockSize)
		for i := range o.bad {
			o.bad[i] = true
		}
	}
	s.rec.Damage = append(s.rec.Damage, d)
	s.step(o)
}

// touches reports whether an entry has bytes in a bad block.
func (o *sight) touches(x Extent) bool {
	if x.Len == 0 {
		return false
	}
	for i := x.FrameOff / BlockSize; i <= (x.FrameOff+x.Len-1)/BlockSize; i++ {
		if o.bad[i] {
			return true
		}
	}
	return false
}

// poisonSums makes reads of [from, to) fail.
func (s *scanner) poisonSums(from, to Position) {
	zero := crc32.Checksum(make([]byte, BlockSize), castagnoli)
	capacity := Position(s.ring.capacity)
	for pos := from; pos < to; pos += BlockSize {
		s.sums[pos%capacity/BlockSize] = ^zero
	}
}

// searchBehind is search, once more if it met what looks like the remains of a frame.
func (s *scanner) searchBehind() (later Position, err error) {
	for range readTries {
		if later, err = s.search(); err != nil || later != 0 || !s.dirty {
			return later, err
		}
		s.n = 0
	}
	return later, nil
}

// search looks behind s.pos for the next valid header, over one maximal frame or up to what is known
// durable, whichever is more, and raises s.durable by what it says. It returns 0 if there is none.
func (s *scanner) search() (Position, error) {
	s.dirty = false
	end := min(max(s.durable, s.pos+Position(s.frameLimit))+BlockSize, s.limit)
	for q := s.pos; q < end; q += BlockSize {
		b, err := s.view(q, BlockSize)
		if err != nil {
			return 0, err
		}
		if s.virgin(q) && !s.dirty && !allZero(b) {
			s.dirty = true
		}
		if q == s.pos {
			continue
		}
		h, err := decodeHeader(b)
		if err == nil && h.wal == s.wal && h.pos == q && h.epoch >= s.epoch {
			s.durable = max(s.durable, h.durable)
			return q, nil
		}
	}
	return 0, nil
}
