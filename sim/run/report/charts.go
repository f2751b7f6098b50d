package report

import (
	"html/template"
	"math"
	"slices"

	"github.com/weirmq/weir/sim/run"
)

const (
	chartWidth = 960.0
	rowHeight  = 19.0
	labelWidth = 190.0
	countWidth = 150.0
)

// faultBars draws how often each fault fired, on a logarithmic scale, and how much of it between an effect and its
// acknowledgement.
func faultBars(rows []run.FaultRow) template.HTML {
	most := uint64(1)
	for _, r := range rows {
		most = max(most, r.Fired)
	}
	room := chartWidth - labelWidth - countWidth
	at := func(n uint64) float64 {
		if n == 0 {
			return 0
		}
		return room * (1 + math.Log10(float64(n))) / (1 + math.Log10(float64(most)))
	}
	d := draw(chartWidth, rowHeight*float64(len(rows)+1)+6, "how often each fault fired, logarithmic")
	for decade := uint64(1); decade <= most; decade *= 10 {
		x := labelWidth + at(decade)
		d.line("grid", x, 0, x, rowHeight*float64(len(rows)), "")
		d.text("tick", "middle", x, rowHeight*float64(len(rows))+14, count(decade))
	}
	for i, r := range rows {
		y := rowHeight * float64(i)
		d.text("label", "end", labelWidth-8, y+14, r.Fault)
		title := r.Fault + ": fired " + count(r.Fired) + " times in " + count(r.Seeds) + " seeds, " + count(r.Between) +
			" between an effect and its acknowledgement"
		d.rect("bar", labelWidth, y+4, at(r.Fired), rowHeight-7, title)
		d.rect("bar2", labelWidth, y+4, at(r.Between), rowHeight-7, title)
		d.text("value", "start", labelWidth+at(r.Fired)+6, y+14, count(r.Fired)+" in "+count(r.Seeds))
	}
	return d.done()
}

const (
	histogramWidth  = 470.0
	histogramHeight = 180.0
	bins            = 24
)

// histogram draws how values are spread.
func histogram[N int | uint64 | float64](what, unit string, values []N) template.HTML {
	if len(values) == 0 {
		return ""
	}
	low, high := float64(slices.Min(values)), float64(slices.Max(values))
	if high == low {
		high = low + 1
	}
	var tally [bins]int
	for _, v := range values {
		tally[min(bins-1, int((float64(v)-low)/(high-low)*bins))]++
	}
	most := slices.Max(tally[:])
	const left, right, bottom, top = 40.0, 30.0, 28.0, 22.0
	d := draw(histogramWidth, histogramHeight, what)
	d.text("title", "start", 0, 13, what)
	wide, tall := (histogramWidth-left-right)/bins, histogramHeight-bottom-top
	for _, share := range []int{most, most / 2} {
		y := top + tall*(1-float64(share)/float64(most))
		d.line("grid", left, y, histogramWidth-right, y, "")
		d.text("tick", "end", left-5, y+4, count(share))
	}
	width := (high - low) / bins
	for i, n := range tally {
		h := tall * float64(n) / float64(most)
		from := low + width*float64(i)
		d.rect("bar", left+wide*float64(i)+1, top+tall-h, wide-2, h,
			count(n)+" seeds from "+short(from)+" to "+short(from+width)+" "+unit)
	}
	d.line("axis", left, top+tall, histogramWidth-right, top+tall, "")
	for i := 0; i <= bins; i += bins / 4 {
		d.text("tick", "middle", left+wide*float64(i), histogramHeight-12, short(low+width*float64(i)))
	}
	d.text("tick", "end", histogramWidth-right, histogramHeight-1, unit)
	return d.done()
}

// detectBars draws the seeds that each planted bug needed: the median, and the most.
func detectBars(rows []run.MutantRow) template.HTML {
	most := 1
	for _, r := range rows {
		most = max(most, r.Max)
	}
	room := chartWidth - labelWidth - countWidth
	d := draw(chartWidth, rowHeight*float64(len(rows))+4, "seeds until each planted bug was found")
	for i, r := range rows {
		y := rowHeight * float64(i)
		d.text("label", "end", labelWidth-8, y+14, r.Mutant)
		if !r.Found {
			d.text("bad", "start", labelWidth+6, y+14, "not found")
			continue
		}
		scale := room / float64(most)
		d.rect("bar", labelWidth, y+4, scale*float64(r.Max), rowHeight-7, "")
		d.rect("bar2", labelWidth, y+4, scale*float64(r.Median), rowHeight-7, "")
		d.text("value", "start", labelWidth+scale*float64(r.Max)+6, y+14,
			"median "+count(r.Median)+", most "+count(r.Max))
	}
	return d.done()
}
