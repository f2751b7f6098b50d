package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// result is a case with what both servers did in it.
type result struct {
	kase
	weir, bare sample
	ratios     []float64 // of neighbouring runs, weir to bare
	syncs      float64   // 4 KiB writes synced a second beside it; 0 = not measured
}

// ratio is weir's speed as a part of bare's, over all runs.
func (r *result) ratio() float64 {
	if r.full || r.fetch {
		return r.weir.bytesPerSecond() / r.bare.bytesPerSecond()
	}
	return r.weir.perSecond() / r.bare.perSecond()
}

// cpu is weir's processor time a request as a multiple of bare's; of a fetch, a byte's.
func (r *result) cpu() float64 {
	if r.full || r.fetch {
		return r.weir.cpuPerGB() / r.bare.cpuPerGB()
	}
	return r.weir.cpuPerRequest() / r.bare.cpuPerRequest()
}

func printTable(w io.Writer, results []result) {
	fmt.Fprintln(w, "| case | weir | part of bare | lowest–highest | part of the sync limit "+
		"| CPU, × bare | CPU µs a request | CPU s a GB |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- |")
	for i := range results {
		r := &results[i]
		speed := fmt.Sprintf("%.1f k/s", r.weir.perSecond()/1e3)
		if r.full || r.fetch {
			speed = fmt.Sprintf("%.0f MB/s", r.weir.bytesPerSecond()/1e6)
		}
		syncs := ""
		if r.syncs > 0 {
			syncs = percent(r.weir.perSecond() / r.syncs)
		}
		fmt.Fprintf(w, "| %s | %s | **%s** | %s–%s | %s | %.1f | %.0f | %.2f |\n", r.name, speed, percent(r.ratio()),
			percent(slices.Min(r.ratios)), percent(slices.Max(r.ratios)), syncs, r.cpu(),
			r.weir.cpuPerRequest()*1e6, r.weir.cpuPerGB())
	}
}

func percent(x float64) string { return fmt.Sprintf("%.0f %%", x*100) }

// The budgets. Speed is a part of bare's, at least; processor time a multiple of bare's, at most.
const (
	budgetRequests = "requests/s, one 4 KiB record, 16 partitions, pipelined"
	budgetBytes    = "bytes/s, 256 KiB requests, pipelined"
	budgetFetch    = "bytes/s, tail fetch"

	speedMin = 0.60
	cpuMax   = 2.0
)

// budgetOf says which budget a produce case counts for.
func budgetOf(c kase) string {
	switch {
	case c.inFlight == 1 || c.record != 4096:
		return ""
	case c.full:
		return budgetBytes
	case c.parts == 16:
		return budgetRequests
	}
	return ""
}

// printVerdicts holds the cases of each budget together against its limit.
func printVerdicts(w io.Writer, results []result) {
	fmt.Fprintln(w, "| budget | limit | measured | verdict |")
	fmt.Fprintln(w, "| --- | --- | --- | --- |")
	verdict := func(name, limit, got string, ok bool) {
		word := "ok"
		if !ok {
			word = "**over**"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", name, limit, got, word)
	}
	for _, name := range []string{budgetRequests, budgetBytes, budgetFetch} {
		var speed, cpu float64
		n := 0
		for i := range results {
			if r := &results[i]; r.budget == name {
				speed += r.ratio()
				cpu += r.cpu()
				n++
			}
		}
		if n == 0 {
			continue
		}
		speed, cpu = speed/float64(n), cpu/float64(n)
		if name != budgetFetch {
			verdict(name, "≥ "+percent(speedMin)+" of bare", percent(speed), speed >= speedMin)
			verdict("CPU, "+name, fmt.Sprintf("≤ %.0f × bare", cpuMax), fmt.Sprintf("%.1f ×", cpu), cpu <= cpuMax)
		} else {
			fmt.Fprintf(w, "| %s | shown only | %s of bare, CPU %.1f × | |\n", strings.TrimSpace(name), percent(speed), cpu)
		}
	}
}
