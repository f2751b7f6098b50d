package controller

import "errors"

var (
	// ErrUnknown is returned by Propose when the outcome is not known: the command may be applied later,
	// or not at all. Every command answers the same to the same nonce or key: propose it again, or read.
	ErrUnknown = errors.New("controller: outcome unknown")
	// ErrNotLeader is returned by Propose when this member does not lead: the command was not proposed.
	ErrNotLeader = errors.New("controller: not the leader")
	// ErrMembership is returned by Join, Leave and Transfer for a change that makes no sense.
	ErrMembership = errors.New("controller: no such change of membership")
	// ErrTooLarge is returned by Propose for a command that one log record cannot carry; split it.
	ErrTooLarge = errors.New("controller: command is too large")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("controller: closed")
	// ErrDead is returned once the controller has failed; the cause is wrapped beside it.
	ErrDead = errors.New("controller: dead")

	// ErrInUse is returned by Open when another process has the volume.
	ErrInUse = errors.New("controller: volume is in use by another process")
	// ErrForeign is returned by Open for the volume of another cluster.
	ErrForeign = errors.New("controller: volume belongs to another cluster")
	// ErrDamaged is returned by Open when the log cannot be read back as it was written.
	ErrDamaged = errors.New("controller: log is damaged")
	// ErrNewer is returned by Open for a log that a newer program wrote.
	ErrNewer = errors.New("controller: log has a newer format")
)
