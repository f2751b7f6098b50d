package oshost

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/weirmq/weir/host"
)

// file is an open file of a volume.
type file struct {
	h     *Host
	f     *os.File
	name  string // volume and path, for errors
	align int    // 1 or the alignment of direct I/O
	sync  sync.Mutex
	dead  atomic.Bool // a Sync has failed
}

func openFile(h *Host, full, name string, flag host.Flag) (*file, error) {
	mode := os.O_RDWR
	if flag&host.ReadOnly != 0 {
		mode = os.O_RDONLY
	}
	if flag&host.Create != 0 {
		mode |= os.O_CREATE
		if flag&host.Exclusive != 0 {
			mode |= os.O_EXCL
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			return nil, err
		}
	}
	if flag&host.Direct == 0 || directFlag == 0 {
		return openPlain(h, full, name, mode)
	}
	f, err := os.OpenFile(full, mode|directFlag, 0o640)
	if errors.Is(err, syscall.EINVAL) {
		// The file system has no direct I/O. A kernel may have made the file before it refused: it is
		// ours all the same, since a file that was there before would have failed with EEXIST.
		return openPlain(h, full, name, mode&^os.O_EXCL)
	}
	if err != nil {
		return nil, err
	}
	align, err := directAlign(f)
	if err == nil && align > 0 {
		return &file{h: h, f: f, name: name, align: align}, nil
	}
	_ = f.Close() // nothing was written through it
	if err != nil {
		return nil, err
	}
	return openPlain(h, full, name, mode&^os.O_EXCL)
}

func openPlain(h *Host, full, name string, mode int) (*file, error) {
	f, err := os.OpenFile(full, mode, 0o640) // O_CLOEXEC is Go's default
	if err != nil {
		return nil, err
	}
	return &file{h: h, f: f, name: name, align: 1}, nil
}

// enter begins a disk call; the caller ends it with h.io.RUnlock, also when it failed.
func (f *file) enter() error {
	f.h.io.RLock()
	switch {
	case f.h.dead.Load():
		return host.ErrKilled
	case f.dead.Load():
		return fmt.Errorf("oshost: use %s after a failed sync: %w", f.name, host.ErrIO)
	}
	return nil
}

func (f *file) wrap(what string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("oshost: %s %s: %w", what, f.name, f.h.fail(err))
}

// checkAligned panics when direct I/O would be refused by the kernel.
func (f *file) checkAligned(p []byte, off int64) {
	if f.align == 1 || len(p) == 0 {
		return
	}
	a := uintptr(f.align)
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	if uintptr(off)%a != 0 || uintptr(len(p))%a != 0 || addr%a != 0 {
		panic(fmt.Sprintf("oshost: invariant DirectAligned: %s asks for multiples of %d, "+
			"got offset %d, length %d, address %#x", f.name, f.align, off, len(p), addr))
	}
}

// ReadAt implements host.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.checkAligned(p, off)
	err := f.enter()
	defer f.h.io.RUnlock()
	if err != nil {
		return 0, err
	}
	n, err := f.f.ReadAt(p, off)
	if err != nil && err != io.EOF && f.align > 1 && n%f.align != 0 && errors.Is(err, syscall.EINVAL) {
		err = io.EOF // only the end makes a direct read come short there; going on would be misaligned
	}
	return n, f.wrap("read", err)
}

// WriteAt implements host.File.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.checkAligned(p, off)
	err := f.enter()
	defer f.h.io.RUnlock()
	if err != nil {
		return 0, err
	}
	n, err := f.f.WriteAt(p, off)
	return n, f.wrap("write", err)
}

// Sync implements host.File (O3). The kernel tells a lost write to one sync of a descriptor only; so syncs
// do not run side by side, and none starts after one failed.
func (f *file) Sync() error {
	f.sync.Lock()
	defer f.sync.Unlock()
	err := f.enter()
	defer f.h.io.RUnlock()
	if err != nil {
		return err
	}
	if err = datasync(f.f); err == nil {
		return nil
	}
	if errors.Is(err, os.ErrClosed) {
		return f.wrap("sync", err) // says nothing of the data
	}
	f.dead.Store(true)
	return fmt.Errorf("oshost: sync %s, whose unsynced content is unknown now: %w: %w",
		f.name, host.ErrIO, f.h.fail(err))
}

// Resize implements host.File.
func (f *file) Resize(size int64) error {
	err := f.enter()
	defer f.h.io.RUnlock()
	if err != nil {
		return err
	}
	return f.wrap("resize", resize(f.f, size))
}

// resize reserves room for what f grows by. Where that is not known, or not all of it is there, f is as large as
// asked for or as it was.
func resize(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if size <= info.Size() {
		return f.Truncate(size)
	}
	err = reserve(f, info.Size(), size-info.Size())
	if errors.Is(err, errors.ErrUnsupported) {
		return f.Truncate(size)
	}
	if err != nil {
		_ = f.Truncate(info.Size()) // some of it may be reserved; the first error is what counts
	}
	return err
}

// Size implements host.File.
func (f *file) Size() (int64, error) {
	err := f.enter()
	defer f.h.io.RUnlock()
	if err != nil {
		return 0, err
	}
	info, err := f.f.Stat()
	if err != nil {
		return 0, f.wrap("ask for the size of", err)
	}
	return info.Size(), nil
}

// Align implements host.File.
func (f *file) Align() int { return f.align }

// Close implements host.File. It closes the descriptor in any case.
func (f *file) Close() error {
	f.h.disown(&f.h.handles, f)
	err := f.f.Close()
	if f.dead.Load() && err == nil {
		return fmt.Errorf("oshost: close %s after a failed sync: %w", f.name, host.ErrIO)
	}
	return f.wrap("close", err)
}
