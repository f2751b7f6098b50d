package node

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// ErrMixedVolumes is returned when a volume holds what belongs on another, or when a WAL is there and nothing that
// knows of it. A start would found a new cluster beside what was acknowledged. Nothing was touched.
var ErrMixedVolumes = errors.New("node: a volume is not the one it should be; attach or restore the right ones")

// walPrefix is what the names of WALs begin with.
const walPrefix = "ring-"

// owner returns the volume on which a file of this name belongs, "" if it is none of a node's.
func owner(file string) string {
	switch {
	case file == identityFile:
		return volumeNode
	case file == controller.LogName:
		return volumeMeta
	case strings.HasPrefix(file, walPrefix):
		return volumeWAL
	}
	return ""
}

// refuseMixed looks at all volumes before a start writes anything.
func (n *Node) refuseMixed(sc *host.Scope) error {
	here := map[string]string{} // by volume: a file that belongs there
	for _, volume := range []string{volumeNode, volumeMeta, volumeWAL} {
		vol, err := n.h.Disk().Volume(sc, volume)
		if err != nil {
			return fmt.Errorf("attach volume %s: %w", volume, err)
		}
		list, err := vol.List("")
		if err != nil {
			return fmt.Errorf("look at volume %s: %w", volume, err)
		}
		for _, entry := range list {
			switch owner(entry.Name) {
			case "":
			case volume:
				here[volume] = entry.Name
			default:
				probe.Hit(probe.NodeMixedVolumes)
				return fmt.Errorf("%w (volume %s holds %s, which belongs on volume %s)",
					ErrMixedVolumes, volume, entry.Name, owner(entry.Name))
			}
		}
	}
	if here[volumeNode] == "" && here[volumeMeta] == "" && here[volumeWAL] != "" {
		probe.Hit(probe.NodeMixedVolumes)
		return fmt.Errorf("%w (volume %s holds %s, but volumes %s and %s know of no cluster)",
			ErrMixedVolumes, volumeWAL, here[volumeWAL], volumeNode, volumeMeta)
	}
	return nil
}
