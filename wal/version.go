package wal

import (
	"fmt"

	"github.com/weirmq/weir/host"
)

// CheckVersion returns ErrVersion if the file called name carries a WAL of a format that this code does not
// know, and nil for any other file. It writes nothing: Open refuses such a WAL too, but an owner may have to
// write elsewhere before it can call Open.
func CheckVersion(vol host.Volume, name string) error {
	f, err := vol.Open(name, host.ReadOnly)
	if err != nil {
		return fmt.Errorf("wal: open %s: %w", name, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("wal: size of %s: %w", name, err)
	}
	if size < 4*BlockSize || size%BlockSize != 0 {
		return nil
	}
	block := make([]byte, BlockSize)
	for slot := range 2 {
		if _, err := f.ReadAt(block, slotOffset(slot, size)); err != nil {
			continue // Open reads it again, and judges
		}
		if _, st, why := decodeSuperblock(block); st == slotNewer {
			return newerError(name, slot, why)
		}
	}
	return nil
}

func newerError(name string, slot int, why error) error {
	return fmt.Errorf("%w: %s, superblock %s: %w; start the release that wrote it", ErrVersion, name, slotName(slot), why)
}
