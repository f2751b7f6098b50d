package host

import "sync"

// Tracker is implemented by a host that counts the mutexes each task holds, to report one held across a
// blocking call (H3 NoMutexHeld). Such a host runs one task at a time, so a Mutex that is taken when a
// task asks for it is held by a parked task. The real host is no Tracker.
type Tracker interface {
	MutexHeld(delta int)
}

// Mutex is a lock that must not be held across a blocking call. Its zero value works; Init adds the
// simulator's check.
type Mutex struct {
	mu sync.Mutex
	t  Tracker // nil in production
}

// Init ties m to its host. Call it before first use.
func (m *Mutex) Init(h Host) { m.t, _ = h.(Tracker) }

// Lock locks m.
func (m *Mutex) Lock() {
	if m.t == nil {
		m.mu.Lock()
		return
	}
	if !m.mu.TryLock() {
		panic("host: invariant NoMutexHeld: the Mutex is held by a parked task, or already by this one")
	}
	m.t.MutexHeld(1)
}

// Unlock unlocks m.
func (m *Mutex) Unlock() {
	if m.t != nil {
		m.t.MutexHeld(-1)
	}
	m.mu.Unlock()
}
