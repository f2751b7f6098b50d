package wal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// Format gives birth to a WAL (rule 10): it makes the file, zeroes both superblock slots, syncs, writes
// one slot, syncs. Metadata must know id.WAL as fresh before, and must be told that it is open before
// the first append. Repeating it for the same id is harmless until then; a file that carries another WAL
// is refused.
func Format(sc *host.Scope, h host.Host, vol host.Volume, name string, cfg Config, id Identity) error {
	if err := sc.Err(); err != nil {
		return err
	}
	limit, err := frameLimit(&cfg, cfg.Capacity)
	if err != nil {
		return fmt.Errorf("wal: format %s: %w", name, err)
	}
	f, err := vol.Open(name, host.Create|host.Direct)
	if err != nil {
		return fmt.Errorf("wal: create %s: %w", name, err)
	}
	sb := superblock{id: id, seq: 1, capacity: cfg.Capacity, frameLimit: uint32(limit)}
	sb.trim.epoch = id.BrokerEpoch
	err = birth(h, f, name, &sb)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("wal: format %s: %w", name, err)
	}
	if mutant.On(mutant.BirthOutOfOrder) {
		return nil
	}
	return syncParents(vol, name)
}

// birth writes the first superblock into f.
func birth(h host.Host, f host.File, name string, sb *superblock) error {
	block, err := h.Disk().Memory(BlockSize)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return err
	}
	for slot := 0; slot < 2 && size >= 2*BlockSize; slot++ {
		if _, err := f.ReadAt(block, slotOffset(slot, size)); err != nil {
			return fmt.Errorf("read superblock %s: %w", slotName(slot), err)
		}
		old, st, _ := decodeSuperblock(block)
		if st == slotValid && (old.id.WAL != sb.id.WAL || old.durable > 0) || st == slotNewer {
			return fmt.Errorf("%w: %s holds %s; name another file, or remove this one once nothing needs it",
				ErrExists, name, old.id.WAL)
		}
	}
	if size > 0 {
		probe.Hit(probe.WalBornAgain)
	}
	if err := f.Resize(fileSize(sb.capacity)); errors.Is(err, host.ErrNoSpace) {
		return fmt.Errorf("%w of %d MiB; make room, or ask for a smaller one: %w", ErrNoRoom, sb.capacity>>20, err)
	} else if err != nil {
		return fmt.Errorf("size it to %d bytes: %w", fileSize(sb.capacity), err)
	}
	clear(block)
	for slot := range 2 {
		if err := writeSlot(f, slot, sb.capacity, block); err != nil {
			return fmt.Errorf("zero superblock %s: %w", slotName(slot), err)
		}
	}
	sb.encode(block)
	if mutant.On(mutant.BirthOutOfOrder) {
		return writeSlotUnsynced(f, 0, sb.capacity, block)
	}
	return writeSlot(f, 0, sb.capacity, block)
}

// syncParents makes the file's name durable.
func syncParents(vol host.Volume, name string) error {
	for dir := name; dir != ""; {
		i := strings.LastIndexByte(dir, '/')
		dir = dir[:max(i, 0)]
		if err := vol.SyncDir(dir); err != nil {
			return fmt.Errorf("wal: sync directory %q of %s: %w", dir, name, err)
		}
	}
	return nil
}

// frameLimit returns how large a frame may become: a slab, or a quarter of a small ring.
func frameLimit(cfg *Config, capacity int64) (int, error) {
	if cfg.Slabs == nil {
		return 0, errors.New("Config.Slabs is nil")
	}
	limit := min(int64(cfg.Slabs.bytes), capacity/4/BlockSize*BlockSize)
	return int(limit), checkCapacity(capacity, limit)
}

// Open scans the WAL, decides what it holds, syncs what it read and starts the log's tasks in sc. The
// Recovery is never nil when the Log is not. Only a bad superblock, a foreign or a blank volume refuses
// the whole WAL; damage inside is in Recovery.Damage.
func Open(
	sc *host.Scope, h host.Host, vol host.Volume, name string, cfg Config, want Expect,
) (*Log, *Recovery, error) {
	if err := sc.Err(); err != nil {
		return nil, nil, err
	}
	l, rec, err := open(sc, h, vol, name, &Log{h: h, cfg: cfg, pool: cfg.Slabs}, want)
	if err != nil {
		return nil, nil, err
	}
	l.launch(sc)
	return l, rec, nil
}

// open brings l to where it can be read.
func open(sc *host.Scope, h host.Host, vol host.Volume, name string, l *Log, want Expect) (*Log, *Recovery, error) {
	l.mu.Init(h)
	l.line.mu.Init(h)
	for i := range l.done {
		l.done[i].Init(h)
	}
	rec, err := l.open(sc, vol, name, want)
	if err != nil {
		if l.ring.w != nil {
			_ = l.ring.close() // the first error is what counts
		}
		return nil, nil, err
	}
	for _, w := range rec.Warnings {
		h.Log().Warn("wal opened with a warning", "warning", w)
	}
	return l, rec, nil
}

func (l *Log) open(sc *host.Scope, vol host.Volume, name string, want Expect) (*Recovery, error) {
	if err := l.openFiles(vol, name); err != nil {
		return nil, err
	}
	found, err := l.readSlots(sc, name)
	if err != nil {
		return nil, err
	}
	if err := checkIdentity(name, &found.newest, &want); err != nil {
		return nil, err
	}
	if l.foreign {
		l.frameLimit = int(found.newest.frameLimit)
	} else if l.frameLimit, err = frameLimit(&l.cfg, found.newest.capacity); err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", name, err)
	}
	l.ring.capacity = found.newest.capacity
	l.ring.base = margin(l.ring.capacity)
	rec := &Recovery{Start: found.newest.trim.pos, Warnings: found.warnings}
	if err := l.restore(sc, rec, &found, &want); err != nil {
		return nil, err
	}
	if l.foreign {
		return rec, l.settleForeign(&found)
	}
	if err := l.stamp(&found, &want); err != nil {
		return nil, err
	}
	if err := l.wipeStale(rec); err != nil {
		return nil, err
	}
	return rec, l.prepare()
}

// openFiles opens the file twice: reads must go on after the writing handle has failed. Another holder's is only
// synced by the first one.
func (l *Log) openFiles(vol host.Volume, name string) error {
	flag := host.Direct
	if l.foreign {
		flag |= host.ReadOnly
	}
	w, err := vol.Open(name, flag)
	if errors.Is(err, host.ErrNotExist) {
		return fmt.Errorf("%w: %s: %s: %w", ErrMissing, name, restoreIt, err)
	}
	if err != nil {
		return fmt.Errorf("wal: open %s: %w", name, err)
	}
	r, err := vol.Open(name, host.Direct|host.ReadOnly)
	if err != nil {
		_ = w.Close() // the first error is what counts
		return fmt.Errorf("wal: open %s for reading: %w", name, err)
	}
	l.ring = ring{name: name, w: w, r: r, foreign: l.foreign}
	if a := w.Align(); a > BlockSize {
		return fmt.Errorf("wal: open %s: direct I/O asks for alignment to %d, blocks are %d", name, a, BlockSize)
	}
	return nil
}

func (l *Log) readSlots(sc *host.Scope, name string) (slots, error) {
	size, err := l.ring.r.Size()
	if err != nil {
		return slots{}, fmt.Errorf("wal: size of %s: %w", name, err)
	}
	if size < 4*BlockSize || size%BlockSize != 0 {
		return slots{}, fmt.Errorf("%w: %s has %d bytes, no ring is that size: %s", ErrBlank, name, size, restoreIt)
	}
	both, err := l.superMemory()
	if err != nil {
		return slots{}, err
	}
	defer l.superBack(both)
	p := patience{h: l.h, sc: sc}
	for try := 1; ; try++ {
		found, unread, err := l.readBoth(name, both, size)
		if err == nil && !found.doubtful {
			return found, nil
		}
		if unread {
			if more, e := p.again(); e != nil {
				return slots{}, e
			} else if more {
				continue
			}
		}
		if try >= readTries {
			return found, err
		}
	}
}

// superMemory is room for both superblocks, of which the log keeps the first: it writes from there.
func (l *Log) superMemory() ([]byte, error) {
	if l.foreign {
		if err := l.bufs.sem.Acquire(nil, 1); err != nil {
			return nil, err
		}
		return l.bufs.take(), nil
	}
	both, err := l.h.Disk().Memory(2 * BlockSize)
	if err != nil {
		return nil, fmt.Errorf("wal: take memory for superblocks: %w", err)
	}
	l.superBuf = both[:BlockSize]
	return both, nil
}

// superBack gives back what was borrowed.
func (l *Log) superBack(both []byte) {
	if l.foreign {
		l.bufs.put(both)
		l.bufs.sem.Release(1)
	}
}

// readBoth reads both superblocks into both and chooses one. One that cannot be read counts as damaged; unread says
// that there is one.
func (l *Log) readBoth(name string, both []byte, size int64) (found slots, unread bool, err error) {
	var failed error
	for slot := range 2 {
		b := both[slot*BlockSize : (slot+1)*BlockSize]
		if _, err := l.ring.r.ReadAt(b, slotOffset(slot, size)); err != nil {
			err = fmt.Errorf("wal: read superblock %s of %s: %w", slotName(slot), name, err)
			if failed != nil || !errors.Is(err, host.ErrIO) {
				return slots{}, errors.Is(err, host.ErrIO), err
			}
			failed = err
			copy(b, "unreadable")
		}
	}
	found, err = chooseSlot(name, both[:BlockSize], both[BlockSize:2*BlockSize])
	if err == nil && fileSize(found.newest.capacity) != size {
		err = fmt.Errorf("%w: %s has %d bytes, its superblock says %d: %s",
			ErrSuperblock, name, size, fileSize(found.newest.capacity), restoreIt)
	}
	if err != nil && failed != nil {
		err = failed // the other one may be the good one
	}
	return found, failed != nil, err
}

// checkIdentity compares the volume with metadata, which is believed.
func checkIdentity(name string, sb *superblock, want *Expect) error {
	id := &sb.id
	for _, c := range []struct {
		what      string
		has, want UUID
	}{{"cluster", id.Cluster, want.Cluster}, {"volume", id.Volume, want.Volume}, {"WAL", id.WAL, want.WAL}} {
		if c.want != (UUID{}) && c.has != c.want {
			return fmt.Errorf("%w: %s belongs to %s %s, metadata names %s: attach the right volume",
				ErrForeign, name, c.what, c.has, c.want)
		}
	}
	switch {
	case want.Broker != 0 && id.Broker != want.Broker:
		return fmt.Errorf("%w: %s belongs to broker %d, this is %d: attach the right volume",
			ErrForeign, name, id.Broker, want.Broker)
	case want.Generation != 0 && id.Generation > want.Generation:
		return fmt.Errorf("%w: %s has generation %d, metadata %d: %s",
			ErrGeneration, name, id.Generation, want.Generation, oldMetadata)
	case id.Generation < want.Opened:
		return fmt.Errorf("%w: %s has generation %d, but the WAL was opened at %d: %s",
			ErrGeneration, name, id.Generation, want.Opened, oldVolume)
	case want.BrokerEpoch != 0 && id.BrokerEpoch > want.BrokerEpoch:
		return fmt.Errorf("%w: %s was written at broker epoch %d, this broker has %d: %s",
			ErrGeneration, name, id.BrokerEpoch, want.BrokerEpoch, oldMetadata)
	case want.Durable > sb.trim.pos && want.Durable-sb.trim.pos > Position(sb.capacity):
		return fmt.Errorf("%w: %s was durable up to %d, its superblock begins a ring of %d at %d: %s",
			ErrGeneration, name, want.Durable, sb.capacity, sb.trim.pos, oldVolume)
	}
	return nil
}
