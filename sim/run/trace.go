package run

import (
	"io"
	"strconv"

	"github.com/weirmq/weir/sim"
)

// tracer writes one line for each event:
//
//	number  virtual seconds  kind  who  a  b  hash  task  (words)
//
// The words of an event are in hex; package sim says at each of its kinds what they are. The task is the
// one that a pick chose, none at a timer, and else the one that runs or ran last. Two runs with one seed
// write the same lines, so that the first line that differs is the first event that does. Behind the task, in
// brackets, the event in words where its numbers have any.
type tracer struct {
	w    io.Writer
	task func() string
	line []byte // not yet written: a pick's task is known only when it has run
	say  string // the line's event in words
	err  error  // the first one; nothing is written after it

	first, last uint64 // events that are written; last 0 = all
	ended       func() // called behind the last; may be nil
}

func (t *tracer) event(e sim.Event) {
	t.flush()
	if e.N < t.first || t.last > 0 && e.N > t.last {
		if t.last > 0 && e.N > t.last && t.ended != nil {
			t.ended()
			t.ended = nil
		}
		return
	}
	b := strconv.AppendUint(t.line[:0], e.N, 10)
	b = append(b, ' ')
	b = appendSeconds(b, uint64(e.At))
	b = append(b, ' ')
	b = append(b, e.Kind.String()...)
	for _, word := range [...]uint64{e.Who, e.A, e.B} {
		b = append(b, ' ')
		b = strconv.AppendUint(b, word, 16)
	}
	b = append(b, ' ')
	t.line, t.say = appendHash(b, e.Hash), words(e)
	switch e.Kind {
	case sim.KindPick:
	case sim.KindTimer:
		t.write()
	default:
		t.flush()
	}
}

// flush writes the line that waits, if any.
func (t *tracer) flush() {
	if len(t.line) > 0 {
		t.line = append(append(t.line, ' '), t.task()...)
		t.write()
	}
}

func (t *tracer) write() {
	if t.say != "" {
		t.line = append(append(append(t.line, " ("...), t.say...), ')')
	}
	if t.err == nil {
		_, t.err = t.w.Write(append(t.line, '\n'))
	}
	t.line = t.line[:0]
}

func appendSeconds(b []byte, ns uint64) []byte {
	const second = 1_000_000_000
	b = strconv.AppendUint(b, ns/second, 10)
	at := len(b)
	b = strconv.AppendUint(b, second+ns%second, 10)
	b[at] = '.' // the leading 1 kept the zeros
	return b
}

func appendHash(b []byte, h uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[h>>shift&15])
	}
	return b
}
