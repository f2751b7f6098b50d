package drive

import (
	"errors"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Leader is the controller of this node. Its methods may be called from any task.
type Leader interface {
	// Leads reports whether it leads, with everything applied that was committed before, and its term.
	Leads() (bool, uint64)
	// ProposeIn proposes in one term or not at all. Errors: not proposed, or the outcome is unknown.
	ProposeIn(sc *host.Scope, cmd *metadatapb.Command, term uint64) (*metadatapb.Result, error)
	// Suspect ends a broker epoch in time: it gets no lease any more, and is fenced when its last has run out.
	// It is forgotten with the leadership.
	Suspect(sc *host.Scope, broker int32, epoch int64) error
	// Read and Wait are as of metadata.Service.
	Read(fn func(*metadata.State))
	Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error)
}

// watchEvery is how soon a leadership is noticed.
const watchEvery = 50 * time.Millisecond

// Run drives the cluster while c leads, until sc ends or c does.
func Run(sc *host.Scope, h host.Host, c Leader, cfg Config) error {
	cfg.fill()
	for {
		if leads, term := c.Leads(); leads {
			probe.Hit(probe.DriveLeads)
			l := &leadership{h: h, c: c, term: term, cfg: cfg, decider: New(cfg)}
			if err := l.run(sc); err != nil {
				return err
			}
		}
		if err := h.Sleep(sc, watchEvery); err != nil {
			return err
		}
	}
}

// leadership is one term in which this member leads.
type leadership struct {
	h       host.Host
	c       Leader
	term    uint64
	cfg     Config
	decider *Decider
}

// leads tells whether the term lasts.
func (l *leadership) leads() bool {
	leads, term := l.c.Leads()
	return leads && term == l.term
}

// run returns nil when the leadership is over.
func (l *leadership) run(sc *host.Scope) error {
	for l.leads() {
		var plan Plan
		var index uint64
		l.c.Read(func(s *metadata.State) {
			index, _ = s.Index()
			plan = l.decider.Decide(l.h.Now(), s)
		})
		for _, x := range plan.Suspects {
			probe.Hit(probe.DriveSuspects)
			l.h.Log().Warn("a broker is suspected and will be fenced", "broker", x.Broker, "epoch", x.Epoch.Epoch,
				"why", x.Why)
			if err := l.c.Suspect(sc, x.Broker, x.Epoch.Epoch); err != nil && sc.Err() != nil {
				return err
			}
		}
		if len(plan.Commands) > 0 {
			l.propose(sc, plan.Commands)
			continue
		}
		_, err := l.c.Wait(sc, index, l.h.Now().Add(l.cfg.Tick))
		if err != nil && (sc.Err() != nil || !errors.Is(err, host.ErrTimeout)) {
			return err
		}
	}
	return nil
}

// propose proposes all commands at once, so that they go into few entries, and waits for their answers.
func (l *leadership) propose(sc *host.Scope, list []*metadatapb.Command) {
	g := host.NewGroup(l.h, sc)
	refused := make([]bool, len(list))
	for i, cmd := range list {
		g.Go("drive.propose", func(sc *host.Scope) error {
			r, err := l.c.ProposeIn(sc, cmd, l.term)
			refused[i] = err != nil || r.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE
			if err == nil && refused[i] {
				probe.Hit(probe.DriveRefused)
				l.h.Log().Info("a decision is refused", "command", cmd.String(), "why", r.GetDetail())
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	for i, cmd := range list {
		if refused[i] {
			l.decider.Refused(cmd)
		}
	}
}
