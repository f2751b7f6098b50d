package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/weirmq/weir/internal/probe"
)

// superMagic begins every superblock.
const superMagic = "WEIRWALS"

const (
	superVersion  = 1
	superFeatures = uint64(0) // feature bits this code knows
	superClean    = uint32(1) // flag: the clean mark counts
)

// mark is a position with what the frame there must carry: the CRC of the header before it, and an
// epoch it must not be below.
type mark struct {
	pos   Position
	chain uint32
	epoch int64
}

// superblock is one slot's content. docs/format/wal.md draws it.
type superblock struct {
	id         Identity
	seq        uint64 // higher wins
	capacity   int64  // bytes of the ring
	frameLimit uint32 // no frame was ever longer
	trim       mark
	durable    Position // D
	clean      bool
	cleanEpoch int64
	cleanEnd   Position
}

// encode writes s into b, which is one block.
func (s *superblock) encode(b []byte) {
	clear(b)
	le := binary.LittleEndian
	copy(b, superMagic)
	le.PutUint32(b[8:], superVersion)
	if s.clean {
		le.PutUint32(b[12:], superClean)
	}
	le.PutUint64(b[16:], superFeatures)
	le.PutUint64(b[24:], s.seq)
	copy(b[32:], s.id.Cluster[:])
	copy(b[48:], s.id.Volume[:])
	copy(b[64:], s.id.WAL[:])
	le.PutUint32(b[80:], uint32(s.id.Broker))
	le.PutUint32(b[84:], BlockSize)
	le.PutUint64(b[88:], uint64(s.id.BrokerEpoch))
	le.PutUint64(b[96:], uint64(s.id.Generation))
	le.PutUint64(b[104:], uint64(s.capacity))
	le.PutUint32(b[112:], s.frameLimit)
	le.PutUint32(b[116:], s.trim.chain)
	le.PutUint64(b[120:], uint64(s.trim.pos))
	le.PutUint64(b[128:], uint64(s.trim.epoch))
	le.PutUint64(b[136:], uint64(s.durable))
	le.PutUint64(b[144:], uint64(s.cleanEpoch))
	le.PutUint64(b[152:], uint64(s.cleanEnd))
	le.PutUint32(b[superCRC:], crc32.Checksum(b[:superCRC], castagnoli))
}

// superCRC is the offset of the superblock's own CRC, at the end of its block.
const superCRC = BlockSize - 4

// slotState is what a slot turned out to be.
type slotState uint8

const (
	slotValid slotState = iota
	slotBlank           // all zero
	slotBad             // anything else that is not a superblock
	slotNewer           // a superblock of a format this code does not know
)

// decodeSuperblock reads one block.
func decodeSuperblock(b []byte) (superblock, slotState, error) {
	var s superblock
	if allZero(b) {
		return s, slotBlank, nil
	}
	le := binary.LittleEndian
	if string(b[:8]) != superMagic {
		return s, slotBad, fmt.Errorf("no superblock magic")
	}
	if got, want := le.Uint32(b[superCRC:]), crc32.Checksum(b[:superCRC], castagnoli); got != want {
		return s, slotBad, fmt.Errorf("checksum is %08x, content gives %08x", got, want)
	}
	if v := le.Uint32(b[8:]); v != superVersion {
		return s, slotNewer, fmt.Errorf("format version %d, this build knows %d", v, superVersion)
	}
	if f := le.Uint64(b[16:]); f&^superFeatures != 0 {
		return s, slotNewer, fmt.Errorf("feature bits %#x, this build knows %#x", f, superFeatures)
	}
	copy(s.id.Cluster[:], b[32:])
	copy(s.id.Volume[:], b[48:])
	copy(s.id.WAL[:], b[64:])
	s.id.Broker = int32(le.Uint32(b[80:]))
	s.id.BrokerEpoch = int64(le.Uint64(b[88:]))
	s.id.Generation = int64(le.Uint64(b[96:]))
	s.seq = le.Uint64(b[24:])
	s.capacity = int64(le.Uint64(b[104:]))
	s.frameLimit = le.Uint32(b[112:])
	s.trim = mark{Position(le.Uint64(b[120:])), le.Uint32(b[116:]), int64(le.Uint64(b[128:]))}
	s.durable = Position(le.Uint64(b[136:]))
	s.clean = le.Uint32(b[12:])&superClean != 0
	s.cleanEpoch = int64(le.Uint64(b[144:]))
	s.cleanEnd = Position(le.Uint64(b[152:]))
	return s, slotValid, s.check(le.Uint32(b[84:]))
}

// check refuses values that no writer writes; with a right CRC they are a bug or a forgery.
func (s *superblock) check(block uint32) error {
	switch {
	case block != BlockSize:
		return fmt.Errorf("block size %d, this build writes %d", block, BlockSize)
	case checkCapacity(s.capacity, int64(s.frameLimit)) != nil:
		return checkCapacity(s.capacity, int64(s.frameLimit))
	case s.trim.pos%BlockSize != 0 || s.durable%BlockSize != 0 || s.cleanEnd%BlockSize != 0:
		return fmt.Errorf("trim %d, durable %d or clean end %d is not a frame's edge",
			s.trim.pos, s.durable, s.cleanEnd)
	case s.trim.pos > s.durable:
		return fmt.Errorf("trim %d is above durable %d", s.trim.pos, s.durable)
	case s.durable-s.trim.pos > Position(s.capacity):
		return fmt.Errorf("durable %d is more than a ring of %d above trim %d",
			s.durable, s.capacity, s.trim.pos)
	case s.durable > 1<<62:
		return fmt.Errorf("durable %d is out of range", s.durable)
	}
	return nil
}

// slots is what reading both slots gave.
type slots struct {
	newest   superblock
	at       int // slot of newest: 0 first, 1 last
	warnings []string
	doubtful bool // one slot is not what it must be: it may have been read wrong
}

// chooseSlot picks the superblock to believe of the two blocks a (first) and b (last).
func chooseSlot(name string, a, b []byte) (slots, error) {
	var sb [2]superblock
	var st [2]slotState
	var why [2]error
	for i, block := range [][]byte{a, b} {
		sb[i], st[i], why[i] = decodeSuperblock(block)
		if st[i] == slotValid && why[i] != nil {
			st[i] = slotBad
		}
	}
	for i := range st {
		if st[i] == slotNewer {
			return slots{}, newerError(name, i, why[i])
		}
	}
	switch {
	case st[0] == slotValid && st[1] == slotValid:
		return chooseValid(name, sb)
	case st[0] == slotValid || st[1] == slotValid:
		i := 0
		if st[1] == slotValid {
			i = 1
		}
		out := slots{newest: sb[i], at: i}
		if sb[i].seq > 1 {
			out.doubtful = true
			probe.Hit(probe.WalOneSlotServes)
		}
		if bad := 1 - i; st[bad] == slotBad {
			out.warnings = append(out.warnings, fmt.Sprintf("%s: superblock %s is damaged (%v); the %s one serves",
				name, slotName(bad), why[bad], slotName(i)))
		} else if sb[i].seq > 1 { // birth leaves one slot blank, nothing later does
			out.warnings = append(out.warnings, fmt.Sprintf("%s: superblock %s is blank; the %s one serves",
				name, slotName(bad), slotName(i)))
		}
		return out, nil
	case st[0] == slotBlank && st[1] == slotBlank:
		return slots{}, fmt.Errorf("%w: %s has no superblock: %s", ErrBlank, name, restoreIt)
	}
	return slots{}, fmt.Errorf("%w: %s: first: %s, last: %s: %s",
		ErrSuperblock, name, slotText(st[0], why[0]), slotText(st[1], why[1]), restoreIt)
}

// chooseValid picks the newer of two good superblocks; equal numbers or two WALs are damage.
func chooseValid(name string, sb [2]superblock) (slots, error) {
	a, b := &sb[0], &sb[1]
	if a.id.WAL != b.id.WAL || a.id.Volume != b.id.Volume || a.id.Cluster != b.id.Cluster ||
		a.capacity != b.capacity {
		return slots{}, fmt.Errorf("%w: %s: the slots belong to two WALs, %s and %s: %s",
			ErrSuperblock, name, a.id.WAL, b.id.WAL, restoreIt)
	}
	if a.seq == b.seq {
		probe.Hit(probe.WalEqualSlots)
		return slots{}, fmt.Errorf("%w: %s: both slots carry sequence %d: %s",
			ErrSuperblock, name, a.seq, restoreIt)
	}
	if a.seq > b.seq {
		return slots{newest: *a, at: 0}, nil
	}
	return slots{newest: *b, at: 1}, nil
}

func slotName(i int) string {
	if i == 0 {
		return "first"
	}
	return "last"
}

func slotText(st slotState, why error) string {
	if st == slotBlank {
		return "blank"
	}
	return why.Error()
}
