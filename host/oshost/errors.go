package oshost

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/weirmq/weir/host"
)

// hostError is an error of the operating system that also is one of host's sentinels.
type hostError struct {
	kind  error // a host sentinel
	cause error
}

func (e *hostError) Error() string   { return e.cause.Error() + " (" + e.kind.Error() + ")" }
func (e *hostError) Unwrap() []error { return []error{e.kind, e.cause} }

// kinds maps the system's errors to host's; the first match counts.
var kinds = []struct{ is, kind error }{
	{os.ErrDeadlineExceeded, host.ErrTimeout},
	{net.ErrClosed, host.ErrClosed},
	{fs.ErrClosed, host.ErrClosed},
	{syscall.ECONNREFUSED, host.ErrRefused},
	{syscall.ECONNRESET, host.ErrReset},
	{syscall.ECONNABORTED, host.ErrReset},
	{syscall.EPIPE, host.ErrReset},
	{syscall.ETIMEDOUT, host.ErrReset}, // the kernel gave the connection up; our deadlines are above
	{syscall.EADDRINUSE, host.ErrInUse},
	{fs.ErrNotExist, host.ErrNotExist},
	{fs.ErrExist, host.ErrExist},
	{syscall.EWOULDBLOCK, host.ErrLocked}, // only flock is asked not to wait
	{syscall.ENOSPC, host.ErrNoSpace},
	{syscall.EDQUOT, host.ErrNoSpace},
	{syscall.EIO, host.ErrIO},
}

// fail gives err its host sentinel. io.EOF stays what it is. After the host's end it is host.ErrKilled.
func (h *Host) fail(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if h.dead.Load() {
		return host.ErrKilled
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return &hostError{kind: k.kind, cause: err}
		}
	}
	return err
}
