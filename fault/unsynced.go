package fault

import (
	"math/rand/v2"

	"github.com/weirmq/weir/host"
)

// unsynced remembers what unsynced writes have overwritten, so that a sync can be made to lose them. It does so only
// while a step may still make a sync of the volume fail.
type unsynced struct {
	f     *file
	keep  bool
	mu    host.Mutex // guards the fields below
	old   []overwritten
	bytes int64
	gone  int // entries that were forgotten: marks count from the file's first
}

// overwritten is what lay where a write went.
type overwritten struct {
	off  int64
	data []byte
}

// unsyncedMax bounds what is remembered of one file, in bytes. What is beyond it counts as written back already.
const unsyncedMax = 64 << 20

func (u *unsynced) init(v *volume, f *file) {
	u.f, u.keep = f, !f.readOnly && v.i.wants(v.target, SyncError)
	u.mu.Init(v.i.h)
}

// note reads what a write of n bytes at off will overwrite. Bytes beyond the end read as zero.
func (u *unsynced) note(off int64, n int) {
	if !u.keep || off < 0 || n == 0 {
		return
	}
	p := aligned(n, u.f.align)
	_, _ = u.f.File.ReadAt(p, off) // past the end there is nothing; what cannot be read is lost as zeroes
	u.mu.Lock()
	defer u.mu.Unlock()
	u.old = append(u.old, overwritten{off, p})
	u.bytes += int64(n)
	for u.bytes > unsyncedMax {
		u.drop(1)
	}
}

// drop forgets the n oldest entries.
func (u *unsynced) drop(n int) {
	for _, o := range u.old[:n] {
		u.bytes -= int64(len(o.data))
	}
	u.old = append([]overwritten(nil), u.old[n:]...)
	u.gone += n
}

// mark returns how many writes were noted so far: those that a sync begun now covers.
func (u *unsynced) mark() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.gone + len(u.old)
}

// forget drops what a sync made durable.
func (u *unsynced) forget(covered int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := covered - u.gone; n > 0 {
		u.drop(n)
	}
}

// lose puts back what some of the covered writes have overwritten, the newest first.
func (u *unsynced) lose(r *rand.Rand, covered int) {
	for _, o := range u.take(covered) {
		if r.IntN(2) == 0 {
			_, _ = u.f.File.WriteAt(o.data, o.off) // what stays is as good an outcome
		}
	}
}

// take returns the covered writes, the newest first.
func (u *unsynced) take(covered int) []overwritten {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := min(len(u.old), max(0, covered-u.gone))
	list := make([]overwritten, 0, n)
	for i := n - 1; i >= 0; i-- {
		list = append(list, u.old[i])
	}
	return list
}
