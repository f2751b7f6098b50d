package cluster

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// run is one plan at work. Everything in it is touched by tasks of the world only, one at a time.
type run struct {
	crowd  *workload.Crowd
	o      workload.Options
	plan   *workload.Plan
	set    *workload.Settings
	w      *sim.World
	nodes  []*node
	replay bool

	faults   fault.Plan
	holders  holders
	ledger   *workload.Ledger
	puts     int
	restarts int
	counts   workload.ClusterCounts
	ends     []string
	calm     bool // everything that goes wrong has ended
	closing  bool // the world ends
}

// Run runs one seed: what it draws, or what the options say instead.
func Run(o workload.Options) *workload.Result {
	s := Draw(o.Seed)
	if o.Settings != nil {
		s = *o.Settings
	}
	if o.Duration > 0 {
		s.Duration = o.Duration
	}
	return newRun(o, workload.NewPlan(o.Seed, s), false).whole()
}

// Replay runs a plan: its operations, its strikes and its faults, and nothing else but noise.
func Replay(p workload.Plan, o workload.Options) *workload.Result {
	o.Seed = p.Seed
	return newRun(o, &p, true).whole()
}

func newRun(o workload.Options, p *workload.Plan, replay bool) *run {
	r := &run{crowd: workload.NewCrowd(p), o: o, plan: p, set: &p.Settings, replay: replay}
	r.holders.init(r)
	r.ledger = workload.NewLedger(r.crowd.Fail)
	s := r.set
	cfg := sim.Config{
		Seed: p.Seed, Log: o.Log, Sites: o.Sites, ForbidGoroutines: true, Watch: o.Watch,
		Limit: host.Time(30 * time.Minute), Disk: s.Disk, Net: s.Net, Store: s.Store,
		Repeat: r.crowd.Repeats, Spare: func(string, string, int64, int64) bool { return false },
		StopAt: o.StopAt,
	}
	if replay {
		cfg.Plan = p.Faults
	} else {
		cfg.Plan, cfg.Faults = s.Nemesis, s.Faults()
	}
	cfg.OnEvent, cfg.OnFault, cfg.OnKill = o.OnEvent, r.onFault, r.onKill
	cfg.OnSynced, cfg.OnCall = r.onSynced, r.onCall
	cfg.OnPut = func(key string, b []byte) { r.puts++; r.crowd.Uploaded(key, b) }
	r.w = sim.New(cfg)
	var lead []string
	for i := range s.Cluster.Nodes {
		n := &node{r: r, ClusterNode: &s.Cluster.Nodes[i]}
		n.m = r.w.Machine(n.Name)
		r.nodes = append(r.nodes, n)
		if n.Broker {
			lead = append(lead, n.kafka())
		}
	}
	r.crowd.Enter(r.w, lead, s.Cluster.Hints, workload.CrowdHooks{Acked: r.acked, State: r.state})
	return r
}

// whole is the run with its phases and the verdict.
func (r *run) whole() *workload.Result {
	defer r.close()
	before := probe.Counts()
	err := r.work()
	if err == nil {
		err = r.finish()
	}
	if err != nil && r.o.Dump != nil {
		err = errors.Join(err, r.w.Dump(r.o.Dump))
	}
	res := r.crowd.Result(err, r.least(), before)
	res.Objects, res.Restarts, res.Ends = r.puts, r.restarts, r.ends
	r.counts.Takeovers = r.holders.takes
	res.Cluster, res.Audits = &r.counts, r.ledger.Audits()
	if r.o.Record {
		p := *r.plan
		p.Faults = r.faults
		res.Plan = &p
	}
	return res
}

func (r *run) close() {
	r.closing = true
	_ = r.w.Close() // its failure is known
}

// least is what a run must have exercised to prove anything.
func (r *run) least() check.Counts {
	if r.set.Duration < 10*time.Second || r.replay {
		return check.Counts{}
	}
	return check.Counts{Acked: 50, AckedRecords: 50, Fetches: 1, ReadRecords: 1, FinalRecords: 50, Linearized: 50}
}

// work boots the nodes and lets the clients work.
func (r *run) work() error {
	for _, n := range r.nodes {
		if n.Late == 0 {
			n.boot()
		}
	}
	if err := r.crowd.Create(); err != nil {
		return r.explained(err)
	}
	began := r.crowd.Began()
	for _, n := range r.nodes {
		if n.Late > 0 {
			r.w.After(host.Time(n.Late), n.boot)
		}
	}
	r.planStrikes()
	r.planAudits()
	r.crowd.Start()
	if err := r.w.RunUntil(began.Add(r.set.Duration)); err != nil {
		return err
	}
	r.heal()
	return r.crowd.FinishWork()
}

// explained adds what the nodes say of themselves.
func (r *run) explained(err error) error {
	if r.w.Err() != nil {
		return err
	}
	return fmt.Errorf("%w\n%s%s", err, r.state(), r.w.Tasks())
}

// onFault is called with each fault that is carried out.
func (r *run) onFault(s fault.Step) {
	r.crowd.Struck(s.Kind)
	if s.Kind != fault.Crash { // the strikes of the settings bring those about, in a replay too
		r.faults = append(r.faults, s)
	}
	machine, _, _ := strings.Cut(s.Target, ":")
	for _, n := range r.nodes {
		if machine == n.Name && workload.Ends(s.Kind) {
			n.excuses++
		}
		n.drifted = n.drifted || machine == n.Name && s.Kind == fault.ClockDrift
	}
}

// acked is told that a client heard that its batch is in the log.
func (r *run) acked(op *check.Op) {
	r.ledger.Acked(op)
	r.holders.acked(op)
}

// onSynced is called with what a sync made durable.
func (r *run) onSynced(v *sim.Volume, path string, _ int64, b []byte) {
	if !strings.HasPrefix(v.Name(), sim.Shared) {
		return
	}
	if strings.HasSuffix(path, ".fence") {
		r.holders.word(b)
		return
	}
	r.holders.syncs(v, path, b)
}
