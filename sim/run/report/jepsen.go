package report

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"math"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/sim/run"
)

//go:embed jepsen.html.tmpl
var jepsenPage string

// WriteJepsen renders the page of a run of real processes alone.
func WriteJepsen(w io.Writer, f *run.JepsenFile) error {
	t, err := template.New("jepsen").Funcs(functions(&Evidence{Jepsen: f})).Parse(jepsenPage)
	if err != nil {
		return fmt.Errorf("parse the page's template: %w", err)
	}
	if err := t.ExecuteTemplate(w, "jepsen page", f); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

const (
	latencyHeight = 170.0
	latencyLeast  = 1e-4 // seconds at the foot of the plot
)

// latencyPlot draws how long operations of a kind took over time, on a logarithmic scale, over the faults.
func latencyPlot(f *run.JepsenFile, kind check.Kind) template.HTML {
	var l *run.Latency
	for i := range f.Latency {
		if f.Latency[i].Op == kind {
			l = &f.Latency[i]
		}
	}
	t := f.Timeline
	if l == nil || t == nil || t.Length <= 0 {
		return ""
	}
	most := 1.0
	for _, v := range l.Max {
		most = max(most, v)
	}
	const top, bottom = 18.0, 26.0
	d := draw(chartWidth, top+latencyHeight+bottom, "latency of "+string(kind)+" over time, logarithmic")
	d.text("title", "start", plotLeft, 12, string(kind)+": time from call to answer")
	at := func(s float64) float64 { return plotLeft + (chartWidth-plotLeft-10)*min(1, max(0, s/t.Length)) }
	height := func(v float64) float64 {
		share := math.Log(max(v, latencyLeast)/latencyLeast) / math.Log(most/latencyLeast)
		return top + latencyHeight*(1-share)
	}
	for _, b := range t.Bands {
		d.rect("shade", at(b.From), top, max(1, at(b.To)-at(b.From)), latencyHeight,
			b.Fault+" from "+short(b.From)+" s to "+short(b.To)+" s")
	}
	for v := latencyLeast; v <= most; v *= 10 {
		d.line("grid", plotLeft, height(v), chartWidth-10, height(v), "")
		d.text("tick", "end", plotLeft-6, height(v)+4, seconds(v))
	}
	for i := range l.Max {
		if l.Max[i] == 0 {
			continue
		}
		from, to := at(float64(i)*t.Bin), at(float64(i+1)*t.Bin)
		for _, part := range []struct {
			class string
			v     float64
		}{{"worst", l.Max[i]}, {"p99", l.P99[i]}, {"p50", l.P50[i]}} {
			d.line(part.class, from, height(part.v), to, height(part.v), "")
		}
	}
	d.line("axis", plotLeft, top+latencyHeight, chartWidth-10, top+latencyHeight, "")
	step := niceStep(t.Length / 8)
	for s := 0.0; s <= t.Length; s += step {
		d.text("tick", "middle", at(s), top+latencyHeight+14, short(s)+" s")
	}
	return d.done()
}
