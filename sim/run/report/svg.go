package report

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"
)

// drawing is an SVG under construction. Colours are classes: the page's style gives them, for light and dark.
type drawing struct {
	b             strings.Builder
	width, height float64
}

func draw(width, height float64, label string) *drawing {
	d := &drawing{width: width, height: height}
	fmt.Fprintf(&d.b, `<svg viewBox="0 0 %s %s" role="img" aria-label="%s">`, px(width), px(height),
		html.EscapeString(label))
	return d
}

// px is a coordinate, short.
func px(v float64) string { return strconv.FormatFloat(float64(int(v*10+0.5))/10, 'f', -1, 64) }

func (d *drawing) rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(&d.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, px(x), px(y), px(w), px(h))
	d.close("rect", title)
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64, title string) {
	fmt.Fprintf(&d.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"`, class, px(x1), px(y1), px(x2), px(y2))
	d.close("line", title)
}

func (d *drawing) close(tag, title string) {
	if title == "" {
		d.b.WriteString("/>")
		return
	}
	fmt.Fprintf(&d.b, "><title>%s</title></%s>", html.EscapeString(title), tag)
}

// text writes at x, y; anchor is "start", "middle" or "end".
func (d *drawing) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(&d.b, `<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`, class, anchor, px(x), px(y),
		html.EscapeString(text))
}

func (d *drawing) done() template.HTML { return template.HTML(d.b.String() + "</svg>") }
