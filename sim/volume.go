package sim

import (
	"fmt"
	"strings"

	"github.com/weirmq/weir/host"
)

// Volume is a file system that outlives machines. Its methods look at it from outside the world, at no
// cost in time: they are for checkers and tests, not for tasks.
type Volume struct {
	w        *World
	id       uint64
	name     string
	root     *inode
	used     int64 // bytes in allocated pages
	capacity int64
	dirty    []*inode // with pending changes, in the order they became so
	sweepAt  int      // length of dirty at which it is swept
	locks    map[string]*lock
}

type lock struct{ inc *incarnation }

func (w *World) newVolume(name string) *Volume {
	w.volumeIDs++
	v := &Volume{w: w, id: w.volumeIDs, name: name, capacity: w.cfg.Disk.Capacity, sweepAt: 64, locks: map[string]*lock{}}
	v.root = v.newInode("", true)
	return v
}

// NewVolume returns an empty volume that no machine has yet; see Machine.Attach.
func (w *World) NewVolume(name string) *Volume { return w.newVolume(name) }

// Name returns "machine/volume" of the machine it was made on.
func (v *Volume) Name() string { return v.name }

// SetCapacity sets the volume's size in bytes; what is stored already stays.
func (v *Volume) SetCapacity(bytes int64) { v.capacity = bytes }

// Used returns the bytes of allocated pages.
func (v *Volume) Used() int64 { return v.used }

// Durable returns a copy of what a power loss that keeps nothing unsynced would leave of the file at
// path, and false if it would leave no such file.
func (v *Volume) Durable(path string) ([]byte, bool) {
	if f := v.durable(path); f != nil {
		return f.durable(), true
	}
	return nil, false
}

// HasDurable tells whether there is what Durable returns.
func (v *Volume) HasDurable(path string) bool { return v.durable(path) != nil }

func (v *Volume) durable(path string) *inode {
	at := v.root
	for _, name := range strings.Split(path, "/") {
		if at.dir == nil || at.dir.durable[name] == nil {
			return nil
		}
		at = at.dir.durable[name]
	}
	if at.dir != nil {
		return nil
	}
	return at
}

// Current returns a copy of the file at path as a reader sees it, and false if there is none.
func (v *Volume) Current(path string) ([]byte, bool) {
	f, err := v.find(path)
	if err != nil || f.dir != nil {
		return nil, false
	}
	out := make([]byte, f.size)
	f.cur.read(0, out)
	return out, true
}

// Files returns the paths of all files as a reader sees them, in order.
func (v *Volume) Files() []string { return walk(v.root, "", nil) }

func walk(f *inode, prefix string, list []string) []string {
	for _, name := range f.dir.sorted() {
		child := f.dir.names[name]
		if child.dir != nil {
			list = walk(child, prefix+name+"/", list)
			continue
		}
		list = append(list, prefix+name)
	}
	return list
}

// Flip inverts the bits of mask in the byte at off of the file at path, on the medium and in the cache,
// and reports whether there is such a byte.
func (v *Volume) Flip(path string, off int64, mask byte) bool {
	f, err := v.find(path)
	if err != nil || f.dir != nil || off < 0 || off >= f.size {
		return false
	}
	f.flip(off, mask)
	return true
}

func (f *inode) flip(off int64, mask byte) {
	i := off / pageSize
	if s := f.cur.need(i); s.base != nil {
		s.base[off%pageSize] ^= mask
	}
	if f.cur.get(i) == nil {
		f.cur.set(i, new(page))
	}
	f.cur.get(i)[off%pageSize] ^= mask
	f.v.w.note(KindFault, f.id, uint64(off), uint64(mask))
}

// split checks path and cuts it into names.
func split(path string) ([]string, error) {
	names := strings.Split(path, "/")
	for _, name := range names {
		if name == "" || name == "." || name == ".." {
			return nil, fmt.Errorf("path %q: must be relative, without empty, . or .. parts", path)
		}
	}
	return names, nil
}

// find returns the inode at path; "" is the root.
func (v *Volume) find(path string) (*inode, error) {
	if path == "" {
		return v.root, nil
	}
	names, err := split(path)
	if err != nil {
		return nil, err
	}
	at := v.root
	for _, name := range names {
		if at.dir == nil || at.dir.names[name] == nil {
			return nil, fmt.Errorf("%s: %w", path, host.ErrNotExist)
		}
		at = at.dir.names[name]
	}
	return at, nil
}

// parent returns the directory that holds path and the last name; create, if not nil, makes missing directories.
func (v *Volume) parent(path string, create *Machine) (*inode, string, error) {
	names, err := split(path)
	if err != nil {
		return nil, "", err
	}
	at := v.root
	for i, name := range names[:len(names)-1] {
		child := at.dir.names[name]
		if child == nil && create != nil {
			child = v.newInode(strings.Join(names[:i+1], "/"), true)
			at.change(&naming{name: name, node: child, m: create})
		}
		if child == nil || child.dir == nil {
			return nil, "", fmt.Errorf("%s: no directory %q: %w", path, name, host.ErrNotExist)
		}
		at = child
	}
	return at, names[len(names)-1], nil
}

// recount finds the links of every file that can be reached, and adds up their pages.
func (v *Volume) recount(f *inode, seen map[*inode]bool) {
	if !seen[f] {
		seen[f] = true
		f.links = 0
		f.cur.used = &v.used
		v.used += f.cur.bytes()
	}
	f.links++
	if f.dir == nil {
		return
	}
	for _, name := range f.dir.sorted() {
		v.recount(f.dir.names[name], seen)
	}
}

// release gives back the space of a node that has lost its last name.
func (v *Volume) release(node *inode) {
	if node == nil || node.links > 0 {
		return
	}
	v.used -= node.cur.bytes()
	node.orphan = node.cur.bytes()
	node.cur.used = &node.orphan
}

// crashVolumes resolves the unsynced state of every volume inc could have written.
func (inc *incarnation) crashVolumes(fate Fate, seed uint64) {
	fate = fate.settled(seed)
	for _, at := range inc.m.mounts {
		at.v.crash(inc, at, fate, seed)
	}
	for _, h := range inc.handles {
		h.dead = host.ErrKilled
	}
	inc.handles = nil
}
