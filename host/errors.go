package host

import (
	"context"
	"errors"
)

// scopeError is an outcome of a Scope; it also answers errors.Is for the context error that libraries
// look for.
type scopeError struct {
	text string
	like error
}

func (e *scopeError) Error() string        { return e.text }
func (e *scopeError) Is(target error) bool { return target == e.like }

var (
	// ErrCancelled is the outcome of a scope whose cancel function was called.
	ErrCancelled error = &scopeError{"host: cancelled", context.Canceled}
	// ErrTimeout is returned when a deadline has come, on a scope, a wait or a connection.
	ErrTimeout error = &scopeError{"host: timed out", context.DeadlineExceeded}
	// ErrKilled is returned by every call through a host whose incarnation is dead.
	ErrKilled error = &scopeError{"host: machine is dead", context.Canceled}

	// ErrClosed is returned by a handle, queue or listener after Close.
	ErrClosed = errors.New("host: closed")
	// ErrRefused is returned by Dial when nobody listens at the address.
	ErrRefused = errors.New("host: connection refused")
	// ErrReset is returned by a connection that its peer or the network broke.
	ErrReset = errors.New("host: connection reset")
	// ErrInUse is returned by Listen when the address is taken.
	ErrInUse = errors.New("host: address in use")

	// ErrNotExist is returned when a file or directory is missing.
	ErrNotExist = errors.New("host: no such file")
	// ErrExist is returned when a file exists that must not.
	ErrExist = errors.New("host: file exists")
	// ErrLocked is returned by Volume.Lock when another holder has the lock.
	ErrLocked = errors.New("host: file is locked")
	// ErrNoSpace is returned when a volume is full.
	ErrNoSpace = errors.New("host: no space left on volume")
	// ErrIO is returned when a device failed; after it the file's content is unknown.
	ErrIO = errors.New("host: input/output error")
)
