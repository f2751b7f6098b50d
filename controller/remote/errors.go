package remote

import "errors"

var (
	// ErrUnknown says that a command may be applied later, once, or was applied already, or never will be.
	ErrUnknown = errors.New("remote: outcome unknown")
	// ErrNoLeader is definite: no controller that leads was found in time, and nothing was proposed.
	ErrNoLeader = errors.New("remote: no controller that leads was found in time: are most of them up and reachable?")
	// ErrRefused is definite: the controllers do not take such a command.
	ErrRefused = errors.New("remote: refused by the controllers")
	// ErrForeign says that the controllers at the addresses belong to another cluster.
	ErrForeign = errors.New("remote: the controllers belong to another cluster")
	// ErrClosed says that the client was closed.
	ErrClosed = errors.New("remote: closed")
	// ErrFenced says that the session's broker epoch is not live any more: the process must end.
	ErrFenced = errors.New("remote: the broker epoch was fenced")
	// errSource is why an answer to Follow is not taken.
	errSource = errors.New("remote: an answer that does not continue the replica")
)
