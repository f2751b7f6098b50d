package host

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Time is monotonic nanoseconds on one machine. It is never compared across machines; 0 means "none".
type Time int64

// Add returns t moved by d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns the time that passed from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Host is one incarnation of one machine. When it dies every handle it gave out fails.
type Host interface {
	Clock

	// Go starts a task named name (a constant such as "wal.commit": it shows in reports) in a child of
	// sc; a nil sc means a child of the host's own root. A panic in fn ends the process; in simulation
	// it fails the seed.
	Go(sc *Scope, name string, fn func(*Scope))

	// Parker returns a pooled Parker for the calling task's use until Release. It does not allocate in
	// production once the pool is warm.
	Parker() Parker

	// Rand returns the generator of a named stream for use by one task. In simulation the stream is
	// derived from (seed, machine, stream); in production from the machine's entropy.
	Rand(stream string) *rand.Rand

	// Secret fills p for nonces, keys and uuids: crypto/rand, or seeded bytes in simulation.
	Secret(p []byte)

	Network() Network
	Disk() Disk

	// Log returns a logger that stamps host time and machine, and the task when the record is logged
	// with the task's *Scope as its context (InfoContext and its like).
	Log() *slog.Logger
}

// Clock tells time and waits for it.
type Clock interface {
	// Now is this machine's monotonic time, always > 0.
	Now() Time
	// Wall is for record timestamps and people's eyes; never for a decision.
	Wall() time.Time
	// Sleep waits for d. Below 1 ms it may take 1 ms. It returns early with sc.Err() when sc ends.
	Sleep(sc *Scope, d time.Duration) error
}

// Parker blocks one task at a time: one permit, one waiter. The rest of the kit is written over it.
type Parker interface {
	// Park waits for a permit and takes it. It returns nil when unparked, ErrTimeout when until (or the
	// scope's own deadline) has come, and sc.Err() when sc ended. until 0 sets no timer at all. A permit
	// that is already there wins over an ended scope.
	Park(sc *Scope, until Time) error
	// Unpark gives the permit. Any task may call it; it never blocks; permits do not add up. On a dead
	// machine it does nothing.
	Unpark()
	// Release returns the Parker to its pool; a permit left in it is dropped. No task may Unpark it
	// afterwards: take it off every waiter list first. Do not defer it: a Park that unwinds because the
	// machine was killed leaves the Parker on waiter lists, and then it must not be used again.
	Release()
}

// Network carries byte streams between machines.
type Network interface {
	// Dial connects to addr ("host:port"). Errors: ErrRefused, ErrTimeout, ErrReset, sc.Err().
	Dial(sc *Scope, addr string) (Conn, error)
	// Listen binds addr; port 0 picks a free one, see Listener.Addr. TLS ends inside oshost.
	Listen(addr string) (Listener, error)
}

// Listener hands out incoming connections.
type Listener interface {
	// Accept waits for one connection; ErrClosed after Close.
	Accept(sc *Scope) (Conn, error)
	Addr() string
	Close() error
}

// Conn is one byte stream. One task reads and one task writes at a time; Close wakes both with
// ErrClosed. Read returns io.EOF when the peer closed in order and ErrReset when it did not.
type Conn interface {
	io.ReadWriteCloser
	// Writev writes all of bufs in order with writev(2) where there is one and returns the bytes
	// written. The bytes must not change until it returns. The slice bufs may be consumed.
	Writev(bufs [][]byte) (int64, error)
	// SetDeadlines bounds current and later reads and writes; 0 lifts the bound. Late calls return
	// ErrTimeout; the connection stays usable for the other direction.
	SetDeadlines(read, write Time)
	Peer() Peer
}

// Peer is who is at the other end of a Conn.
type Peer struct {
	Addr string // "host:port" of the remote end
	Name string // subject of a verified client certificate, or ""
}
