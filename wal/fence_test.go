package wal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// misread is a volume whose next file gives other bytes, or fails, at its first read.
type misread struct {
	host.Volume
	err error
}

func (v misread) Open(name string, flag host.Flag) (host.File, error) {
	f, err := v.Volume.Open(name, flag)
	return &misreadFile{File: f, err: v.err}, err
}

type misreadFile struct {
	host.File
	err  error
	done bool
}

func (f *misreadFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if !f.done {
		f.done = true
		clear(p)
		return n, f.err
	}
	return n, err
}

// TestAFenceWordThatIsReadWrongOnceIsNotOverwritten: it may be that of a later holder.
func TestAFenceWordThatIsReadWrongOnceIsNotOverwritten(t *testing.T) {
	for _, bad := range []error{nil, host.ErrIO} {
		newBench(t, sim.Config{}).do(func(h host.Host, sc *host.Scope) error {
			vol, err := h.Disk().Volume(sc, "v")
			if err != nil {
				return err
			}
			later, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 2)
			if err != nil {
				return err
			}
			if _, err := wal.TakeFence(h, misread{vol, bad}, "fence", testIdentity.WAL, 1); !errors.Is(err, wal.ErrFenced) {
				return fmt.Errorf("an earlier holder took it: %w", err)
			}
			return later.Check()
		})
	}
}
