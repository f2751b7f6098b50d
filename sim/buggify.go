package sim

import "github.com/weirmq/weir/fault"

// site is a place in the code that asks host.Buggify.
type site struct {
	target target
	rate   Rate // 0 = not active in this world
}

// Buggify implements host.Buggifier. In each world a share of the sites, drawn for the world, is active, each at a
// rate of its own up to Faults.Buggify; a plan strikes any site.
func (h *simHost) Buggify(name string) bool {
	w, most := h.inc.w, h.inc.m.rates[fault.Buggify]
	if h.inc.dead || most == 0 && !w.planned[fault.Buggify] {
		return false
	}
	s := w.marked[name]
	if s == nil {
		s = w.newSite(name)
	}
	r := rates{fault.Buggify: min(s.rate, most)}
	return w.hit(&s.target, &r, fault.Buggify) != nil
}

// newSite draws what the world does at a site. It depends on the seed and the name alone.
func (w *World) newSite(name string) *site {
	s := &site{}
	s.target.init(name)
	share := newRand(w.cfg.Seed, "buggify").IntN(5) // of 8
	rng := newRand(w.cfg.Seed, "buggify", name)
	if rng.IntN(8) < 1+share {
		s.rate = max(1, w.cfg.Faults.Buggify>>rng.IntN(6))
	}
	w.marked[name] = s
	return s
}
