package workload

import (
	"bytes"
	"fmt"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// Crowd is the clients of a world: what they have to do, what they share, and what they saw. It knows nothing of what
// runs weir but the addresses: one node in the worlds of this package, several in those of sim/cluster. Everything in
// it is touched by tasks of the world only, one at a time.
type Crowd struct {
	w        *sim.World
	plan     *Plan
	settings *Settings
	lead     []string // where clients of a cluster first ask who leads what; nil = there is one node
	hints    bool     // clients of a cluster believe the hints of answers
	guided   int      // clients that were given a guide

	history      check.History
	topicID      [16]byte // of the judged topic
	durable      *durableSet
	producerIDs  map[int64]bool
	began        host.Time // the clients' work
	over         bool      // the clients' work is over
	sealed       bool      // the history is complete
	running      int       // clients at work that must come to an end
	actors       []*actor
	progressSeq  uint32 // of the values of those that look for progress
	between      map[fault.Kind]uint64
	damaged      bool     // the only copy of something was spoilt
	said         []string // what weir said to that, and what was spoilt
	ops          int      // operations carried out
	staleCommits int      // refused because their generation was over
	asking       int      // requests under way that metadata must answer

	answerer    string          // the address of the node that acknowledges
	acked, told func(*check.Op) // a client heard that its batch is in the log; what only the holder knows
	state       func() string   // of what runs weir, for the report of a run that stands still
}

// opsLeast is how many operations a run carries out before its clients' work is over, if it has so many and does
// not take too long.
const opsLeast = 2_000

// workMax is how long clients go on with the operations they have not done when the core is healed.
const workMax = 10 * time.Minute

// birthTakes bounds how long the node takes to serve a first topic, under all that goes wrong.
const birthTakes = 3 * time.Minute

func (c *Crowd) init(p *Plan) {
	c.plan, c.settings, c.durable = p, &p.Settings, newDurableSet()
	c.producerIDs, c.between = map[int64]bool{}, map[fault.Kind]uint64{}
	c.history.Ops = make([]check.Op, 0, len(p.Ops))
}

// createTopic creates the judged topic.
func (c *Crowd) createTopic() error {
	return c.w.Do(c.w.Machine(adminMachine), func(h host.Host, sc *host.Scope) error {
		a := c.newActor(h, 100)
		defer a.wire.drop()
		for until := c.w.Now().Add(birthTakes); c.w.Now() < until; {
			code, err := a.create(sc, topicName, c.settings.Partitions)
			if err == nil && (code == 0 || code == codeTopicExists) && a.learnID(sc) {
				return nil
			}
			if err := h.Sleep(sc, 20*time.Millisecond); err != nil {
				return err
			}
		}
		return blame(oracleLiveness, "the topic could not be created within %v", birthTakes)
	})
}

// start starts a task for each client with its operations.
func (c *Crowd) start() {
	ops := map[int32][]Op{}
	for _, op := range c.plan.Ops {
		ops[op.Client] = append(ops[op.Client], op)
	}
	for _, name := range []string{coreClients, farClients} {
		for _, k := range c.settings.Clients {
			if k.Machine == coreClients && name == coreClients {
				c.running++
			}
		}
		c.w.Machine(name).Boot(func(h host.Host, sc *host.Scope) {
			for _, k := range c.settings.Clients {
				if k.Machine == name {
					a := c.newActor(h, k.ID)
					a.ops, a.role, a.far = ops[k.ID], k.Role, k.Machine == farClients
					a.byID, a.first = k.ByID, k.First
					c.actors = append(c.actors, a)
					h.Go(sc, "client."+string(k.Role), a.loop)
				}
			}
			_ = h.Sleep(sc, 24*time.Hour) // until the world ends
		})
	}
}

// finishWork lets the clients go on until they have done enough.
func (c *Crowd) finishWork() error {
	least, limit := min(opsLeast, len(c.plan.Ops)), c.w.Now().Add(workMax)
	return c.w.Run(func() bool {
		c.over = c.over || c.running == 0 || c.ops >= least || c.w.Now() > limit
		if c.w.Now() > limit.Add(time.Minute) {
			c.fail(oracleLiveness, "%d clients of the healed core do not come to an end", c.running)
		}
		return c.over && c.running == 0
	})
}

func (c *Crowd) newActor(h host.Host, id int32) *actor {
	a := &actor{
		c: c, id: id, h: h, producerID: -1,
		wire: wireClient{h: h, addr: nodeAddr, id: fmt.Sprintf("sim-%d", id), timeout: requestTimeout,
			hopeless: &c.damaged},
		sequence: map[int32]int64{}, positions: map[int32]int64{}, session: map[int32]int{},
		deleted: map[check.Value]bool{},
	}
	if c.lead != nil {
		c.guided++
		a.wire.guide = newGuide(c.lead, c.guided, c.hints)
	}
	a.wire.mixedUp = func(got, want int32) {
		c.fail(oracleAnswer, "client %d got the answer to request %d instead of that to %d", id, got, want)
	}
	return a
}

// uploaded is called with the bytes of a put that took effect: what is uploaded must have been durable before (rule
// 32), for a commit may become durable before the WAL does.
func (c *Crowd) uploaded(key string, b []byte) {
	for rest := b; !c.damaged; {
		i := bytes.Index(rest, tokenMagic)
		if i < 0 {
			break
		}
		if v, ok := parseToken(rest[i:]); ok && c.durable.at(v) == 0 {
			c.fail(oracleUploaded, "%s is in object %s and on no synced medium", v, key)
		}
		rest = rest[i+len(tokenMagic):]
	}
	c.durable.scan(b, c.w.Now())
}

// awaited tells whether some client waits for the answer to a produce.
func (c *Crowd) awaited() bool {
	for _, a := range c.actors {
		for i := range a.batches {
			if !a.batches[i].ended {
				return true
			}
		}
	}
	return false
}

// durableUnanswered tells whether some batch is durable and its client has not heard.
func (c *Crowd) durableUnanswered() bool {
	for _, a := range c.actors {
		for i := range a.batches {
			if s := &a.batches[i]; !s.ended && c.durable.at(s.Values[0]) > 0 {
				return true
			}
		}
	}
	return false
}

// count counts a fault that a client carried out.
func (c *Crowd) count(kind fault.Kind) {
	c.w.CountFault(kind)
	if c.durableUnanswered() {
		c.between[kind]++
	}
}

// fired is how often a kind of fault happened so far.
func (c *Crowd) fired(kind fault.Kind) uint64 { return c.w.Fired()[kind].Count }

func (c *Crowd) faultCounts() []FaultCount {
	var list []FaultCount
	for _, f := range c.w.Fired() {
		list = append(list, FaultCount{f.Fault, f.Count, c.between[f.Fault]})
	}
	return list
}

// asks counts what is asked of metadata until the function it returns is called.
func (c *Crowd) asks() (done func()) {
	c.asking++
	return func() { c.asking-- }
}

// fail ends the run with the finding of an oracle.
func (c *Crowd) fail(oracle, format string, args ...any) { c.w.Fail(blame(oracle, format, args...)) }
