package fault

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

// Shift is how far a clock step or skew moves the wall clock: between 10 ms and an hour, either way, small ones as
// likely as large ones.
func (s Step) Shift() time.Duration {
	r := s.Rand()
	r.Uint64() // Lasts draws first
	d := time.Duration(float64(10*time.Millisecond) * math.Pow(360_000, r.Float64()))
	if r.IntN(2) == 0 {
		return -d
	}
	return d
}

// StrobePeriod is how long a strobed clock stays on one side.
func (s Step) StrobePeriod() time.Duration {
	r := s.Rand()
	r.Uint64()
	r.Uint64()
	return time.Millisecond + time.Duration(r.Int64N(int64(time.Second)))
}

// wallClock is what steps have done to the wall clock for good.
type wallClock struct {
	untouched bool
	shift     atomic.Int64
}

func (c *wallClock) init(s *Schedule) {
	c.untouched = !s.Has(ClockStep) && !s.Has(ClockSkew) && !s.Has(ClockStrobe)
}

// Drift is how much faster a drifting clock runs, in parts per million: up to half a second a second either way, small
// ones more likely than large ones.
func (s Step) Drift() int64 {
	r := s.Rand()
	r.Uint64() // Lasts draws first
	ppm := 1 + r.Int64N(500_000)>>r.IntN(16)
	if r.IntN(2) == 0 {
		return -ppm
	}
	return ppm
}

// drifter is a host whose monotonic clock can be made to run fast or slow. Nobody but the host itself can do that:
// its timers and the deadlines of scopes are on that clock.
type drifter interface{ Drift(ppm int64) }

// drift carries the plan's drifts out, one after the other. Their times are those of the clock that drifts.
func (i *Injector) drift(d drifter, windows Plan) {
	i.h.Go(nil, "fault.drift", func(sc *host.Scope) {
		for _, s := range windows {
			if i.h.Sleep(sc, s.At.Sub(i.now())) != nil {
				return // the machine ends
			}
			i.carried(s)
			d.Drift(s.Drift())
			i.tell(s, i.machine, fmt.Sprintf("%+d ppm for %v", s.Drift(), s.Lasts()))
			err := i.h.Sleep(sc, s.Ends().Sub(i.now()))
			d.Drift(0)
			if err != nil {
				return
			}
		}
	})
}

// carried marks a window that no look at the schedule finds.
func (i *Injector) carried(s Step) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.schedule.Carried(s)
}

// wrapped is the host as the plan lets it be seen. What is not named here is the host's own.
type wrapped struct {
	host.Host
	i *Injector
}

// tracked is wrapped over a host that counts mutexes.
type tracked struct {
	wrapped
	host.Tracker
}

// Host returns the host under the plan.
func (i *Injector) Host() host.Host {
	if t, ok := i.h.(host.Tracker); ok {
		return &tracked{wrapped{i.h, i}, t}
	}
	return &wrapped{i.h, i}
}

// Wall implements host.Clock.
func (w *wrapped) Wall() time.Time {
	t := w.Host.Wall()
	i := w.i
	if i.wall.untouched {
		return t
	}
	if s, ok := i.strikes(i.machine, ClockStep, "wall clock"); ok {
		i.wall.shift.Add(int64(s.Shift()))
	}
	shift := time.Duration(i.wall.shift.Load())
	if s, _, ok := i.open(i.machine, ClockSkew); ok {
		shift += s.Shift()
	}
	if s, _, ok := i.open(i.machine, ClockStrobe); ok {
		if i.now().Sub(s.At)/s.StrobePeriod()%2 == 0 {
			shift += s.Shift()
		}
	}
	return t.Add(shift)
}

// Buggify implements host.Buggifier.
func (w *wrapped) Buggify(site string) bool {
	_, struck := w.i.strikes(site, Buggify, site)
	return host.Buggify(w.Host, site) || struck
}

// Disk implements host.Host.
func (w *wrapped) Disk() host.Disk { return disk{w.Host.Disk(), w.i} }

// Network implements host.Host.
func (w *wrapped) Network() host.Network { return network{w.Host.Network(), w.i} }
