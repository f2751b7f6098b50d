package lease

import (
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
)

// Config is what both sides must agree on.
type Config struct {
	Length time.Duration // of a lease
	Every  time.Duration // between two heartbeats
	// Margin is how much longer than Length a leader waits: 2ρ·Length for two clocks that each go wrong
	// by ρ, and a tick (PROTOCOL A37).
	Margin time.Duration
}

const (
	length = 3 * time.Second
	every  = 500 * time.Millisecond
	tick   = 100 * time.Millisecond
	// drift is how many of a million nanoseconds a clock may be wrong by: twice what NTP corrects at most.
	drift = 1000
)

// Fill sets what is zero to its default, and refuses what cannot work.
func (c *Config) Fill() error {
	if c.Length == 0 {
		c.Length = length
	}
	if c.Every == 0 {
		c.Every = min(every, c.Length/6)
	}
	if c.Margin == 0 {
		c.Margin = 2*c.Length*drift/1_000_000 + tick
	}
	if c.Length <= 0 || c.Every <= 0 || c.Margin < 0 {
		return fmt.Errorf("lease: a lease of %v, a heartbeat every %v, a margin of %v: they must be positive",
			c.Length, c.Every, c.Margin)
	}
	if c.Every > c.Length/2 {
		return fmt.Errorf("lease: a heartbeat every %v cannot keep a lease of %v: at most half of it", c.Every, c.Length)
	}
	return nil
}

// Epoch names one life of a broker.
type Epoch struct {
	Broker int32
	Epoch  int64
}

func (e Epoch) String() string { return fmt.Sprintf("broker %d epoch %d", e.Broker, e.Epoch) }

// after tells whether e comes after o in every list of this package.
func (e Epoch) after(o Epoch) bool {
	return e.Broker > o.Broker || e.Broker == o.Broker && e.Epoch > o.Epoch
}

// later is the later of two times.
func later(a, b host.Time) host.Time {
	if a > b {
		return a
	}
	return b
}
