package check

// Judge runs every checker over the history. least is what the history must at
// least have exercised: a run in which nothing was acknowledged breaks no promise
// and proves none.
//
// A partition that Sweep found broken is not searched by Linear: its verdict is
// known, and a search without solution is the slow kind.
func Judge(h *History, least Counts) *Verdict {
	v := &Verdict{}
	x := buildIndex(h, v)
	if v.Total == 0 {
		broken := x.sweep(v)
		for n := range x.parts {
			if !broken[n] {
				x.linear(n, v)
			}
		}
	} else {
		x.sweep(v)
	}
	x.jepsen().report(v)
	v.merge(Registers(h))
	if v.Total == 0 {
		v.demand(least)
	}
	return v
}
