package main

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// disk measures what a sync costs on the servers' disk without any server.
type disk struct {
	f   *os.File
	mem []byte
	at  int64
}

const (
	diskRing  = 64 << 20
	diskBlock = 4096
)

// openDisk makes a file that was written once, as the servers' rings are.
func openDisk(dir string) (*disk, error) {
	f, err := os.OpenFile(filepath.Join(dir, "sync"), os.O_RDWR|os.O_CREATE|os.O_TRUNC|unix.O_DIRECT, 0o644)
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	for i := range mem {
		mem[i] = byte(i)
	}
	for at := int64(0); at < diskRing; at += int64(len(mem)) {
		if _, err := f.WriteAt(mem, at); err != nil {
			return nil, err
		}
	}
	return &disk{f: f, mem: mem[:diskBlock]}, f.Sync()
}

// syncs returns how many times a second 4 KiB can be written and synced, measured for d.
func (k *disk) syncs(d time.Duration) (float64, error) {
	began := time.Now()
	n := 0
	for time.Since(began) < d {
		if _, err := k.f.WriteAt(k.mem, k.at); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(k.f.Fd())); err != nil {
			return 0, err
		}
		k.at = (k.at + diskBlock) % diskRing
		n++
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
