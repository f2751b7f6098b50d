package node

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// refuseNewer looks for WALs of a newer format, before a start writes anything: the metadata and the fence word
// are written first, and the weir that knows the format must find them as it left them.
func (n *Node) refuseNewer(sc *host.Scope) error {
	if !n.known {
		return nil // there is none yet
	}
	vol, err := n.h.Disk().Volume(sc, volumeWAL)
	if err != nil {
		return fmt.Errorf("attach the WAL volume: %w", err)
	}
	list, err := vol.List("")
	if err != nil {
		return fmt.Errorf("look at the WAL volume: %w", err)
	}
	for _, entry := range list {
		if entry.Dir {
			continue
		}
		if err := wal.CheckVersion(vol, entry.Name); errors.Is(err, wal.ErrVersion) {
			probe.Hit(probe.NodeNewerWAL)
			return fmt.Errorf("%w: %w", ErrNewerFormat, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}
