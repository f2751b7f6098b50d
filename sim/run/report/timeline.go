package report

import (
	"html/template"
	"slices"

	"github.com/weirmq/weir/sim/run"
)

const (
	plotHeight = 150.0
	bandHeight = 13.0
	plotLeft   = 190.0
	bandsMax   = 30 // rows of faults
)

// timeline draws a run: operations by outcome over time, above them a row for each kind of fault that lasted or
// struck, and a line across for each crash, start and failure.
func timeline(t *run.Timeline) template.HTML {
	if t == nil || t.Length <= 0 || len(t.OK) == 0 {
		return ""
	}
	kinds := faultKinds(t)
	top := bandHeight*float64(len(kinds)) + 20
	d := draw(chartWidth, top+plotHeight+34, "operations, faults and crashes over time")
	at := func(s float64) float64 { return plotLeft + (chartWidth-plotLeft-10)*min(1, max(0, s/t.Length)) }
	for i, kind := range kinds {
		d.text("label", "end", plotLeft-8, 14+bandHeight*float64(i)+9, kind)
	}
	row := func(kind string) float64 { return 14 + bandHeight*float64(slices.Index(kinds, kind)) }
	for _, b := range t.Bands {
		if y := row(b.Fault); y >= 14 {
			d.rect("band", at(b.From), y+1, max(1.5, at(b.To)-at(b.From)), bandHeight-3,
				b.Fault+" from "+short(b.From)+" s to "+short(b.To)+" s")
		}
	}
	outcomes(d, t, at, top)
	for _, m := range t.Marks {
		x := at(m.At)
		switch m.Kind {
		case "fault":
			if y := row(m.Text); y >= 14 {
				d.rect("strike", x-1, y+1, 2, bandHeight-3, m.Text+" at "+short(m.At)+" s")
			}
		default:
			d.line(m.Kind, x, 4, x, top+plotHeight, m.Text+" at "+short(m.At)+" s")
		}
	}
	d.line("axis", plotLeft, top+plotHeight, chartWidth-10, top+plotHeight, "")
	step := niceStep(t.Length / 8)
	for s := 0.0; s <= t.Length; s += step {
		d.text("tick", "middle", at(s), top+plotHeight+14, short(s)+" s")
	}
	return d.done()
}

// faultKinds lists the kinds of fault in a timeline, in the order of the catalogue's IDs, as many as there is room for.
func faultKinds(t *run.Timeline) []string {
	var kinds []string
	for _, b := range t.Bands {
		kinds = append(kinds, b.Fault)
	}
	for _, m := range t.Marks {
		if m.Kind == "fault" {
			kinds = append(kinds, m.Text)
		}
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	return kinds[:min(len(kinds), bandsMax)]
}

// outcomes stacks the operations of each bin: answered, failed, unknown.
func outcomes(d *drawing, t *run.Timeline, at func(float64) float64, top float64) {
	most := 1
	for i := range t.OK {
		most = max(most, t.OK[i]+t.Failed[i]+t.Open[i])
	}
	for i := range t.OK {
		x := at(float64(i) * t.Bin)
		w := max(0.5, at(float64(i+1)*t.Bin)-x-0.5)
		y := top + plotHeight
		for _, part := range []struct {
			class string
			n     int
		}{{"ok", t.OK[i]}, {"failed", t.Failed[i]}, {"unknown", t.Open[i]}} {
			if h := plotHeight * float64(part.n) / float64(most); h > 0 {
				y -= h
				d.rect(part.class, x, y, w, h, "")
			}
		}
	}
	d.text("tick", "end", plotLeft-6, top+8, count(most))
	d.text("tick", "end", plotLeft-6, top+plotHeight, "operations a bin")
}

// niceStep is the number of the form 1, 2 or 5 times a power of ten that is at least v.
func niceStep(v float64) float64 {
	for step := 0.001; ; step *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if step*m >= v {
				return step * m
			}
		}
	}
}
