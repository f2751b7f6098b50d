package oshost

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

// clock is CLOCK_BOOTTIME at the price of a vDSO read. Go's monotonic clock stops in suspend; the kernel
// then moves the wall clock and the boot clock by the same amount. So a step of wall against monotonic
// time is the sign to ask for the boot clock again, and without one the old distance holds: both clocks
// are slewed alike. Machine pauses that the kernel does not see (a stopped virtual machine) are seen by no
// local clock but the wall's after it was set.
type clock struct {
	born time.Time // with a monotonic reading
	cal  atomic.Pointer[calibration]
	mu   sync.Mutex // one recalibration at a time

	pace atomic.Pointer[pace] // nil: the boot clock's own
}

// pace is a clock that runs faster or slower than the boot clock from a moment on.
type pace struct {
	from host.Time // on the boot clock
	show host.Time // what the clock showed then
	ppm  int64     // parts per million faster
}

// calibration ties the boot clock to Go's two clocks at one moment.
type calibration struct {
	boot time.Duration // boot clock minus monotonic time since born
	wall time.Duration // wall clock minus monotonic time since born
}

// step is the least jump of wall against monotonic time that asks for a new calibration, and the least
// change of the boot clock's distance that is not a measuring error. No suspend is shorter.
const step = time.Millisecond

func (c *clock) init() error {
	if _, err := boottime(); err != nil {
		return err
	}
	c.born = time.Now()
	c.recalibrate()
	return nil
}

// Now implements host.Clock: nanoseconds of CLOCK_BOOTTIME on Linux, of monotonic time elsewhere.
func (c *clock) Now() host.Time {
	now := c.boot()
	if p := c.pace.Load(); p != nil {
		return p.at(now)
	}
	return now
}

// at is what the clock shows when the boot clock shows t. It does not go back: t is not before p.from, but for a
// look at the clock that was under way when the pace changed.
func (p *pace) at(t host.Time) host.Time {
	d := max(0, t.Sub(p.from))
	return p.show.Add(d + d/1_000_000*time.Duration(p.ppm) + d%1_000_000*time.Duration(p.ppm)/1_000_000)
}

// real is how long the clock needs for d.
func (c *clock) real(d time.Duration) time.Duration {
	if p := c.pace.Load(); p != nil && p.ppm != 0 {
		return time.Duration(float64(d) / (1 + float64(p.ppm)/1e6))
	}
	return d
}

// Drift makes the clock run ppm parts per million faster (slower if negative, above -1,000,000) from now on; 0 is its
// own pace again, and what it has gained or lost stays. For fault plans. A timer set before may fire late by as much.
func (c *clock) Drift(ppm int64) {
	for {
		old, now := c.pace.Load(), c.boot()
		next := &pace{from: now, show: now, ppm: ppm}
		if old != nil {
			next.show = old.at(now)
		}
		if c.pace.CompareAndSwap(old, next) {
			return
		}
	}
}

// boot is the boot clock.
func (c *clock) boot() host.Time {
	now := time.Now()
	mono := now.Sub(c.born)
	cal := c.cal.Load()
	if d := time.Duration(now.UnixNano()) - mono - cal.wall; d >= step || d <= -step {
		mono, cal = c.recalibrate()
	}
	return host.Time(mono + cal.boot)
}

// Wall implements host.Clock.
func (c *clock) Wall() time.Time { return time.Now().Round(0) }

// recalibrate asks for the boot clock and returns the monotonic time of the answer and the calibration.
func (c *clock) recalibrate() (time.Duration, *calibration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const tries = 100
	var next calibration
	var now time.Time
	best := time.Duration(-1)
	for range tries {
		before := time.Now()
		boot, _ := boottime() // init has seen it work; it has no other reason to fail
		now = time.Now()
		width := now.Sub(before)
		if best >= 0 && width >= best {
			continue
		}
		best = width
		mono := before.Sub(c.born)
		if boot == 0 {
			boot = mono + 1 // no boot clock here: monotonic time, above 0
		}
		next = calibration{boot: boot - mono, wall: time.Duration(before.UnixNano()) - mono}
		if best < 50*time.Microsecond {
			break
		}
	}
	if old := c.cal.Load(); old != nil && next.boot-old.boot < step {
		next.boot = old.boot // the wall clock was set, or we were preempted: no suspend, so time goes on
	}
	c.cal.Store(&next)
	return now.Sub(c.born), &next
}

// wallAt returns when t will be, for deadlines of the net package.
func (c *clock) wallAt(t host.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	d := c.real(t.Sub(c.Now())) // asked for first: being interrupted here makes the deadline late, not early
	return time.Now().Add(d)
}
