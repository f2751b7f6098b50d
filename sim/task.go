package sim

import (
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/weirmq/weir/host"
)

// task is a coroutine of one incarnation. It runs only between World.resume and its next yield.
type task struct {
	w    *World
	inc  *incarnation
	id   uint64 // ordinal in the world
	name string
	fn   func(*host.Scope)

	sc     *host.Scope
	cancel func() // gives sc back when the task ends
	next   func() (struct{}, bool)
	yield  func(struct{}) bool
	slot   int    // index in inc.tasks
	io     parker // for the simulator's own waits: sleeps, disk and store latencies

	queued    bool   // in World.runnable or in Machine.frozen
	reason    string // what it waits for
	on        string // of which file, object or address
	since     host.Time
	held      int  // mutexes it holds (host.Tracker)
	killed    bool // it must unwind when it runs next
	unwinding bool // the sentinel has been raised in it
	reparks   int  // parks since then
	returned  bool // fn came back in the ordinary way
	done      bool // the coroutine has ended
	lost      bool // it will never be resumed: it failed the world where it stood
}

// killSentinel unwinds the tasks of a dead incarnation.
type killSentinel struct{}

// reparkLimit is how often a task may try to block while it is being unwound. Deferred functions may,
// a few times; a loop that recovers from the sentinel does for ever.
const reparkLimit = 100

func (t *task) String() string {
	return fmt.Sprintf("%s/%d %s (task %d)", t.inc.m.name, t.inc.n, t.name, t.id)
}

// waitsFor is what the task waits for, in words.
func (t *task) waitsFor() string {
	if t.on == "" {
		return t.reason
	}
	return t.reason + " " + t.on
}

// spawn creates a task; it becomes runnable at once and starts when it is first picked.
func (w *World) spawn(inc *incarnation, sc *host.Scope, name string, fn func(*host.Scope)) *task {
	w.taskIDs++
	t := &task{w: w, inc: inc, id: w.taskIDs, name: name, fn: fn, reason: "start", since: w.now}
	if sc == nil {
		sc = inc.root
	}
	t.sc, t.cancel = sc.Task(name)
	t.io.init(inc)
	t.slot = len(inc.tasks)
	inc.tasks = append(inc.tasks, t)
	w.note(KindSpawn, t.id, hashString(name), 0)
	w.ready(t)
	return t
}

// body is the coroutine.
func (t *task) body(yield func(struct{}) bool) {
	t.yield = yield
	defer t.finish()
	t.fn(t.sc)
	t.returned = true
}

// finish ends the coroutine. It is the one place in the tree that calls recover: it stops the kill
// sentinel here and turns a task's panic into the world's failure with the stack it was raised on.
func (t *task) finish() {
	r := recover()
	w := t.w
	switch {
	case r == nil && !t.returned:
		// runtime.Goexit cannot be stopped and would end the scheduler's goroutine. Yielding for good
		// keeps the scheduler; the coroutine leaks.
		w.fail(fmt.Errorf("%s: %w (t.Fatal and t.FailNow do): return the failure by value\n%s",
			t, ErrGoexit, debug.Stack()))
		t.abandon()
	case r == nil && t.unwinding:
		w.fail(fmt.Errorf("%s: %w: some code it called recovers from panics that are not its own",
			t, ErrSwallowed))
	case r == nil:
	case r == any(killSentinel{}):
		if !t.inc.dead {
			w.fail(fmt.Errorf("%s was unwound although its machine is alive", t))
		}
	default:
		w.fail(&PanicError{Task: t.String(), Value: r, Stack: string(debug.Stack())})
	}
	t.done = true
	t.cancel()
}

// abandon gives the processor back and never takes it again.
func (t *task) abandon() {
	t.lost = true
	for {
		t.yield(struct{}{})
	}
}

// fatal fails the world from within the running task; it does not return.
func (t *task) fatal(err error) {
	t.w.fail(err)
	t.abandon()
}

// resume runs t until it yields or ends.
func (w *World) resume(t *task) {
	w.current = t
	w.pulse.task.Store(&t.name)
	if t.next == nil {
		w.pulls++
		t.next, _ = iter.Pull(t.body)
	}
	t.next()
	w.current = nil
	if t.done || t.lost {
		w.note(KindExit, t.id, 0, 0)
		t.inc.drop(t)
	}
	w.checkGoroutines(t)
}

// unwind raises the sentinel in the running task.
func (t *task) unwind() {
	if t.unwinding {
		t.reparks++
		if t.reparks > reparkLimit {
			t.fatal(fmt.Errorf("%s: %w: it goes on blocking after %d of them",
				t, ErrSwallowed, reparkLimit))
		}
	}
	t.killed, t.unwinding = true, true
	panic(killSentinel{})
}

// ready makes t runnable.
func (w *World) ready(t *task) {
	if t.queued || t.done || t.lost {
		panic("sim: a task was made ready twice")
	}
	t.queued = true
	if t.inc.m.paused {
		t.inc.m.frozen = append(t.inc.m.frozen, t)
		return
	}
	w.runnable = append(w.runnable, t)
}

// self returns the running task; blocking calls need one.
func (w *World) self(what string) *task {
	if w.current == nil {
		panic("sim: " + what + " outside a task; the world's callbacks must not block")
	}
	return w.current
}

// checkHeld fails the world if t is about to block with a mutex held (H3 NoMutexHeld).
func (t *task) checkHeld(what string) {
	if t.held != 0 && !t.unwinding {
		t.fatal(fmt.Errorf("%s: %w: it holds %d at %s\n%s", t, ErrMutexHeld, t.held, what, debug.Stack()))
	}
}
