package oshost

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weirmq/weir/host"
)

type disk struct{ h *Host }

// Disk implements host.Host with the directories below Config.Data.
func (h *Host) Disk() host.Disk { return disk{h} }

// Volume implements host.Disk. The directory is made when missing and its name is durable on return.
func (d disk) Volume(sc *host.Scope, name string) (host.Volume, error) {
	if err := d.h.alive(sc); err != nil {
		return nil, err
	}
	if !fs.ValidPath(name) || name == "." {
		return nil, fmt.Errorf("oshost: volume name %q is not a plain relative path", name)
	}
	d.h.mu.Lock()
	v := d.h.volumes[name]
	d.h.mu.Unlock()
	if v != nil {
		return v, nil
	}
	root, given, err := d.h.directory(name)
	if err != nil {
		return nil, err
	}
	v = &volume{h: d.h, name: name, root: root}
	ready := v.make
	if given {
		ready = func() error { _, err := os.Stat(root); return err }
	}
	if err := d.h.call(ready); err != nil {
		return nil, fmt.Errorf("oshost: attach volume %s: %w", name, err)
	}
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	if given && d.h.attached[name] != root {
		return nil, fmt.Errorf("oshost: volume %s was detached: %w", name, host.ErrNotExist)
	}
	if won := d.h.volumes[name]; won != nil {
		return won, nil // another task attached it meanwhile
	}
	d.h.volumes[name] = v
	return v, nil
}

// directory is where a volume lies, and whether a provider of volumes said so.
func (h *Host) directory(name string) (dir string, given bool, err error) {
	rest, shared := strings.CutPrefix(name, host.SharedVolumes)
	if !shared {
		return filepath.Join(h.cfg.Data, filepath.FromSlash(name)), false, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.attached == nil {
		return filepath.Join(h.cfg.Volumes, filepath.FromSlash(rest)), false, nil
	}
	if dir, given = h.attached[name]; !given {
		return "", true, fmt.Errorf("oshost: volume %s is not attached here: %w", name, host.ErrNotExist)
	}
	return dir, true, nil
}

// Memory implements host.Disk with an anonymous mapping. It asks for no memory before it is touched.
func (d disk) Memory(n int) ([]byte, error) {
	if n < 1 {
		return nil, fmt.Errorf("oshost: cannot map %d bytes", n)
	}
	page := os.Getpagesize()
	size := (n + page - 1) / page * page
	p, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("oshost: map %d bytes of memory: %w", n, err)
	}
	return p[:n:n], nil
}

// call runs a disk call of a live host and gives its error a host sentinel (O4).
func (h *Host) call(fn func() error) error {
	h.io.RLock()
	defer h.io.RUnlock()
	if h.dead.Load() {
		return host.ErrKilled
	}
	return h.fail(fn())
}

// volume is a directory.
type volume struct {
	h    *Host
	name string
	root string // absolute
}

// make creates the volume's directory and makes its name durable.
func (v *volume) make() error {
	missing := []string{}
	for dir := v.root; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		missing = append(missing, dir)
	}
	if err := os.MkdirAll(v.root, 0o750); err != nil {
		return err
	}
	for _, dir := range missing {
		if err := syncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return nil
}

// at returns the system's path of a file of the volume.
func (v *volume) at(p string) (string, error) {
	if !fs.ValidPath(p) || p == "." {
		return "", fmt.Errorf("oshost: path %q in volume %s is not a plain relative path", p, v.name)
	}
	return filepath.Join(v.root, filepath.FromSlash(p)), nil
}

// dir is at for a directory, where "" is the root.
func (v *volume) dir(p string) (string, error) {
	if p == "" {
		return v.root, nil
	}
	return v.at(p)
}

// on runs fn on the system's path of p, as one disk call.
func (v *volume) on(what, p string, fn func(full string) error) error {
	full, err := v.at(p)
	if err != nil {
		return err
	}
	if err := v.h.call(func() error { return fn(full) }); err != nil {
		return fmt.Errorf("oshost: %s %s: %w", what, path.Join(v.name, p), err)
	}
	return nil
}

// Open implements host.Volume.
func (v *volume) Open(p string, flag host.Flag) (host.File, error) {
	var f *file
	err := v.on("open", p, func(full string) error {
		var err error
		f, err = openFile(v.h, full, path.Join(v.name, p), flag)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := v.h.adopt(&v.h.handles, f); err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements host.Volume.
func (v *volume) Rename(from, to string) error {
	return v.pair("rename", from, to, os.Rename)
}

// Link implements host.Volume.
func (v *volume) Link(from, to string) error {
	return v.pair("link", from, to, os.Link)
}

func (v *volume) pair(what, from, to string, fn func(from, to string) error) error {
	target, err := v.at(to)
	if err != nil {
		return err
	}
	return v.on(what, from, func(full string) error { return fn(full, target) })
}

// Remove implements host.Volume.
func (v *volume) Remove(p string) error { return v.on("remove", p, os.Remove) }

// List implements host.Volume.
func (v *volume) List(p string) ([]host.Entry, error) {
	full, err := v.dir(p)
	if err != nil {
		return nil, err
	}
	var out []host.Entry
	err = v.h.call(func() error {
		var err error
		out, err = list(full)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("oshost: list %s: %w", path.Join(v.name, p), err)
	}
	return out, nil
}

func list(full string) ([]host.Entry, error) {
	names, err := os.ReadDir(full) // sorted
	if err != nil {
		return nil, err
	}
	out := make([]host.Entry, 0, len(names))
	for _, n := range names {
		info, err := n.Info()
		if os.IsNotExist(err) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		e := host.Entry{Name: n.Name(), Dir: info.IsDir()}
		if !e.Dir {
			e.Size = info.Size()
		}
		out = append(out, e)
	}
	return out, nil
}

// SyncDir implements host.Volume.
func (v *volume) SyncDir(p string) error {
	full, err := v.dir(p)
	if err != nil {
		return err
	}
	if err := v.h.call(func() error { return syncDir(full) }); err != nil {
		return fmt.Errorf("oshost: sync directory %s: %w", path.Join(v.name, p), err)
	}
	return nil
}

func syncDir(full string) error {
	d, err := os.OpenFile(full, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// Lock implements host.Volume with flock(2), which belongs to the open file: a second Lock of the same
// process fails too. The file stays when the lock is given back.
func (v *volume) Lock(p string) (io.Closer, error) {
	var l *fileLock
	err := v.on("lock", p, func(full string) error {
		var err error
		l, err = lockFile(v.h, full)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := v.h.adopt(&v.h.locks, l); err != nil {
		return nil, err
	}
	return l, nil
}

// Space implements host.Volume.
func (v *volume) Space() (free, total int64, err error) {
	err = v.h.call(func() error {
		var err error
		free, total, err = space(v.root)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("oshost: ask for the space of volume %s: %w", v.name, err)
	}
	return free, total, nil
}
