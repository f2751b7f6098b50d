package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/weirmq/weir/host"
)

// storeState is the object store of a world. It outlives all machines and loses nothing it acknowledged.
type storeState struct {
	objects map[string]*object
	keys    []string // of all objects that are or were there, sorted
	target  target
	graves  []*object // deleted a moment ago, in order: their bytes are kept for ghosts

	storm     host.Time // until when it lasts
	stormRand *rand.Rand
	outage    host.Time
	counts    StoreCounts
}

// object is what is at a key, and what was there just before, for stale listings.
type object struct {
	bytes   []byte
	ghost   []byte // what it held until it was deleted, for a moment
	there   bool
	size    int64     // bytes; of the last content if it was deleted
	changed host.Time // when it came or went
}

// StoreCounts is how often each kind of call took effect, by whomever.
type StoreCounts struct {
	Puts, Conflicts, Gets, Heads, Lists, Deletes uint64
	BytesPut, BytesGot                           uint64

	Parts, OrphanParts, OrphanBytes uint64 // of puts in parts; orphans belong to no object and nobody lists them
}

func (s *storeState) init(seed uint64) {
	s.objects = map[string]*object{}
	s.target.init(StoreNode)
	s.stormRand = newRand(seed, "storm")
}

// put creates or replaces an object and shows it to the observer.
func (w *World) put(key string, bytes []byte) {
	s := &w.store
	o := s.objects[key]
	if o == nil {
		o = &object{}
		s.objects[key] = o
		i, _ := slices.BinarySearch(s.keys, key)
		s.keys = slices.Insert(s.keys, i, key)
	}
	if !o.there {
		o.changed = w.now
	}
	o.bytes, o.there, o.size = bytes, true, int64(len(bytes))
	s.counts.Puts++
	s.counts.BytesPut += uint64(len(bytes))
	w.note(KindStore, hashString(key), uint64(OpStorePut), checksum(bytes))
	if w.cfg.OnPut != nil {
		w.cfg.OnPut(key, bytes)
	}
}

func (w *World) remove(key string) {
	w.store.counts.Deletes++
	w.note(KindStore, hashString(key), uint64(OpStoreDelete), 0)
	o := w.store.objects[key]
	if o == nil || !o.there {
		return
	}
	w.bury(o)
	o.bytes, o.there, o.changed = nil, false, w.now
	if w.cfg.OnDelete != nil {
		w.cfg.OnDelete(key)
	}
}

// bury keeps the bytes of an object that is being deleted, for as long as ghosts of it may be seen.
func (w *World) bury(o *object) {
	s := &w.store
	for len(s.graves) > 0 && s.graves[0].changed+host.Time(w.cfg.Store.StaleMax) < w.now {
		s.graves[0].ghost = nil
		s.graves = s.graves[1:]
	}
	o.ghost = o.bytes
	s.graves = append(s.graves, o)
}

// object returns what is at key, nil if nothing is.
func (w *World) object(key string) *object {
	if o := w.store.objects[key]; o != nil && o.there {
		return o
	}
	return nil
}

// Object returns the bytes at key, and false if there is no object. They must not be changed.
func (w *World) Object(key string) ([]byte, bool) {
	if o := w.object(key); o != nil {
		return o.bytes, true
	}
	return nil, false
}

// Objects returns all keys in order.
func (w *World) Objects() []string {
	var list []string
	for _, key := range w.store.keys {
		if w.store.objects[key].there {
			list = append(list, key)
		}
	}
	return list
}

// PutObject places an object from outside the world, without time or faults.
func (w *World) PutObject(key string, bytes []byte) { w.put(key, slices.Clone(bytes)) }

// DeleteObject removes an object from outside the world.
func (w *World) DeleteObject(key string) { w.remove(key) }

// FlipObject inverts the bits of mask in the byte at off of an object and reports whether there is such
// a byte.
func (w *World) FlipObject(key string, off int, mask byte) bool {
	o := w.object(key)
	if o == nil || off < 0 || off >= len(o.bytes) {
		return false
	}
	o.bytes = slices.Clone(o.bytes)
	o.bytes[off] ^= mask
	w.note(KindFault, hashString(key), uint64(off), uint64(mask))
	return true
}

// StoreCounts returns how often each kind of call took effect so far.
func (w *World) StoreCounts() StoreCounts { return w.store.counts }

// Storm makes nine of ten store calls fail with ErrUnavailable until d of world time has passed.
func (w *World) Storm(d host.Time) {
	w.store.storm = max(w.store.storm, w.now+d)
	w.note(KindStore, hashString(StoreNode), uint64(d), 0)
}
