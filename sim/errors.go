package sim

import "errors"

// Failures of a world: errors.Is tells them apart. All of them but ErrLimit and ErrStopped are bugs of the code that
// ran in the world.
var (
	// ErrDeadlock: no task can run, no timer is set, and the run is not done.
	ErrDeadlock = errors.New("deadlock")
	// ErrLivelock: Config.InstantSteps steps were taken without time passing.
	ErrLivelock = errors.New("livelock")
	// ErrLimit: Config.Limit of virtual time has passed and the run is not done.
	ErrLimit = errors.New("the run is not done in time")
	// ErrMutexHeld: a task blocked with a host.Mutex held (H3 NoMutexHeld).
	ErrMutexHeld = errors.New("mutex held across a blocking call")
	// ErrSwallowed: code recovered from the panic that unwinds a killed task.
	ErrSwallowed = errors.New("a kill was swallowed by a recover")
	// ErrGoexit: a task called runtime.Goexit, as t.Fatal does.
	ErrGoexit = errors.New("a task called runtime.Goexit")
	// ErrGoroutine: a task started a goroutine (Config.ForbidGoroutines).
	ErrGoroutine = errors.New("a task started a goroutine")
	// ErrStopped: Config.StopAt was reached.
	ErrStopped = errors.New("stopped at the event that was asked for")
	// ErrOverlap: two writes to overlapping ranges of one file were under way at the same time.
	ErrOverlap = errors.New("overlapping writes under way on one file")
)

// Transient errors of the object store.
var (
	// ErrUnavailable is a 503, 500 or 429 answer: slow down and try again.
	ErrUnavailable = errors.New("sim store: service unavailable, slow down")
	// ErrNoAnswer is a request without an answer: whether it took effect is unknown.
	ErrNoAnswer = errors.New("sim store: no answer")
	// ErrConflict is a 409 answer: another conditional write of the key is under way. It had no effect.
	ErrConflict = errors.New("sim store: conflicting conditional operation (409)")
	// ErrForbidden is a 403 answer that mends itself: credentials that are being renewed, a clock that is being set.
	ErrForbidden = errors.New("sim store: forbidden for the moment (403)")
)
