package wal

import "github.com/weirmq/weir/host"

// What a log of another kind takes from this package, so that its entries and extents are the same: the entry of a
// table, memory to fill, and the line of those who wait for it.

// EntrySize is the length of an encoded entry of a table, in bytes; MaxEntries is how many a table may have.
const (
	EntrySize  = entrySize
	MaxEntries = maxEntries
)

// EncodeEntry writes e, whose bytes lie at off from the beginning of what carries them, to b[:EntrySize].
func EncodeEntry(b []byte, e Entry, off uint32) {
	p := placed{Entry: e, off: off}
	p.encode(b)
}

// DecodeEntry reads what EncodeEntry wrote. Any bytes are an entry: who reads them has checked them.
func DecodeEntry(b []byte) (Entry, uint32) {
	p := decodePlaced(b)
	return p.Entry, p.off
}

// Take returns a free slab held once by HolderLog, or nil if there is none; then Pressure may help.
func (p *SlabPool) Take() *Slab { return p.take() }

// Join makes freed slabs wake the head of ln, and Leave undoes it.
func (p *SlabPool) Join(ln *Line) { p.join(&ln.line) }

// Leave undoes Join.
func (p *SlabPool) Leave(ln *Line) { p.leave(&ln.line) }

// Extent returns an extent without bytes in s. Copies of it with the other fields set know whether the slab still
// lives the life that it lives now. The caller holds the slab.
func (s *Slab) Extent() Extent { return Extent{Slab: s, life: s.lifetime()} }

// Fill returns n bytes of the slab at off for writing, by the log that took the slab, before anybody else sees them.
func (s *Slab) Fill(off, n int) []byte { return s.mem[off : off+n : off+n] }

// CopyTo fills dst with the extent's first bytes if its slab still holds them, and reports whether it did.
func (x Extent) CopyTo(dst []byte) bool {
	if x.Slab == nil || !x.Slab.holdIf(HolderAnswer, x.life) {
		return false
	}
	copy(dst, x.Slab.mem[x.Off:x.Off+x.Len])
	x.Slab.Release(HolderAnswer)
	return true
}

// Line is the queue of appends that wait for room, served in the order they came: only its head looks for room, and
// whoever makes some wakes the head.
type Line struct{ line line }

// Init readies an empty line.
func (ln *Line) Init(h host.Host) { ln.line.mu.Init(h) }

// Join puts p at the end.
func (ln *Line) Join(p host.Parker) { ln.line.join(p) }

// Leave takes p out and wakes whoever is the head then.
func (ln *Line) Leave(p host.Parker) { ln.line.leave(p) }

// First reports whether p, which is in the line, is its head.
func (ln *Line) First(p host.Parker) bool { return ln.line.first(p) }

// Wake wakes the head.
func (ln *Line) Wake() { ln.line.wake() }

// WakeAll wakes everybody.
func (ln *Line) WakeAll() { ln.line.wakeAll() }

// Len returns how many wait.
func (ln *Line) Len() int { return ln.line.len() }
