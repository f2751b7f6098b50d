package workload

import (
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/sim"
)

// What sim/cluster takes from this package: the draw of a load, the crowd of clients, the verdict.

// Machines of clients, and of who creates the topic and reads everything back.
const (
	CoreClients  = coreClients
	FarClients   = farClients
	AdminMachine = adminMachine
	// StoreSide is the object store as a side of a link.
	StoreSide = storeSide
	// Topic is the judged topic.
	Topic = topicName
)

// Stream returns the generator of one named thing in a seed.
func Stream(seed uint64, name string, n int32) *rand.Rand { return stream(seed, name, n) }

// Between draws a duration, of all orders of magnitude alike.
func Between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return between(rng, least, most)
}

// Load draws the sizes of a node, clients and latencies, as for a run of one node.
func Load(rng *rand.Rand) Settings {
	s := Plain()
	s.Duration = time.Duration(9+rng.IntN(14)) * time.Second
	s.Partitions = 1 + rng.Int32N(6)
	s.drawNode(rng)
	s.drawClients(rng)
	s.drawLatencies(rng)
	s.drawHabits(rng)
	s.Crash = CrashSettings{}
	return s
}

// DrawRates draws which faults strike at a rate.
func (s *Settings) DrawRates(rng *rand.Rand) { s.drawRates(rng) }

// Faults are the rates as the simulator takes them.
func (s *Settings) Faults() sim.Faults { return s.faults() }

// NewPlan returns a plan of the settings with every operation of every client drawn.
func NewPlan(seed uint64, s Settings) *Plan {
	p := &Plan{Format: planFormat, Seed: seed, Settings: s}
	p.Ops = drawOps(seed, &p.Settings)
	return p
}

// NewCrowd returns the clients of a plan.
func NewCrowd(p *Plan) *Crowd {
	c := &Crowd{}
	c.init(p)
	c.acked, c.told = func(*check.Op) {}, func(*check.Op) {}
	c.state = func() string { return "" }
	return c
}

// CrowdHooks are what a world is told by its clients, and asked.
type CrowdHooks struct {
	Acked func(*check.Op) // a client heard that its batch is in the log
	State func() string   // of what runs weir, for the report of a run that stands still
}

// Enter puts the clients into a world. They ask the addresses first who leads what, and go where an answer says that
// the leader is if they believe in hints.
func (c *Crowd) Enter(w *sim.World, addrs []string, hints bool, hooks CrowdHooks) {
	c.w, c.lead, c.hints, c.acked, c.state = w, addrs, hints, hooks.Acked, hooks.State
}

// Repeats tells whether a message of a client may arrive twice.
func (c *Crowd) Repeats(from, to string, message []byte) bool { return c.repeats(from, to, message) }

// Create creates the judged topic.
func (c *Crowd) Create() error {
	err := c.createTopic()
	c.began = c.w.Now()
	return err
}

// Began is when the clients' work began.
func (c *Crowd) Began() host.Time { return c.began }

// Start lets the clients begin.
func (c *Crowd) Start() { c.start() }

// FinishWork lets the clients go on until they have done enough.
func (c *Crowd) FinishWork() error { return c.finishWork() }

// Progress demands that every partition takes a record and serves it, and that offsets can be committed and read.
func (c *Crowd) Progress() error { return c.progress() }

// Flush ends the history.
func (c *Crowd) Flush() { c.flush() }

// ReadBack reads every partition with a fresh client. What was read before has to be there still.
func (c *Crowd) ReadBack(after string) error {
	logs, err := c.readBack()
	if err != nil {
		return err
	}
	before := c.history.Logs
	c.history.Logs = logs
	if before == nil {
		return nil
	}
	return sameLogs(before, logs, after)
}

// Synced is told of bytes of a file that are durable now.
func (c *Crowd) Synced(file string, b []byte) { c.durable.scanWrite(file, b, c.w.Now()) }

// Kept is told of a whole file as a crash left it.
func (c *Crowd) Kept(b []byte) { c.durable.scan(b, c.w.Now()) }

// Uploaded is told of a put that took effect.
func (c *Crowd) Uploaded(key string, b []byte) { c.uploaded(key, b) }

// DurableAt returns when a value was first durable, 0 for never.
func (c *Crowd) DurableAt(v check.Value) host.Time { return c.durable.at(v) }

// OnDurable has fn called with each value that becomes durable, at that instant.
func (c *Crowd) OnDurable(fn func(check.Value)) { c.durable.first = fn }

// Struck counts a fault that the world carried out.
func (c *Crowd) Struck(k fault.Kind) {
	if c.durableUnanswered() {
		c.between[k]++
	}
}

// Answerer returns the address of the node from which CrowdHooks.Acked has it.
func (c *Crowd) Answerer() string { return c.answerer }

// Ops returns how many operations were carried out.
func (c *Crowd) Ops() int { return c.ops }

// Blame returns an error as the finding of an oracle.
func Blame(oracle, format string, args ...any) error { return blame(oracle, format, args...) }

// Fail ends the run with the finding of an oracle.
func (c *Crowd) Fail(oracle, format string, args ...any) { c.fail(oracle, format, args...) }

// Result is what the run came to: err, or what the judge says to the history.
func (c *Crowd) Result(err error, least check.Counts, before []probe.Count) *Result {
	c.history.DurableAt = c.durable.list()
	res := c.result(err, least)
	res.Probes = since(before)
	return res
}

// result is what the run came to.
func (c *Crowd) result(err error, least check.Counts) *Result {
	res := &Result{
		Seed: c.plan.Seed, Virtual: c.w.Now().Sub(0), Ops: c.ops, Fired: c.w.Fired(), Faults: c.faultCounts(),
		History: &c.history, Settings: *c.settings, Err: err, At: c.w.Now(), Fenced: c.staleCommits,
		Beyond: c.damaged, Said: c.said, Hash: c.w.Hash(), Events: c.w.Events(),
	}
	if err == nil {
		res.Verdict = check.Judge(&c.history, least)
		if !res.Verdict.OK() {
			kind := check.Undecided
			if len(res.Verdict.Violations) > 0 {
				kind = res.Verdict.Violations[0].Kind
			}
			res.Err = blame("history:"+string(kind), "seed %d: %s", c.plan.Seed, res.Verdict)
		}
	}
	res.Oracle = oracleOf(res.Err)
	return res
}

// Ends tells whether a fault may end the process of the node that it strikes.
func Ends(k fault.Kind) bool { return ends(k) }

// Recovered notes that a node was started again.
func (c *Crowd) Recovered() { c.history.Recoveries = append(c.history.Recoveries, int64(c.w.Now())) }
