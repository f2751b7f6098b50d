package metadata

import (
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Service is what a broker sees of the controller: in one process the controller itself, in a cluster a
// client of it.
type Service interface {
	// Propose gets cmd applied and returns its result; a refusal is a result. An error means that the
	// outcome is unknown: the command may be applied later, once. Every command answers the same to the
	// same nonce or natural key, so propose it again, or read. Propose fills in format, term and wall_ms
	// and may keep cmd: do not change it afterwards. It blocks.
	Propose(sc *host.Scope, cmd *metadatapb.Command) (*metadatapb.Result, error)

	// Read shows fn the state as of some applied index that is not older than any result this Service has
	// returned. fn must not block, propose, or keep the pointer; what accessors return it may keep.
	Read(fn func(*State))

	// Wait returns the applied index once it is above after, or ErrTimeout when until (0: never) comes
	// first, or sc.Err().
	Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error)
}
