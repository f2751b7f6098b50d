package fsck

import "github.com/weirmq/weir/metadata"

// Cache remembers what cannot change between checks of one cluster: parsed objects and applied metadata. The zero value
// is empty and ready.
type Cache struct {
	objects map[string]*object
	meta    *applied
}

// applied is the metadata up to one entry of its log.
type applied struct {
	state *metadata.State
	uuid  metadata.UUID // of the log
	at    uint64        // position of the frame with the last entry
	chain uint32        // checksum of that frame's header: it stands for everything before
	first int64         // smallest producer id never given out
}
