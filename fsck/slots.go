package fsck

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/metadata"
)

// walFile is a WAL's file with the superblock to believe.
type walFile struct {
	where string
	file  *openFile
	ring  *ring
	super superblock
	older *superblock // the other slot, nil if it cannot be believed
	scan  *scan
	sums  map[uint64]uint32 // by position of a frame, its header's checksum
}

// openWAL reads the slots of a WAL's file and says what is wrong with them; nil if neither can be believed.
func (c *checker) openWAL(img Image, volume, path string) *walFile {
	w := &walFile{where: volume + "/" + path}
	var err error
	if w.file, err = open(img, path); err != nil {
		c.find(Finding{Kind: Unreadable, Where: w.where, What: err.Error(), Do: doVolume})
		return nil
	}
	if !c.readSlots(w) {
		w.file.close()
		return nil
	}
	if w.ring, err = newRing(w.file, w.super.capacity); err != nil {
		c.find(Finding{Kind: Superblock, Where: w.where, What: err.Error(), Do: doVolume})
		w.file.close()
		return nil
	}
	return w
}

const (
	doVolume = "restore the volume from a snapshot; if it is lost for good, weir recover --abandon-wal gives it up"
	doFrame  = "restore the volume from a snapshot, or start the server: it takes offline what is lost, by name, " +
		"and serves the rest"
	doObject = "restore the object from a copy of the bucket; the offsets named cannot be read until then"
	doBug    = "keep copies of metadata, WAL and bucket: this is what no crash leaves, and so a mistake in weir"
)

var slotNames = [2]string{"first", "last"}

// readSlots picks the superblock that counts.
func (c *checker) readSlots(w *walFile) bool {
	var slots [2]superblock
	var errs [2]error
	for i, off := range []int64{0, w.file.size - blockSize} {
		b, err := w.file.read(off, blockSize)
		switch {
		case err != nil:
			errs[i] = err
		case blank(b):
			errs[i] = errBlank
		default:
			slots[i], errs[i] = decodeSuperblock(b)
		}
	}
	switch {
	case errs[0] != nil && errs[1] != nil:
		c.find(Finding{Kind: Superblock, Where: w.where, Do: doVolume,
			What: fmt.Sprintf("no superblock can be believed: the first: %v; the last: %v", errs[0], errs[1])})
		return false
	case errs[0] != nil:
		w.super = slots[1]
		c.badSlot(w, 0, errs[0])
	case errs[1] != nil:
		w.super = slots[0]
		c.badSlot(w, 1, errs[1])
	default:
		return c.chooseSlot(w, &slots[0], &slots[1])
	}
	return true
}

var errBlank = errors.New("it is blank")

// badSlot says that one slot cannot be believed. A crash while it is written leaves that, so it is no finding unless
// it looks otherwise. A sector that was torn before the last byte that changed looks like one with a changed byte, so
// that is a finding only where no crash can have been.
func (c *checker) badSlot(w *walFile, i int, err error) {
	f := Finding{Kind: Superblock, Where: fmt.Sprintf("%s, superblock %s", w.where, slotNames[i]),
		What: fmt.Sprintf("it cannot be believed (%v); the %s one serves", err, slotNames[1-i]),
		Do:   "start the server: it writes this slot anew; look after the volume if it happens again"}
	var flipped flippedError
	switch {
	case errors.Is(err, errBlank) && i == 1 && w.super.seq == 1: // birth
	case errors.Is(err, errBlank) || errors.As(err, &flipped) && !c.o.Crashed:
		c.find(f)
	default:
		f.What += ": a crash while it is written leaves this"
		c.note(f)
	}
}

// chooseSlot picks the newer of two good slots and says where they contradict each other.
func (c *checker) chooseSlot(w *walFile, a, b *superblock) bool {
	bad := func(format string, args ...any) {
		c.find(Finding{Kind: Superblock, Where: w.where, What: fmt.Sprintf(format, args...), Do: doVolume})
	}
	if a.seq == b.seq {
		bad("both superblocks have sequence %d", a.seq)
		return false
	}
	if a.uuid != b.uuid || a.cluster != b.cluster || a.volume != b.volume || a.capacity != b.capacity {
		bad("the superblocks are of two WALs: %s with %d bytes, and %s with %d", a.uuid, a.capacity, b.uuid,
			b.capacity)
		return false
	}
	if a.seq < b.seq {
		a, b = b, a
	}
	w.super, w.older = *a, b
	if a.trim < b.trim || a.durable < b.durable || a.generation < b.generation || a.epoch < b.epoch ||
		a.trimEpoch < b.trimEpoch {
		bad("superblock %d has trim %d, D %d, generation %d, epoch %d, and before it %d had %d, %d, %d, %d: they "+
			"never fall",
			a.seq, a.trim, a.durable, a.generation, a.epoch, b.seq, b.trim, b.durable, b.generation, b.epoch)
	}
	return true
}

// scanWAL walks the ring from the newest trim to the end of the log, and checks that the older slot would have led
// there.
func (c *checker) scanWAL(w *walFile, known uint64, take func(*entry)) bool {
	sb := &w.super
	s := &scan{
		ring: w.ring, uuid: sb.uuid, limit: sb.trim + sb.capacity, frame: uint64(sb.frameLimit), pos: sb.trim,
		chain: sb.trimChain, anchored: true, epoch: sb.trimEpoch, take: take,
	}
	s.evidence(sb.durable, "D of its superblock")
	if w.older != nil {
		s.evidence(w.older.durable, "D of its older superblock")
	}
	if sb.clean {
		s.evidence(sb.cleanEnd, "its clean mark")
	}
	s.evidence((known+blockSize-1)/blockSize*blockSize, "the metadata")
	if c.o.Progress != nil {
		s.progress = func(pos uint64) {
			c.o.Progress(w.where, int64(pos-sb.trim), int64(max(s.durable, pos)-sb.trim))
		}
	}
	w.scan = s
	if err := s.run(); err != nil {
		c.find(Finding{Kind: Unreadable, Where: w.where, What: err.Error(), Do: doVolume})
		return false
	}
	if s.torn != "" {
		c.note(Finding{Kind: TornTail, Where: fmt.Sprintf("%s position %d", w.where, s.tornAt),
			What: "a frame that was never known durable is half written (" + s.torn + "): the log ends here"})
	}
	if sb.clean && (sb.cleanEnd < s.pos || s.torn != "") {
		c.find(Finding{Kind: Superblock, Where: w.where, Do: doBug,
			What: fmt.Sprintf("the clean mark says that the log ends at %d, and there are frames behind it up to %d",
				sb.cleanEnd, s.pos)})
	}
	c.checkReuse(w)
	return true
}

// checkReuse holds the older slot against the ring: space is written again only when both slots free it.
func (c *checker) checkReuse(w *walFile) {
	if w.older == nil || w.older.trim >= w.super.trim {
		return
	}
	at, ok, err := w.ring.reaches(w.older, &w.super)
	if err != nil {
		c.find(Finding{Kind: Unreadable, Where: w.where, What: err.Error(), Do: doVolume})
	} else if !ok {
		c.find(Finding{Kind: Reused, Where: fmt.Sprintf("%s position %d", w.where, at), Do: doBug,
			What: fmt.Sprintf("a scan from the older superblock's trim %d ends here, and not at the newer one's "+
				"trim %d: "+
				"the space was written again before both freed it, or is spoilt", w.older.trim, w.super.trim)})
	}
}

// frameDamage turns what a scan found spoilt into findings.
func (c *checker) frameDamage(w *walFile, do string, who func(*damage) string) {
	for i := range w.scan.damages {
		d := &w.scan.damages[i]
		kind := Frame
		if d.end {
			kind = Evidence
		}
		c.find(Finding{Kind: kind, Where: fmt.Sprintf("%s position %d to %d", w.where, d.from, d.to),
			What: "what was written here is spoilt or missing: " + d.why + who(d), Do: do})
	}
}

// rawRings checks the rings on a WAL volume when there is no metadata to compare them with.
func (c *checker) rawRings() {
	if c.wal == nil {
		return
	}
	for _, path := range c.wal.Files() {
		if len(path) != len("ring-")+36 {
			continue
		}
		if _, err := metadata.ParseUUID(path[len("ring-"):]); err != nil {
			continue
		}
		if w := c.openWAL(c.wal, volumeWAL, path); w != nil {
			if c.scanWAL(w, 0, func(*entry) {}) {
				c.frameDamage(w, doFrame, func(*damage) string { return "" })
			}
			w.file.close()
		}
	}
}
