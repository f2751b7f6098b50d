package workload

import (
	"errors"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// run is one plan at work. Everything in it is touched by tasks of the world only, one at a time.
type run struct {
	Crowd
	o      Options
	replay bool // the plan's faults are all that go wrong
	m      *sim.Machine
	node   *node.Node // of the running incarnation, once it serves

	calm        bool // the core is healed
	manual      bool // the kill under way is the run's own
	closing     bool // the world ends
	excuses     int  // faults that may end this incarnation, so far
	stranded    int  // starts that met an outage of the store
	lies        int  // false answers of the store to this incarnation, so far
	faults      fault.Plan
	putKey      string      // of the latest puts of one key …
	putTimes    []host.Time // … and when they began
	ends        []string
	usurped     host.Time // the WAL was taken over from this incarnation; 0 = not
	ahead       bool      // the fence word is ahead of metadata, until the next start
	damages     int
	rings       []RingDamage // carried out, at the instants of their kills
	unwitnessed string       // of the two volumes that know of the cluster, the one that may be damaged; "" = either
	puts        int
	restarts    int
	crash       crashes
	mishaps     mishaps
	audits      audits
	tails       ringTails
}

// Run runs one seed: what it draws, or what the options say instead.
func Run(o Options) *Result {
	s := o.Settings
	if s == nil {
		drawn := Draw(o.Seed)
		s = &drawn
	}
	settings := *s
	if o.Duration > 0 {
		settings.Duration = o.Duration
	}
	p := &Plan{Format: planFormat, Seed: o.Seed, Settings: settings}
	p.Ops = drawOps(p.Seed, &p.Settings)
	return newRun(o, p, false).whole()
}

// Replay runs a plan: its operations and its faults, and nothing else but noise.
func Replay(p Plan, o Options) *Result {
	o.Seed = p.Seed
	return newRun(o, &p, true).whole()
}

// Calls returns how many I/O calls the node makes in a run without crashes.
func Calls(o Options) (uint64, error) {
	s := Draw(o.Seed)
	if o.Settings != nil {
		s = *o.Settings
	}
	s.Duration, s.Crash.Count = o.Duration, 0
	r := newRun(o, &Plan{Seed: o.Seed, Settings: s, Ops: drawOps(o.Seed, &s)}, false)
	defer r.close()
	if err := r.work(); err != nil {
		return 0, err
	}
	return r.m.Calls(), nil
}

func newRun(o Options, p *Plan, replay bool) *run {
	r := &run{o: o, replay: replay}
	r.Crowd.init(p)
	r.acked, r.told, r.state = r.acknowledged, r.vouched, r.nodeState
	s := r.settings
	cfg := sim.Config{
		Seed: p.Seed, Log: o.Log, Sites: o.Sites, ForbidGoroutines: true, Watch: o.Watch,
		Limit: host.Time(30 * time.Minute), Disk: s.Disk, Net: s.Net, Store: s.Store,
		Usurp: r.usurp, Repeat: r.repeats, Spare: r.spare,
	}
	if replay {
		cfg.Plan = p.Faults
	} else {
		cfg.Plan, cfg.Faults = s.Nemesis, s.faults()
	}
	cfg.OnFault = r.onFault
	cfg.OnEvent, cfg.StopAt = o.OnEvent, o.StopAt
	cfg.OnSynced = func(v *sim.Volume, path string, off int64, b []byte) {
		r.durable.scanWrite(v.Name()+"/"+path, b, r.w.Now())
		if s.Beyond != nil {
			r.tails.synced(v, path, off, b)
		}
	}
	cfg.OnPut = func(key string, b []byte) { r.puts++; r.uploaded(key, b) }
	cfg.OnCall = r.onCall
	cfg.OnKill = r.onKill
	r.w = sim.New(cfg)
	r.m = r.w.Machine(nodeMachine)
	r.crash.init(r)
	r.mishaps.init(r)
	r.audits.init(r)
	return r
}

// whole is the run with its phases and the verdict.
func (r *run) whole() *Result {
	defer r.close()
	before := probe.Counts()
	err := r.work()
	if err == nil {
		if r.damaged {
			err = r.finishBeyond()
		} else {
			err = r.finish()
		}
	}
	if err != nil && r.o.Dump != nil {
		err = errors.Join(err, r.w.Dump(r.o.Dump))
	}
	if !r.damaged { // a write that goes astray is durable elsewhere
		r.history.DurableAt = r.durable.list()
	}
	if err == nil {
		r.leaveOutWhatIsLost()
	}
	res := r.result(err, r.least())
	res.Crashes, res.Objects, res.Restarts, res.Ends = r.crash.list, r.puts, r.restarts, r.ends
	res.Audits, res.Probes = int(r.audits.n), since(before)
	if r.o.Record {
		p := *r.plan
		p.Faults, p.Settings.Ring = r.faults, r.rings
		res.Plan = &p
	}
	return res
}

// since is what was hit of the probes since before.
func since(before []probe.Count) []probe.Count {
	list := probe.Counts()
	for i := range list {
		list[i].Hits -= before[i].Hits
	}
	return list
}

func (r *run) close() {
	r.closing = true
	_ = r.w.Close() // its failure is known
}

// least is what a run must have exercised to prove anything.
func (r *run) least() check.Counts {
	if r.settings.Duration < 10*time.Second || r.replay || r.damaged {
		return check.Counts{} // too short, or cut short, to demand anything of each run
	}
	return check.Counts{Acked: 50, AckedRecords: 50, Fetches: 1, ReadRecords: 1, FinalRecords: 50,
		Linearized: 50}
}

// work boots the node and lets the clients work.
func (r *run) work() error {
	r.boot()
	if err := r.createTopic(); err != nil {
		return err
	}
	r.began = r.w.Now()
	r.audits.plan()
	if b := r.settings.Beyond; b != nil && b.At > 0 {
		r.w.After(b.At, r.damageObject)
	}
	r.start()
	if err := r.w.RunUntil(r.began.Add(r.settings.Duration)); err != nil {
		return err
	}
	r.crash.hurry()
	if err := r.w.RunUntil(r.w.Now().Add(50 * time.Millisecond)); err != nil {
		return err
	}
	r.heal()
	return r.finishWork()
}
