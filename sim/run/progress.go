package run

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	barWidth  = 24
	lineEvery = 10 * time.Second // where lines cannot be overwritten
	barEvery  = 100 * time.Millisecond
)

// Progress shows how far a sweep is. On a terminal it is one line that is overwritten.
type Progress struct {
	w        io.Writer
	terminal bool
	total    int
	begin    time.Time
	shown    time.Time

	done, failed int
	virtual      time.Duration
}

// NewProgress returns a progress display of total seeds on f.
func NewProgress(f *os.File, total int) *Progress {
	info, err := f.Stat()
	return newProgress(f, err == nil && info.Mode()&os.ModeCharDevice != 0, total, time.Now())
}

func newProgress(w io.Writer, terminal bool, total int, now time.Time) *Progress {
	return &Progress{w: w, terminal: terminal, total: total, begin: now, shown: now}
}

// Done counts one seed and shows it if it failed or if it is time.
func (p *Progress) Done(r *Result) { p.add(r, time.Now()) }

func (p *Progress) add(r *Result, now time.Time) {
	p.done++
	p.virtual += r.Virtual
	if !r.OK() {
		p.failed++
		p.clear()
		fmt.Fprintf(p.w, "seed %d failed: %s\n", r.Seed, r.Cause())
	}
	every := lineEvery
	if p.terminal {
		every = barEvery
	}
	if now.Sub(p.shown) < every && (!p.terminal || p.done < p.total) {
		return
	}
	p.shown = now
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s\x1b[K", p.line(now))
	} else {
		fmt.Fprintln(p.w, p.line(now))
	}
}

// End takes the bar away.
func (p *Progress) End() { p.clear() }

func (p *Progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *Progress) line(now time.Time) string {
	wall := now.Sub(p.begin)
	full := barWidth * p.done / max(1, p.total)
	return fmt.Sprintf("[%s%s] %d/%d seeds, %.2f/s, %.1fx real time, %d failed",
		strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), p.done, p.total,
		ratio(float64(p.done), wall), ratio(p.virtual.Seconds(), wall), p.failed)
}
