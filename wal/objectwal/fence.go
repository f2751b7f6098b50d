package objectwal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/wal"
)

// ReadConfig is what Fence needs.
type ReadConfig struct {
	Store   objectstore.Store
	Attempt time.Duration // as Config.Attempt
	Heads   int           // as wal.Config.Heads
	Ahead   int           // how many objects are read at the same time, and held in memory [4]
}

// Expect is what metadata says of a log that is to be ended, read after its holder was fenced.
type Expect struct {
	WAL  wal.UUID
	Trim wal.Position // as metadata carries it
	// Durable is the highest position known durable: heartbeats, CommitObject. 0 = nothing is known.
	Durable wal.Position
	// Who recovers it: the tombstone says so.
	Broker      int32
	BrokerEpoch int64
	Generation  int64
}

// Fence ends a log for its holder, whoever and wherever that is, and reads it (PROTOCOL rule 20): from the trim on it
// asks for each sequence, and at the first one that is not there it puts a tombstone; if that is refused, a put of the
// holder's was faster, and it goes on behind. From the tombstone on nothing can be acknowledged any more, and before it
// nothing is missing. It asks for keys and never lists them. It may be repeated, by anybody, at any time, with the same
// result but for what was not acknowledged.
//
// The log that it returns can be read by position and closed, and takes no appends. Bytes that cannot be given back are
// in Recovery.Damage; a store that does not answer is asked again until sc ends.
func Fence(sc *host.Scope, h host.Host, cfg ReadConfig, want Expect) (*Log, *wal.Recovery, error) {
	if cfg.Attempt == 0 {
		cfg.Attempt = 10 * time.Second
	}
	l := &Log{h: h, store: cfg.Store, foreign: true, err: wal.ErrReadOnly, id: wal.Identity{WAL: want.WAL}}
	if cfg.Ahead == 0 {
		cfg.Ahead = 4
	}
	l.cfg.Attempt = cfg.Attempt
	l.init()
	for i := range l.done {
		l.done[i].Complete(struct{}{}, nil) // it has no tasks
	}
	w := &walk{client: l.client(), l: l, heads: cfg.Heads, window: cfg.Ahead, want: want, at: sequenceOf(want.Trim)}
	if err := w.first(sc); err != nil {
		return nil, nil, fmt.Errorf("objectwal: end %s: %w", l.Name(), err)
	}
	w.rec.Start = positionOf(w.at)
	l.trim, l.durable = w.at, w.at
	if err := w.run(sc); err != nil {
		return nil, nil, fmt.Errorf("objectwal: end %s at sequence %d: %w", l.Name(), w.at, err)
	}
	w.rec.End = positionOf(l.durable)
	l.cfg.Objects = max(1, len(l.objects))
	w.rec.Durable = max(w.rec.Durable, want.Durable)
	return l, &w.rec, nil
}

// walk is the way of a recoverer from the trim to the end of a log.
type walk struct {
	*client
	l     *Log
	heads int
	want  Expect
	rec   wal.Recovery

	window int                 // objects to read ahead at a time
	ahead  map[uint64]*fetched // whole objects that were read ahead
	tried  uint64              // sequences below were

	at    uint64 // the sequence it has come to
	last  header // of the whole object before it
	chain bool   // last counts
	known bool   // last is of this log at all: its epoch and generation are the writer's
	buf   []byte // of the object
}

// run walks to the tombstone, and on over what metadata says was acknowledged behind it: a store that lost keys must
// not make a log look short.
func (w *walk) run(sc *host.Scope) error {
	const behind = "metadata says that it was acknowledged, and it is behind the end of the log"
	end, evidence := false, sequenceOf(w.want.Durable+span-1)
	for !end || w.at < evidence {
		if err := w.readAhead(sc); err != nil {
			return err
		}
		h, why, err := w.look(sc)
		switch {
		case err != nil:
			return err
		case why != nil:
			w.damaged(why.Error())
		case h == nil && end:
			w.damaged(behind)
		case h == nil:
			if err := w.bury(sc); err != nil {
				return err
			}
		case h.tombstone():
			end, w.rec.Clean = true, h.flags&flagClean != 0
			if w.at < evidence {
				w.damaged(behind)
			}
		default:
			if err := w.take(sc, *h); err != nil {
				return err
			}
		}
	}
	return nil
}

// look reads the header of the object at w.at: nil if there is none, with why if it is there and damaged.
func (w *walk) look(sc *host.Scope) (h *header, why, err error) {
	if f := w.ahead[w.at]; f != nil {
		return &f.h, nil, nil
	}
	for n := 1; ; n++ {
		got, err := w.header(sc, w.at)
		switch {
		case err == nil:
			return &got, nil, nil
		case errors.Is(err, objectstore.ErrNotFound):
			return nil, nil, nil
		case sc.Err() != nil:
			return nil, nil, sc.Err()
		case errors.Is(err, errHeaderNewer):
			return nil, nil, fmt.Errorf("%w: %s", wal.ErrVersion, Key(w.log, w.at))
		case errors.Is(err, objectstore.ErrTerminal):
			return nil, nil, err
		case n == readTries:
			return nil, err, nil
		}
		if err := w.h.Sleep(sc, firstPause); err != nil {
			return nil, nil, err
		}
	}
}

// bury puts a tombstone at w.at, and stays: the key is taken now, and by whom, the next look will tell.
func (w *walk) bury(sc *host.Scope) error {
	if mutant.On(mutant.TombstoneAtEnd) {
		last, err := w.listed(sc, func(old, s uint64) uint64 { return max(old, s+1) }, w.at)
		if err != nil {
			return err
		}
		if last > w.at {
			w.pass(object{})
			w.chain = false
			return nil
		}
	}
	var b [headerSize]byte
	h := header{wal: w.log, sequence: w.at, epoch: w.want.BrokerEpoch, generation: w.want.Generation,
		broker: w.want.Broker, durable: w.at, flags: flagTombstone, length: headerSize, place: headerSize}
	h.encode(b[:])
	err := w.put(sc, Key(w.log, w.at), b[:], func() error { return nil })
	if err == objectstore.ErrExists {
		return nil
	}
	return err
}

// pass leaves the object at w.at behind.
func (w *walk) pass(o object) {
	w.l.objects = append(w.l.objects, o)
	w.at++
	w.l.durable = w.at
}

// first moves the walk's beginning, where a planted bug does so.
func (w *walk) first(sc *host.Scope) error {
	if !mutant.On(mutant.WalkFromList) {
		return nil
	}
	at, err := w.listed(sc, func(old, s uint64) uint64 { return min(old, s) }, lastSequence)
	if err == nil && at != lastSequence {
		w.at = at
	}
	return err
}

// listed folds the sequences of the keys that are listed: what no recoverer must go by.
func (w *walk) listed(sc *host.Scope, fold func(old, s uint64) uint64, sum uint64) (uint64, error) {
	page, err := w.store.List(sc, prefix(w.log), "", 1000)
	for _, info := range page {
		if s, ours := parseKey(w.log, info.Key); ours {
			sum = fold(sum, s)
		}
	}
	return sum, err
}

// take accepts the object at w.at, whose header is h, as far as it is whole.
func (w *walk) take(sc *host.Scope, h header) error {
	if why := w.contradicts(&h); why != "" {
		w.damaged(why)
		return nil
	}
	w.id(&h)
	var bad []int
	for n := 1; ; n++ {
		err := w.read(sc, &h)
		gone := errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrRange)
		if err != nil && !gone {
			return err
		}
		entries, sums, listed := []placed(nil), []uint32(nil), false
		if err == nil {
			entries, sums, listed = h.decodeTrailer(w.buf[h.place:])
			bad = mismatch(w.buf, &h, sums)
		}
		if listed && len(bad) == 0 || n == readTries {
			w.accept(&h, entries, sums, bad, listed)
			return nil
		}
		if err := w.h.Sleep(sc, firstPause); err != nil {
			return err
		}
	}
}

// contradicts says why an object with header h cannot follow those before it.
func (w *walk) contradicts(h *header) string {
	switch {
	case w.known && (h.epoch != w.last.epoch || h.generation != w.last.generation || h.broker != w.last.broker):
		return fmt.Sprintf("it was written by broker %d, epoch %d, those before it by broker %d, epoch %d",
			h.broker, h.epoch, w.last.broker, w.last.epoch)
	case w.chain && h.chain != w.last.crc:
		return "it does not follow the object before it"
	}
	return ""
}

// id remembers h as the newest header of the log.
func (w *walk) id(h *header) {
	w.last, w.chain, w.known = *h, true, true
	w.l.id.Broker, w.l.id.BrokerEpoch, w.l.id.Generation = h.broker, h.epoch, h.generation
	w.rec.Durable = max(w.rec.Durable, positionOf(h.durable))
}

// read fills w.buf with the object at w.at.
func (w *walk) read(sc *host.Scope, h *header) (err error) {
	if f := w.ahead[w.at]; f != nil {
		w.buf = f.bytes
		delete(w.ahead, w.at)
		return nil
	}
	w.buf, err = w.object(sc, w.at, h)
	return err
}

// mismatch returns the blocks of object p that do not have the checksums in sums.
func mismatch(p []byte, h *header, sums []uint32) []int {
	var bad []int
	for i, sum := range sums {
		from, to := block(i, int(h.place))
		if crc32.Checksum(p[from:to], castagnoli) != sum {
			bad = append(bad, i)
		}
	}
	return bad
}

// accept takes over the entries of the object in w.buf but those with bytes in bad blocks.
func (w *walk) accept(h *header, entries []placed, sums []uint32, bad []int, listed bool) {
	if !listed {
		w.damaged("its table cannot be read")
		return
	}
	var lost []wal.Found
	for _, p := range entries {
		f := wal.Found{Entry: p.Entry, Extent: wal.Extent{Len: p.Length, Frame: positionOf(w.at), FrameOff: p.off}}
		if touches(p, bad) {
			lost = append(lost, f)
			continue
		}
		if w.heads > 0 && p.Kind == wal.KindData {
			body := w.buf[p.off : p.off+p.Length]
			f.Head = append([]byte(nil), body[:min(len(body), w.heads)]...)
		}
		w.rec.Entries = append(w.rec.Entries, f)
	}
	if len(bad) > 0 {
		w.name(lost, fmt.Sprintf("%d of its blocks do not match their checksums", len(bad)), true)
	} else {
		w.rec.Frames++
	}
	w.pass(object{place: h.place, sums: sums, crc: h.crc})
}

// touches reports whether p has bytes in one of the blocks.
func touches(p placed, blocks []int) bool {
	for _, i := range blocks {
		if int(p.off) < (i+1)*wal.BlockSize && int(p.off+p.Length) > i*wal.BlockSize {
			return true
		}
	}
	return false
}

// damaged names the object at w.at, of which nothing can be believed, and leaves it behind.
func (w *walk) damaged(why string) {
	w.name(nil, why, false)
	w.chain = false
	w.pass(object{})
}

func (w *walk) name(lost []wal.Found, why string, listed bool) {
	w.rec.Damage = append(w.rec.Damage, wal.Damage{From: positionOf(w.at), To: positionOf(w.at + 1),
		Why: Key(w.log, w.at) + ": " + why, Listed: listed, Lost: lost})
}
