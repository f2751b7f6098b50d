package sim

import (
	"fmt"

	"github.com/weirmq/weir/host"
)

// Run steps the world until done reports true, which is asked after every step. A nil done means "until
// no task is left". It returns the world's failure: what Fail was given, a task's panic, a deadlock
// (nothing can ever run again and done is still false), a livelock, or Config.Limit of virtual time.
func (w *World) Run(done func() bool) error {
	if done == nil {
		done = func() bool { return w.liveTasks() == 0 }
	}
	return w.drive(done, w.cfg.Limit)
}

// RunUntil steps the world until virtual time t; if nothing is left to do the time jumps there.
func (w *World) RunUntil(t host.Time) error {
	never := func() bool { return false }
	w.horizon = t
	defer func() { w.horizon = 0 }()
	return w.drive(never, t)
}

// drive is the scheduler's loop.
func (w *World) drive(done func() bool, limit host.Time) error {
	if w.current != nil || w.driving {
		panic("sim: Run was called from within the world")
	}
	w.driving = true
	leave := w.enter()
	defer func() {
		w.driving = false
		leave()
	}()
	for w.failure == nil {
		if len(w.dying) > 0 {
			w.reap()
			continue
		}
		if w.stopped {
			w.fail(ErrStopped)
			break
		}
		if done() {
			return nil
		}
		if len(w.runnable) > 0 {
			w.step()
			continue
		}
		at, timedNext, any := w.nextEvent()
		switch {
		case !any || at > limit:
			return w.idle(limit)
		case timedNext:
			w.runTimed()
		default:
			w.advance()
		}
	}
	return w.failure
}

// nextEvent returns when the next event comes, and whether it is a fault that happens at its time: those come first.
func (w *World) nextEvent() (at host.Time, timedNext, any bool) {
	if len(w.timed.queue) > 0 {
		at, timedNext, any = w.timed.queue[0].at, true, true
	}
	if w.timers.len() > 0 {
		if t := w.timers.min(); !any || t.at < at {
			return t.at, false, true
		}
	}
	return at, timedNext, any
}

// step runs one runnable task, chosen uniformly.
func (w *World) step() {
	i, n := 0, len(w.runnable)
	if n > 1 {
		i = int(w.picks.Uint64N(uint64(n)))
	}
	t := w.runnable[i]
	w.runnable[i] = w.runnable[n-1]
	w.runnable[n-1] = nil
	w.runnable = w.runnable[:n-1]
	t.queued = false
	w.steps++
	if w.steps > w.cfg.InstantSteps {
		w.fail(fmt.Errorf("%w: %d steps without time passing; next would be %s\n%s",
			ErrLivelock, w.cfg.InstantSteps, t, w.Tasks()))
		return
	}
	w.note(KindPick, t.id, uint64(n), 0)
	w.resume(t)
}

// advance moves the time to the earliest timer and fires it.
func (w *World) advance() {
	t := w.timers.min()
	w.timers.remove(t)
	if t.at > w.now {
		w.now, w.steps = t.at, 0
	}
	w.note(KindTimer, t.id, 0, 0)
	if t.parker != nil {
		t.parker.wake(wokeTimer)
		return
	}
	fire, mail := t.fire, t.mail
	t.fire, t.mail = nil, nil
	w.spent = append(w.spent, t)
	if mail != nil {
		w.deliver(mail)
		return
	}
	fire()
}

// idle ends a drive in which nothing can happen before limit.
func (w *World) idle(limit host.Time) error {
	if w.horizon != 0 {
		if w.now < limit {
			w.now, w.steps = limit, 0
		}
		return nil
	}
	if _, _, any := w.nextEvent(); !any {
		w.fail(fmt.Errorf("%w: no task can run, no timer is set, and the run is not done\n%s",
			ErrDeadlock, w.Tasks()))
	} else {
		w.fail(fmt.Errorf("%w: Config.Limit is %v\n%s", ErrLimit, limit.Sub(0), w.Tasks()))
	}
	return w.failure
}

// After has the scheduler call fn when d nanoseconds of world time have passed. fn is no task: it must not block.
// Nemeses kill, boot, pause and partition from here.
func (w *World) After(d host.Time, fn func()) {
	t := w.timer()
	t.fire = fn
	w.arm(t, w.now+d)
}

// timer returns one that nobody uses.
func (w *World) timer() *timer {
	n := len(w.spent)
	if n == 0 {
		return &timer{}
	}
	t := w.spent[n-1]
	w.spent = w.spent[:n-1]
	return t
}

// reap unwinds the tasks of dead incarnations, one by one, before anything else runs.
func (w *World) reap() {
	for len(w.dying) > 0 {
		inc := w.dying[0]
		w.dying = w.dying[1:]
		for len(inc.tasks) > 0 {
			t := inc.tasks[len(inc.tasks)-1]
			t.killed = true
			if t.next == nil {
				t.done = true
				inc.drop(t)
				continue
			}
			w.resume(t)
			if !t.done && !t.lost {
				w.fail(fmt.Errorf("%s yielded while it was being unwound", t))
				t.lost = true
				inc.drop(t)
			}
		}
	}
}

// forgetRunnable takes the tasks of dead incarnations off the runnable set.
func (w *World) forgetRunnable() {
	kept := w.runnable[:0]
	for _, t := range w.runnable {
		if t.inc.dead {
			t.queued = false
			continue
		}
		kept = append(kept, t)
	}
	clear(w.runnable[len(kept):])
	w.runnable = kept
}
