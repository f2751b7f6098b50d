package node

import (
	"slices"

	"github.com/weirmq/weir/metadata"
)

// Orphans compares the keys of the object store, sorted, with what metadata refers to now: leaked are keys
// that nothing refers to, missing are references without a key. Right after an upload or a deletion either
// may be work in progress.
func (n *Node) Orphans(keys []string) (leaked, missing []string) {
	var live []string
	n.Metadata().Read(func(s *metadata.State) {
		for _, id := range s.Objects() {
			live = append(live, id.Key(n.cluster))
		}
	})
	slices.Sort(live)
	for _, k := range keys {
		if _, ok := slices.BinarySearch(live, k); !ok {
			leaked = append(leaked, k)
		}
	}
	for _, k := range live {
		if _, ok := slices.BinarySearch(keys, k); !ok {
			missing = append(missing, k)
		}
	}
	return leaked, missing
}
