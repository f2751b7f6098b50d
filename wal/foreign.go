package wal

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// Reading is the memory with which the logs of other holders are read. It is never given back, and all logs
// that OpenReadOnly opens with it share it: one is enough for a process.
type Reading struct {
	h    host.Host
	bufs readBuffers
	turn host.Semaphore // one unit: who scans with mem
	mem  []byte
}

// NewReading takes the memory for reads by position, about 1 MiB; more only for a scan that finds no slab.
func NewReading(h host.Host) (*Reading, error) {
	r := &Reading{h: h}
	r.turn.Init(h, 1)
	return r, r.bufs.init(h, readChunk)
}

// spareSlabs are left to the logs that append when a scan borrows a slab.
const spareSlabs = 3

// lend is memory for a scan of l: a slab if more than enough are free, else what all such scans share.
func (r *Reading) lend(l *Log, s *scanner) (func(), error) {
	if l.pool != nil && l.pool.bytes >= s.frameLimit && l.pool.Free() > spareSlabs {
		if slab := l.pool.take(); slab != nil {
			s.buf = slab.mem
			return func() { slab.Release(HolderLog) }, nil
		}
	}
	if err := r.turn.Acquire(nil, 1); err != nil {
		return nil, err
	}
	if len(r.mem) < s.frameLimit {
		mem, err := r.h.Disk().Memory(s.frameLimit)
		if err != nil {
			r.turn.Release(1)
			return nil, fmt.Errorf("wal: take memory to scan %s: %w", l.ring.name, err)
		}
		r.mem = mem
	}
	s.buf = r.mem
	return func() { r.turn.Release(1) }, nil
}

// ReadConfig is what OpenReadOnly needs.
type ReadConfig struct {
	Reading *Reading
	Slabs   *SlabPool // lends the scan a slab if it has some to spare; may be nil
	// Fence is read once more after the scan, so that who was overtaken meanwhile hears of it; may be nil.
	Fence func() error
	Heads int // as Config.Heads
}

// OpenReadOnly scans the WAL of another holder, for that one's recovery (PROTOCOL rules 7, 8, 18): by the same
// table as Open, with the same result, synced before it is returned. The caller has written its generation into
// the fence word and has read metadata after that. No byte of the file is ever changed: neither superblock says
// that somebody was here, what is torn stays, and Trim is for this process alone. The log can be read by position
// and closed, and takes no appends (ErrReadOnly).
//
// A holder that does not know yet that it was fenced may still be writing. What it writes is not acknowledged any
// more, so it does not matter whether the scan has it.
func OpenReadOnly(
	sc *host.Scope, h host.Host, vol host.Volume, name string, cfg ReadConfig, want Expect,
) (*Log, *Recovery, error) {
	if err := sc.Err(); err != nil {
		return nil, nil, err
	}
	if mutant.On(mutant.RecovererWrites) {
		want.BrokerEpoch = 0
		return Open(sc, h, vol, name, Config{Slabs: cfg.Slabs, Fence: cfg.Fence, Heads: cfg.Heads}, want)
	}
	l := &Log{h: h, pool: cfg.Slabs, foreign: true, reading: cfg.Reading, bufs: &cfg.Reading.bufs,
		cfg: Config{Slabs: cfg.Slabs, Fence: cfg.Fence, Heads: cfg.Heads}}
	l, rec, err := open(sc, h, vol, name, l, want)
	if err != nil {
		return nil, nil, err
	}
	probe.Hit(probe.WalReadForeign)
	return l, rec, nil
}

// settleForeign sets the log up for reading behind a finished scan.
func (l *Log) settleForeign(found *slots) error {
	l.sb, l.id = found.newest, found.newest.id
	l.trim, l.freed = found.newest.trim, found.newest.trim.pos
	l.fill, l.err = l.blank(), ErrReadOnly
	for i := range l.done {
		l.done[i].Complete(struct{}{}, nil) // it has no tasks
	}
	return l.fence()
}

// overtaken reports with an error that another holder's log has a later holder, who may write its ring again: what is
// read then proves no damage.
func (l *Log) overtaken() error {
	if !l.foreign {
		return nil
	}
	return l.fence()
}

// SearchRest searches what of the ring the scan did not look at for a frame which says that the log was durable
// beyond the scan's end (rule 16): records that were acknowledged would be missing then, and the file must not be
// let go. A DamageError tells of one. It is for a log that OpenReadOnly opened, before its WAL is released; other
// logs search as they write. It reads most of the ring, in bounded chunks.
func (l *Log) SearchRest(sc *host.Scope) error {
	if err := l.bufs.sem.Acquire(sc, 1); err != nil {
		return err
	}
	defer l.bufs.sem.Release(1)
	buf := l.bufs.take()
	defer l.bufs.put(buf)
	end := l.sb.trim.pos + Position(l.ring.capacity) // as the scan began
	for pos := l.start; pos < end; {
		if err := sc.Err(); err != nil {
			return err
		}
		n := int(min(Position(len(buf)), end-pos))
		if err := l.readSearching(sc, buf[:n], pos); err != nil {
			return err
		}
		for i := 0; i < n; i += BlockSize {
			h, err := decodeHeader(buf[i : i+headerSize])
			if at := pos + Position(i); err == nil && h.wal == l.id.WAL && h.pos == at && h.durable > l.start && !unsearched() {
				probe.Hit(probe.WalLaterFrameFound)
				return &DamageError{l.ring.name, l.start, l.ring.offset(l.start), fmt.Sprintf(
					"the log was taken to end here, but a frame at position %d shows that it was durable up to %d",
					at, h.durable)}
			}
		}
		pos += Position(n)
	}
	return nil
}
