package sim

import (
	"time"

	"github.com/weirmq/weir/host"
)

// clock is a machine's monotonic time as a function of the world's: base at ref, then (1 + ppm/1e6) times
// as fast.
type clock struct {
	w    *World
	base host.Time
	ref  host.Time
	ppm  int64
}

func (c *clock) now() host.Time { return c.base + c.elapsed(c.w.now-c.ref) }

// elapsed converts a span of world time; in two parts, so that days do not overflow.
func (c *clock) elapsed(d host.Time) host.Time {
	if c.ppm == 0 {
		return d
	}
	ppm := host.Time(c.ppm)
	return d + d/1e6*ppm + d%1e6*ppm/1e6
}

// world returns the earliest world time at which the clock shows t or more.
func (c *clock) world(t host.Time) host.Time {
	need := t - c.base
	d := need
	for c.elapsed(d) < need {
		d += max(1, need-c.elapsed(d))
	}
	for c.elapsed(d-1) >= need {
		d -= max(1, (c.elapsed(d-1)-need)/2)
	}
	return c.ref + d
}

// strobe is a wall clock that jumps back and forth.
type strobe struct {
	since  host.Time
	period host.Time
	by     time.Duration
}

// offset is how far off the clock is at a time.
func (s strobe) offset(now host.Time) time.Duration {
	if s.period == 0 || (now-s.since)/s.period%2 == 1 {
		return 0
	}
	return s.by
}

// MaxDrift bounds SetDrift: parts per million either way.
const MaxDrift = 500_000

// SetDrift makes the machine's monotonic clock run ppm parts per million faster (slower if negative)
// from now on, across incarnations. Timers that are set follow.
func (m *Machine) SetDrift(ppm int64) {
	if ppm < -MaxDrift || ppm > MaxDrift {
		panic("sim: drift is at most half a second a second")
	}
	m.ppm = ppm
	if !m.Alive() {
		return
	}
	c := &m.inc.clock
	c.base, c.ref, c.ppm = c.now(), m.w.now, ppm
	for _, t := range m.w.timers.timers {
		if t != nil && t.clock == c {
			t.at = max(m.w.now, c.world(t.until))
		}
	}
	m.w.timers.rebuild()
}

// SetWall moves the machine's wall clock to d off the world's, from now on; it may jump back.
func (m *Machine) SetWall(d time.Duration) { m.wallOffset = d }
