package sim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/weirmq/weir/host"
)

// simHost is the host.Host of one incarnation.
type simHost struct{ inc *incarnation }

var (
	_ host.Host      = (*simHost)(nil)
	_ host.Tracker   = (*simHost)(nil)
	_ host.ScopeHost = (*simHost)(nil)
	_ host.Buggifier = (*simHost)(nil)
)

// Now implements host.Clock.
func (h *simHost) Now() host.Time { return h.inc.now() }

// Wall implements host.Clock.
func (h *simHost) Wall() time.Time {
	return h.inc.w.cfg.Epoch.Add(h.inc.w.now.Sub(0) + h.inc.m.wallOffset + h.inc.m.strobe.offset(h.inc.w.now))
}

// Sleep implements host.Clock. Zero and less give the other tasks a turn.
func (h *simHost) Sleep(sc *host.Scope, d time.Duration) error {
	if err := h.inc.parkGate(); err != nil {
		return err
	}
	w := h.inc.w
	t := w.self("sleep")
	if d <= 0 {
		t.checkHeld("sleep")
		if err := sc.Err(); err != nil {
			return err
		}
		t.io.wait(t, w.now, "yield", "")
		return sc.Err()
	}
	if err := t.io.park(sc, h.inc.now().Add(d), "sleep", ""); err != host.ErrTimeout {
		return err
	}
	return sc.Err() // nil: the time has come; else the scope's own deadline did
}

// Go implements host.Host.
func (h *simHost) Go(sc *host.Scope, name string, fn func(*host.Scope)) {
	if h.inc.dead {
		h.inc.w.deadCalls++
		return
	}
	h.inc.w.spawn(h.inc, sc, name, fn)
}

// Parker implements host.Host.
func (h *simHost) Parker() host.Parker {
	if n := len(h.inc.pool); n > 0 {
		p := h.inc.pool[n-1]
		h.inc.pool = h.inc.pool[:n-1]
		return p
	}
	p := &parker{}
	p.init(h.inc)
	return p
}

// Rand implements host.Host. The k-th call for one stream in the n-th incarnation is a stream of its own.
func (h *simHost) Rand(stream string) *rand.Rand {
	k := h.inc.streams[stream]
	h.inc.streams[stream] = k + 1
	return newRand(h.inc.w.cfg.Seed, "machine", h.inc.String(), stream, strconv.Itoa(k))
}

// Secret implements host.Host.
func (h *simHost) Secret(p []byte) {
	fillRandom(h.inc.m.secrets, p)
	h.inc.w.note(KindRandom, h.inc.m.id, uint64(len(p)), 0)
}

func fillRandom(r *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// Network implements host.Host.
func (h *simHost) Network() host.Network { return netHandle{h.inc} }

// Disk implements host.Host.
func (h *simHost) Disk() host.Disk { return diskHandle{h.inc} }

// Log implements host.Host.
func (h *simHost) Log() *slog.Logger { return h.inc.logger() }

// MutexHeld implements host.Tracker.
func (h *simHost) MutexHeld(delta int) {
	t := h.inc.w.current
	if t == nil {
		return
	}
	t.held += delta
	if t.held < 0 && !t.unwinding {
		t.fatal(fmt.Errorf("%s unlocks a host.Mutex that another task locked", t))
	}
}

// ScopeDone implements host.ScopeHost: it panics, because a library that waits on the channel waits
// outside the scheduler.
func (h *simHost) ScopeDone(*host.Scope) <-chan struct{} {
	panic("sim: Scope.Done was called: a library that selects on a context cannot run in simulation")
}
