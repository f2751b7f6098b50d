package gossip

import "errors"

var (
	// ErrReport is returned for bytes that are no report.
	ErrReport = errors.New("gossip: not a member's report")
	// ErrSelf is returned when what a node says of itself does not fit a report.
	ErrSelf = errors.New("gossip: what this node says of itself does not fit")
)
