package sim

import (
	"fmt"
	"io"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// volumeHandle is the host.Volume of one incarnation.
type volumeHandle struct {
	inc *incarnation
	at  *mount
	v   *Volume
}

var _ host.Volume = (*volumeHandle)(nil)

// call runs one metadata call: its time, its faults, its effect.
func (h *volumeHandle) call(op Op, path string, do func() error) error {
	k, err := h.inc.begin(op, h.v.name, path, 0, 0)
	if err != nil {
		return err
	}
	latency := h.inc.w.cfg.Disk.Names
	if op == OpSyncDir {
		latency = h.inc.w.cfg.Disk.Sync
	}
	h.inc.delay(h.at, latency, op, path)
	if h.at.gone {
		return fmt.Errorf("%s %s:%s: volume is detached: %w", op, h.v.name, path, host.ErrIO)
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %s:%w", op, h.v.name, err)
	}
	h.inc.w.note(KindDisk, h.inc.m.id, uint64(op)<<32|h.v.id, hashString(path))
	h.inc.finish(k)
	return nil
}

// room refuses to add a name to a full volume.
func (h *volumeHandle) room(path string) error {
	if h.v.used+pageSize > h.v.capacity || h.inc.w.hit(&h.at.target, h.inc.m.rates, fault.NoSpace) != nil {
		return fmt.Errorf("%s: %w", path, host.ErrNoSpace)
	}
	return nil
}

// Open implements host.Volume.
func (h *volumeHandle) Open(path string, flag host.Flag) (host.File, error) {
	var file *fileHandle
	err := h.call(OpOpen, path, func() error {
		node, err := h.node(path, flag)
		if err != nil {
			return err
		}
		file = &fileHandle{
			inc: h.inc, at: h.at, v: h.v, f: node, align: 1, readOnly: flag&host.ReadOnly != 0, failures: node.failures,
		}
		if flag&host.Direct != 0 {
			file.align = h.inc.w.cfg.Disk.DirectAlign
		}
		h.inc.handles = append(h.inc.handles, file)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (h *volumeHandle) node(path string, flag host.Flag) (*inode, error) {
	var create *Machine
	if flag&host.Create != 0 {
		create = h.inc.m
	}
	dir, name, err := h.v.parent(path, create)
	if err != nil {
		return nil, err
	}
	node := dir.dir.names[name]
	switch {
	case node == nil && flag&host.Create == 0:
		return nil, fmt.Errorf("%s: %w", path, host.ErrNotExist)
	case node == nil:
		if err := h.room(path); err != nil {
			return nil, err
		}
		node = h.v.newInode(path, false)
		dir.change(&naming{name: name, node: node, m: h.inc.m})
	case flag&host.Create != 0 && flag&host.Exclusive != 0:
		return nil, fmt.Errorf("%s: %w", path, host.ErrExist)
	case node.dir != nil:
		return nil, fmt.Errorf("%s: is a directory", path)
	}
	return node, nil
}

// Rename implements host.Volume.
func (h *volumeHandle) Rename(from, to string) error {
	return h.call(OpRename, from+" to "+to, func() error {
		oldDir, oldName, err := h.v.parent(from, nil)
		if err != nil {
			return err
		}
		node := oldDir.dir.names[oldName]
		if node == nil {
			return fmt.Errorf("%s: %w", from, host.ErrNotExist)
		}
		newDir, newName, err := h.v.parent(to, nil)
		if err != nil {
			return err
		}
		old := newDir.dir.names[newName]
		if old == node {
			return nil
		}
		if old != nil && (old.dir != nil || node.dir != nil) {
			return fmt.Errorf("%s: %w", to, host.ErrExist)
		}
		if newDir == oldDir {
			newDir.change(&naming{name: newName, node: node, from: oldName, m: h.inc.m})
		} else {
			link := &naming{name: newName, node: node, m: h.inc.m}
			newDir.change(link)
			oldDir.change(&naming{name: oldName, after: link, m: h.inc.m})
		}
		h.v.release(old)
		node.path = to
		return nil
	})
}

// Link implements host.Volume.
func (h *volumeHandle) Link(from, to string) error {
	return h.call(OpLink, from+" to "+to, func() error {
		node, err := h.v.find(from)
		if err != nil {
			return err
		}
		if node.dir != nil {
			return fmt.Errorf("%s: is a directory", from)
		}
		dir, name, err := h.v.parent(to, nil)
		if err != nil {
			return err
		}
		if dir.dir.names[name] != nil {
			return fmt.Errorf("%s: %w", to, host.ErrExist)
		}
		if err := h.room(to); err != nil {
			return err
		}
		dir.change(&naming{name: name, node: node, m: h.inc.m})
		return nil
	})
}

// Remove implements host.Volume.
func (h *volumeHandle) Remove(path string) error {
	return h.call(OpRemove, path, func() error {
		dir, name, err := h.v.parent(path, nil)
		if err != nil {
			return err
		}
		node := dir.dir.names[name]
		if node == nil {
			return fmt.Errorf("%s: %w", path, host.ErrNotExist)
		}
		if node.dir != nil && len(node.dir.names) > 0 {
			return fmt.Errorf("%s: directory is not empty: %w", path, host.ErrExist)
		}
		dir.change(&naming{name: name, m: h.inc.m})
		h.v.release(node)
		return nil
	})
}

// List implements host.Volume.
func (h *volumeHandle) List(dir string) ([]host.Entry, error) {
	var list []host.Entry
	err := h.call(OpList, dir, func() error {
		node, err := h.v.find(dir)
		if err != nil {
			return err
		}
		if node.dir == nil {
			return fmt.Errorf("%s: is no directory: %w", dir, host.ErrNotExist)
		}
		for _, name := range node.dir.sorted() {
			child := node.dir.names[name]
			list = append(list, host.Entry{Name: name, Size: child.size, Dir: child.dir != nil})
		}
		return nil
	})
	return list, err
}

// SyncDir implements host.Volume. It covers the changes made before it was called.
func (h *volumeHandle) SyncDir(dir string) error {
	covered := map[*inode]int{}
	if node, err := h.v.find(dir); err == nil && node.dir != nil {
		covered[node] = len(node.dir.pending)
	}
	return h.call(OpSyncDir, dir, func() error {
		node, err := h.v.find(dir)
		if err != nil {
			return err
		}
		if node.dir == nil {
			return fmt.Errorf("%s: is no directory: %w", dir, host.ErrNotExist)
		}
		if h.inc.w.hit(&h.at.target, h.inc.m.rates, fault.DirError) != nil {
			return fmt.Errorf("%s: %w", dir, host.ErrIO)
		}
		node.syncNames(min(covered[node], len(node.dir.pending)))
		return nil
	})
}

// Lock implements host.Volume. A lock dies with its incarnation.
func (h *volumeHandle) Lock(path string) (io.Closer, error) {
	l := &lock{inc: h.inc}
	err := h.call(OpLock, path, func() error {
		if held := h.v.locks[path]; held != nil && !held.inc.dead {
			return fmt.Errorf("%s: held by %s: %w", path, held.inc, host.ErrLocked)
		}
		if _, err := h.node(path, host.Create); err != nil {
			return err
		}
		h.v.locks[path] = l
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lockHandle{h.v, path, l}, nil
}

type lockHandle struct {
	v    *Volume
	path string
	l    *lock
}

// Close releases the lock.
func (l lockHandle) Close() error {
	if err := l.l.inc.gate(); err != nil {
		return err
	}
	if l.v.locks[l.path] == l.l {
		delete(l.v.locks, l.path)
	}
	return nil
}

// Space implements host.Volume.
func (h *volumeHandle) Space() (free, total int64, err error) {
	if err := h.inc.gate(); err != nil {
		return 0, 0, err
	}
	return max(0, h.v.capacity-h.v.used), h.v.capacity, nil
}
