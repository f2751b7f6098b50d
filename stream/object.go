package stream

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/objectstore"
)

// blockKey names a block in the block cache.
type blockKey struct {
	key      string
	position int64
}

// tailGuess is how much of an object's end is read at first, in the hope that it holds the whole index.
const tailGuess = 64 << 10

// index returns the verified index of the object at loc, from the cache if it is there.
func (e *Engine) index(sc *host.Scope, loc Location) ([]block, error) {
	e.mu.Lock()
	cached, ok := e.indexes.get(loc.Key)
	e.mu.Unlock()
	if ok {
		return cached, nil
	}
	var blocks []block
	err := e.patiently(sc, func() (err error) {
		blocks, err = e.fetchIndex(sc, loc)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.indexes.put(loc.Key, blocks, int64(len(blocks)*indexEntrySize+len(loc.Key)+128))
	return blocks, nil
}

// getTries is how often a part of an object is read before what it gave is believed: an answer may be cut short, be
// another range's, or have a flipped bit, now and then.
//
// What is damaged at rest costs them all, and their pauses: about a second.
const (
	getTries = 6
	getPause = 10 * time.Millisecond // before the second, and three times as long before each further one
)

// patiently calls get again when what it got is damaged.
func (e *Engine) patiently(sc *host.Scope, get func() error) error {
	pause := getPause
	for try := 1; ; try++ {
		err := get()
		if try == getTries || !errors.Is(err, ErrDamaged) {
			return err
		}
		probe.Hit(probe.StreamGetAgain)
		if e := e.h.Sleep(sc, pause); e != nil {
			return e
		}
		pause *= 3
	}
}

func (e *Engine) fetchIndex(sc *host.Scope, loc Location) ([]block, error) {
	if loc.Size < footerSize {
		return nil, loc.damage(0, fmt.Sprintf("metadata says it has %d bytes, less than a footer", loc.Size), nil)
	}
	tail := make([]byte, min(loc.Size, tailGuess))
	at := loc.Size - int64(len(tail))
	if err := e.fetch(sc, loc, at, tail); err != nil {
		return nil, err
	}
	foot := loc.Size - footerSize
	f, err := decodeFooter(tail[foot-at:], loc.Size)
	if err != nil {
		return nil, loc.damage(foot, "its footer is not valid", err)
	}
	index := make([]byte, 0)
	if f.indexPos >= at {
		index = tail[f.indexPos-at : foot-at]
	} else {
		index = make([]byte, f.indexLen)
		if err := e.fetch(sc, loc, f.indexPos, index); err != nil {
			return nil, err
		}
	}
	if got := crc32.Checksum(index, castagnoli); got != f.indexCRC {
		return nil, loc.damage(f.indexPos, fmt.Sprintf("index CRC is %08x, footer says %08x", got, f.indexCRC), nil)
	}
	blocks, err := decodeIndex(index, f.indexPos)
	if err != nil {
		return nil, loc.damage(f.indexPos, "its index is not valid", err)
	}
	return blocks, nil
}

// block returns the verified bytes of a block's entries.
func (e *Engine) block(sc *host.Scope, loc Location, b block) ([]byte, error) {
	key := blockKey{loc.Key, b.position}
	if mutant.On(mutant.CacheKeyCollision) && b.kind == blockData {
		key.key = ""
	}
	e.mu.Lock()
	p, ok := e.blocks.get(key)
	if ok {
		e.stats.BlockHits++
	}
	e.mu.Unlock()
	if ok {
		return p, nil
	}
	p = make([]byte, b.size)
	if err := e.patiently(sc, func() error { return e.fetchBlock(sc, loc, b, p) }); err != nil {
		return nil, err
	}
	p = p[blockHeaderSize : len(p)-crcSize]
	e.mu.Lock()
	defer e.mu.Unlock()
	if !host.Buggify(e.h, "stream.cache.skip") {
		e.blocks.put(key, p, int64(b.size))
	}
	return p, nil
}

// fetchBlock fills p with the block and verifies it.
func (e *Engine) fetchBlock(sc *host.Scope, loc Location, b block, p []byte) error {
	if err := e.fetch(sc, loc, b.position, p); err != nil {
		return err
	}
	if err := checkBlock(p, b); err != nil {
		d := loc.damage(b.position, "a block is not valid", err)
		d.ID, d.Epoch, d.From, d.To = b.stream, b.epoch, b.start, b.end
		return d
	}
	return nil
}

// fetch fills dst from the object at loc.
func (e *Engine) fetch(sc *host.Scope, loc Location, off int64, dst []byte) error {
	err := e.store.GetRange(sc, loc.Key, off, dst)
	e.mu.Lock()
	e.stats.Gets++
	e.stats.GetBytes += uint64(len(dst))
	e.mu.Unlock()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, objectstore.ErrRange):
		return loc.damage(off, "it is shorter than metadata says", err)
	case errors.Is(err, objectstore.ErrNotFound):
		return loc.damage(0, "it is missing from "+e.store.Name(), err)
	}
	return fmt.Errorf("%w: read %d bytes at %d of object %s: %w", ErrStore, len(dst), off, loc.Key, err)
}

// damage is a DamageError about the object at l, for all of l's offsets.
func (l Location) damage(position int64, why string, err error) *DamageError {
	return &DamageError{Key: l.Key, Position: position, Epoch: l.Epoch, From: l.Start, To: l.End, Why: why, Err: err}
}

// dataFrom returns id's data blocks in the object at loc that hold offset from or what follows it there.
func dataFrom(blocks []block, id ID, loc Location, from int64) []block {
	i, _ := slices.BinarySearchFunc(blocks, from, func(b block, from int64) int {
		c := cmp.Or(cmp.Compare(b.stream, id), cmp.Compare(b.epoch, loc.Epoch))
		if c < 0 || c == 0 && b.kind == blockData && b.end <= from {
			return -1
		}
		return 1
	})
	j := i
	for j < len(blocks) && blocks[j].stream == id && blocks[j].epoch == loc.Epoch &&
		blocks[j].kind == blockData && blocks[j].start < loc.End {
		j++
	}
	return blocks[i:j]
}

// readCheckpoint reads the checkpoint of id at loc.Start.
func (e *Engine) readCheckpoint(sc *host.Scope, id ID, loc Location) ([]byte, error) {
	blocks, err := e.index(sc, loc)
	if err != nil {
		return nil, withID(err, id)
	}
	for _, b := range blocks {
		if b.stream == id && b.epoch == loc.Epoch && b.kind == blockCheckpoint && b.end == loc.Start {
			p, err := e.block(sc, loc, b)
			if err != nil {
				return nil, err
			}
			return slices.Clone(p[entryHeaderSize:]), nil
		}
	}
	return nil, withID(loc.damage(0, "it has no checkpoint at that offset, although metadata says so", nil), id)
}

// withID names the stream in a DamageError that was made without knowing it.
func withID(err error, id ID) error {
	var d *DamageError
	if errors.As(err, &d) && d.ID == 0 {
		d.ID = id
	}
	return err
}
