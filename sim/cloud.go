package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/host"
)

// CloudConfig says how a provider of volumes behaves. Probabilities are of one call.
type CloudConfig struct {
	Attach, Detach time.Duration // the longest that one takes
	Fails          float64       // a call fails and has no effect
	Late           float64       // a call times out, and takes effect later than that
	Lost           float64       // a call takes effect and times out all the same
}

// Cloud gives each of the world's shared volumes to one machine at a time, as providers of block volumes do: attached
// elsewhere it refuses, and I/O of the machine that it was detached from fails from then on.
type Cloud struct {
	w      *World
	cfg    CloudConfig
	rand   *rand.Rand
	has    map[string]*Machine // by name; nil: nobody
	counts CloudCounts
}

// CloudCounts is how often what happened.
type CloudCounts struct{ Attached, Stolen, Refused, Failed, Late, Lost, Deleted int }

// ErrAttached is returned for the attach of a volume that another machine has.
var ErrAttached = errors.New("sim: the volume is attached to another machine")

// Cloud returns a new provider. A world has one at most: it takes all shared volumes to be its own.
func (w *World) Cloud(cfg CloudConfig) *Cloud {
	return &Cloud{w: w, cfg: cfg, rand: newRand(w.cfg.Seed, "cloud"), has: map[string]*Machine{}}
}

// Counts returns what has happened so far.
func (c *Cloud) Counts() CloudCounts { return c.counts }

// Holder returns the machine that has a volume, nil if none does.
func (c *Cloud) Holder(name string) *Machine { return c.has[name] }

// On returns the provider as the programs of a machine see it.
func (c *Cloud) On(h host.Host) host.Volumes {
	sh, ok := h.(*simHost)
	if !ok || sh.inc.w != c.w {
		panic("sim: Cloud.On wants a host of the same world")
	}
	return &cloudView{c, sh.inc}
}

type cloudView struct {
	c   *Cloud
	inc *incarnation
}

// request is one call: it takes its time, and effect happens once, never, or when the caller has given up.
func (v *cloudView) request(sc *host.Scope, longest time.Duration, effect func() error) error {
	c, h := v.c, v.inc.host
	if err := h.Sleep(sc, time.Duration(c.rand.Int64N(int64(longest)+1))); err != nil {
		return err
	}
	switch draw := c.rand.Float64(); {
	case draw < c.cfg.Fails:
		c.counts.Failed++
		return fmt.Errorf("sim: the provider is not well: %w", host.ErrTimeout)
	case draw < c.cfg.Fails+c.cfg.Late:
		c.counts.Late++
		c.w.After(host.Time(1+c.rand.Int64N(int64(4*longest)+1)), func() { _ = effect() })
		return fmt.Errorf("sim: no answer: %w", host.ErrTimeout)
	}
	err := effect()
	if err == nil && c.rand.Float64() < c.cfg.Lost {
		c.counts.Lost++
		return fmt.Errorf("sim: the answer is lost: %w", host.ErrTimeout)
	}
	return err
}

// Create implements host.Volumes.
func (v *cloudView) Create(sc *host.Scope, of host.VolumeUse, _ int64) error {
	return v.request(sc, v.c.cfg.Attach, func() error {
		v.c.w.Shared(of.Name)
		return nil
	})
}

// Attach implements host.Volumes.
func (v *cloudView) Attach(sc *host.Scope, of host.VolumeUse) error {
	c, m := v.c, v.inc.m
	return v.request(sc, c.cfg.Attach, func() error {
		switch has := c.has[of.Name]; {
		case has == m:
			return nil
		case has != nil:
			c.counts.Refused++
			return fmt.Errorf("attach %s to %s: %w (%s): %w", of.Name, m.name, ErrAttached, has.name, host.ErrTimeout)
		}
		c.has[of.Name] = m
		c.counts.Attached++
		m.Attach(of.Name, c.w.Shared(of.Name))
		return nil
	})
}

// Detach implements host.Volumes.
func (v *cloudView) Detach(sc *host.Scope, of host.VolumeUse) error {
	return v.request(sc, v.c.cfg.Detach, func() error {
		v.c.detach(of.Name)
		return nil
	})
}

func (c *Cloud) detach(name string) {
	m := c.has[name]
	if m == nil {
		return
	}
	if m.Alive() {
		c.counts.Stolen++
	}
	m.Detach(name)
	c.has[name] = nil
}

// Delete implements host.Volumes.
func (v *cloudView) Delete(sc *host.Scope, of host.VolumeUse) (found bool, err error) {
	err = v.request(sc, v.c.cfg.Detach, func() error {
		c := v.c
		_, found = c.w.shared[of.Name]
		if found {
			c.counts.Deleted++
			c.detach(of.Name)
			delete(c.w.shared, of.Name)
		}
		return nil
	})
	return found, err
}
