package sim

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weirmq/weir/host"
)

// Dump writes what the world is like now, for people: tasks and what they wait for, timers, machines and their
// disks, links, the store, and what of the plan is still to come.
func (w *World) Dump(out io.Writer) error {
	b := bufio.NewWriter(out)
	fmt.Fprintf(b, "seed %d, event %d, %v, hash %016x\n", w.cfg.Seed, w.events, w.now.Sub(0), w.hash)
	if w.failure != nil {
		fmt.Fprintf(b, "failure: %v\n", w.failure)
	}
	for _, m := range w.machines {
		m.dump(b)
	}
	w.dumpTimers(b)
	w.dumpNet(b)
	w.dumpStore(b)
	fmt.Fprintf(b, "\nplan: steps that have not fired\n%s", w.Unfired())
	return b.Flush()
}

func (m *Machine) dump(b *bufio.Writer) {
	state := "down"
	switch {
	case m.Alive() && m.paused:
		state = "paused"
	case m.Alive():
		state = "up"
	}
	fmt.Fprintf(b, "\nmachine %s: %s, incarnation %d, %d I/O calls\n", m.name, state, m.n, m.calls)
	if m.Alive() {
		fmt.Fprintf(b, "  clock %d, drift %d ppm, wall clock %v off\n", m.inc.now(), m.ppm, m.wallOffset)
		for _, t := range slices.SortedFunc(slices.Values(m.inc.tasks), func(x, y *task) int {
			return int(int64(x.id) - int64(y.id))
		}) {
			fmt.Fprintf(b, "  task %-4d %-28s %s since %v%s\n", t.id, t.name, t.waitsFor(), t.since.Sub(0), t.marks())
		}
	}
	for _, at := range m.mounts {
		at.v.dump(b, at.target.name)
	}
}

// marks tells what else is to be known of a task.
func (t *task) marks() string {
	var list []string
	if t.queued {
		list = append(list, "can run")
	}
	if t.held > 0 {
		list = append(list, fmt.Sprintf("holds %d mutexes", t.held))
	}
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}

func (v *Volume) dump(b *bufio.Writer, name string) {
	fmt.Fprintf(b, "  volume %s: %d bytes used\n", name, v.used)
	for _, path := range v.Files() {
		f, err := v.find(path)
		if err != nil {
			continue
		}
		bytes := 0
		for _, c := range f.pending {
			bytes += len(c.data)
		}
		fmt.Fprintf(b, "    %-32s %10d bytes, %d durable, %d changes with %d bytes are not synced\n",
			path, f.size, f.baseSize, len(f.pending), bytes)
	}
	for _, f := range v.dirty {
		if f.dir != nil && len(f.dir.pending) > 0 {
			fmt.Fprintf(b, "    directory %q: %d changes are not synced\n", f.path, len(f.dir.pending))
		}
	}
}

// dumpedTimers bounds the list of timers.
const dumpedTimers = 50

func (w *World) dumpTimers(b *bufio.Writer) {
	var list []*timer
	for _, t := range w.timers.timers {
		if t != nil {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(x, y *timer) int {
		if x.before(y) {
			return -1
		}
		return 1
	})
	fmt.Fprintf(b, "\ntimers: %d, in order\n", len(list))
	for i, t := range list {
		if i == dumpedTimers {
			fmt.Fprintf(b, "  … and %d later\n", len(list)-i)
			break
		}
		what := "a message, a call of the store or World.After"
		if t.parker != nil && t.parker.waiter != nil {
			what = "wakes " + t.parker.waiter.String()
		}
		fmt.Fprintf(b, "  %v (in %v): %s\n", t.at.Sub(0), (t.at - w.now).Sub(0), what)
	}
}

func (w *World) dumpNet(b *bufio.Writer) {
	fmt.Fprintf(b, "\nlinks\n")
	for _, l := range w.network.links {
		state := "open"
		switch {
		case l.cut():
			state = "cut"
		case l.clogs > 0:
			state = "clogged"
		case len(l.slow) > 0:
			state = fmt.Sprintf("slow, %d bytes a second", l.bandwidth(w.cfg.Net.Bandwidth))
		}
		fmt.Fprintf(b, "  %s: %s\n", l.name, state)
	}
	fmt.Fprintf(b, "  %d messages are held\n", len(w.network.held))
	for _, m := range w.machines {
		if !m.Alive() {
			continue
		}
		for _, e := range m.inc.ends {
			fmt.Fprintf(b, "  connection %d, %s to %s: %d bytes to read, %d sent and not read, %d parcels on the way\n",
				e.id/2, m.name, e.remote, len(e.in), e.unread, len(e.outbox))
		}
	}
}

func (w *World) dumpStore(b *bufio.Writer) {
	s := &w.store
	fmt.Fprintf(b, "\nstore: %d objects\n", len(w.Objects()))
	for _, until := range []struct {
		what string
		t    host.Time
	}{{"storm", s.storm}, {"outage", s.outage}} {
		if until.t > w.now {
			fmt.Fprintf(b, "  %s until %v\n", until.what, until.t.Sub(0))
		}
	}
	for _, key := range w.Objects() {
		o := s.objects[key]
		fmt.Fprintf(b, "  %s  %d bytes since %v\n", key, o.size, o.changed.Sub(0))
	}
	if s.counts.OrphanParts > 0 {
		fmt.Fprintf(b, "  %d parts of no object, %d bytes\n", s.counts.OrphanParts, s.counts.OrphanBytes)
	}
}
