// Package sim is the simulated machine: a host.Host for any number of machines, their volumes, the
// network between them and one object store, in one process, in virtual time, under a seed. A run replays
// bit for bit and can be compared with another by one hash.
//
// It is a host and nothing above it: it knows no broker, judges no history and plans no faults. It
// injects them at rates, from a plan or when told to. Clients and verdicts are in sim/workload, processes
// and reports in sim/run.
//
//	w := sim.New(sim.Config{Seed: 7, Faults: sim.Faults{SyncError: 1000}})
//	defer w.Close()
//	b1 := w.Machine("b1")
//	b1.Boot(func(h host.Host, sc *host.Scope) { … })
//	w.After(host.Time(time.Second), b1.Kill)
//	err := w.Run(func() bool { return finished })
//
// # States
//
// A machine is down, or up in its n-th incarnation, or up and paused. A task is runnable, running (one
// in the world), parked, being unwound, or ended. An incarnation that was killed is dead at once: its
// handles refuse, its unsynced writes are resolved, its connections break; its tasks are unwound before
// anything else runs. A written sector or name is pending until a sync makes it durable; a crash keeps or
// loses it.
//
// # Volumes
//
// A volume belongs to the machine that made it, and outlives its incarnations. One whose name begins with Shared
// belongs to none: every machine that attaches the name has the same volume, several at once. What one of them wrote
// the others see, synced or not, as in one kernel; a death decides only what the dead machine left unsynced there.
//
// # Kill
//
// A killed task is resumed once and panics a private sentinel where it was parked, so its deferred
// functions run: what they do through the host is refused, and waiting raises the sentinel again. A task
// that kills its own machine unwinds at its next call. Nothing but the wrapper of a task may recover; a
// recover elsewhere that swallows the sentinel fails the world, and the task is abandoned.
//
// # Time
//
// A step of a task takes no time; only sleeps, I/O and waiting do. World time is what latencies, hooks and
// Run are given. A machine's own clock begins anywhere at each boot and may drift; deadlines and sleeps
// are on it.
//
// # Faults
//
// A fault strikes at an opportunity: a call, a message, a crash, a boot. Every opportunity is counted by target and
// kind within its instant, so Hooks.OnFault can name each fault that fired by a fault.Step, and a world with those
// steps as its Config.Plan, without rates and with the same seed, does the same. What a fault has to choose comes
// from the step's Arg; when, what and how long calls take comes from the seed. Faults that last begin and end at a
// time, before everything else of that instant.
//
// # Invariants
//
//	M1 SameSeedSameRun   equal Config gives equal Hash after equal calls, whatever process or GOMAXPROCS
//	M2 OneAtATime        tasks run one at a time, between two calls that may block
//	M3 OwnStream         each subsystem and each fault draws from its own generator: one more draw in one
//	                     of them moves no other
//	M4 DeadIsDead        once a machine is killed nothing its tasks do has an effect, but for requests to
//	                     the store and bytes that were on their way
//	M5 SyncedStays       what Sync and SyncDir covered survives every kill; of the rest any subset does. What a
//	                     killed process left in the page cache stays there until a sync or a loss of power
//	M6 InOrder           bytes of a connection arrive in order, at most once, or not at all
//	M7 PlanIsRun         the steps given to OnFault, as Config.Plan of a world without rates, give the same Hash
//
// # Process-wide state
//
// While a world runs it replaces the variable crypto/rand.Reader by a generator from its seed, and puts
// back the old one afterwards, because etcd raft draws election timeouts from it. So only one world runs
// at a time in a process: tests that use one must not call t.Parallel.
//
// The race detector sees nothing here: switching between coroutines orders everything. Run the same code
// on the real machine under -race.
//
// Concurrency: a World and all that belongs to it is for one goroutine, but for the Pulse.
package sim
