package oshost

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fileLock is an exclusive flock on an open file.
type fileLock struct {
	h *Host
	f *os.File
}

func lockFile(h *Host, full string) (*fileLock, error) {
	if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(full, os.O_RDWR|os.O_CREATE, 0o640) // O_CLOEXEC is Go's default
		if err != nil {
			return nil, err
		}
		err = control(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
		if err != nil {
			_ = f.Close() // the lock's refusal is what counts
			return nil, err
		}
		if same, err := isAt(f, full); err != nil || same {
			if err != nil {
				_ = f.Close()
				return nil, err
			}
			return &fileLock{h: h, f: f}, nil
		}
		_ = f.Close() // the path was replaced before we had the lock: a lock on the old file means nothing
	}
}

// isAt reports whether f is still the file at path.
func isAt(f *os.File, path string) (bool, error) {
	ours, err := f.Stat()
	if err != nil {
		return false, err
	}
	theirs, err := os.Stat(path)
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(ours, theirs), nil
}

// Close gives the lock back.
func (l *fileLock) Close() error {
	l.h.disown(&l.h.locks, l)
	return l.h.fail(l.f.Close())
}

// control runs fn on f's descriptor, which is not closed meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return os.ErrClosed // its one reason, under another name
	}
	return inner
}
