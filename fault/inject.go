package fault

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

// Injector carries one plan out on one host. Give Host to the code under test instead of the host, and Store around
// each object store; time 0 of the plan is when the Injector was made.
type Injector struct {
	h       host.Host
	machine string
	start   host.Time
	fired   [kindCount]atomic.Uint64
	volumes map[string]*volume // guarded by mu
	wall    wallClock
	storm   atomic.Uint64 // calls that met a storm

	mu       host.Mutex // guards schedule
	schedule *Schedule
	absent   [kindCount]bool // no step of the kind: fixed at birth, asked without the lock
}

// NewInjector returns an injector of p on h, whose name in targets is machine. It refuses a plan with kinds that
// cannot be carried out on a host from the outside, and names them.
func NewInjector(h host.Host, p Plan, machine string) (*Injector, error) {
	if err := CheckReal(p, machine); err != nil {
		return nil, err
	}
	i := &Injector{
		h: h, machine: machine, start: h.Now(), schedule: NewSchedule(p), volumes: map[string]*volume{},
	}
	i.mu.Init(h)
	for k := range kindCount {
		i.absent[k] = !i.schedule.Has(k)
	}
	i.wall.init(i.schedule)
	var drifts Plan
	for _, s := range i.schedule.Windows() {
		if s.Kind == ClockDrift {
			drifts = append(drifts, s)
		}
	}
	if drifts == nil {
		return i, nil
	}
	d, ok := h.(drifter)
	if !ok {
		return nil, &UnsuitedError{drifts, "this host's clock cannot be made to drift; leave " + ClockDrift.String() + " out"}
	}
	i.drift(d, drifts)
	return i, nil
}

// Wrap returns h as the plan lets the machine called machine see it.
func Wrap(h host.Host, p Plan, machine string) (host.Host, error) {
	i, err := NewInjector(h, p, machine)
	if err != nil {
		return nil, err
	}
	return i.Host(), nil
}

// UnsuitedError is the error for a plan that asks for what a host cannot be made to do from the outside.
type UnsuitedError struct {
	Steps Plan // the steps in question
	Text  string
}

func (e *UnsuitedError) Error() string { return "fault: " + e.Text }

// CheckReal returns an *UnsuitedError unless every step of p can be carried out on the machine called machine.
func CheckReal(p Plan, machine string) error {
	var unreal, lost Plan
	var kinds, targets []string
	for _, s := range p {
		info := s.Kind.Info()
		switch {
		case !info.Real:
			unreal, kinds = append(unreal, s), appendOnce(kinds, info.ID)
		case !onMachine(s, machine):
			lost, targets = append(lost, s), appendOnce(targets, fmt.Sprintf("%s strikes %s, not %s",
				info.ID, info.On.example(machine), formatTarget(s.Target)))
		}
	}
	switch {
	case len(unreal) > 0:
		return &UnsuitedError{unreal, "a real process cannot carry out " + strings.Join(kinds, ", ") +
			"; leave such steps out: the simulator alone carries them out"}
	case len(lost) > 0:
		return &UnsuitedError{lost, strings.Join(targets, "; ")}
	}
	return nil
}

func appendOnce(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}

// onMachine reports whether the step's target is one that its kind can have on the machine.
func onMachine(s Step, machine string) bool {
	if s.Target == Any {
		return true
	}
	switch s.Kind.Info().On {
	case OnMachine:
		return s.Target == machine
	case OnVolume:
		return strings.HasPrefix(s.Target, machine+":")
	case OnLink:
		from, to, ok := strings.Cut(s.Target, ">")
		return ok && (from == machine) != (to == machine)
	case OnStore:
		return s.Target == StoreTarget
	}
	return s.Kind.Info().On == OnSite
}

// example says how a target reads.
func (t Target) example(machine string) string {
	return [...]string{
		OnMachine: "the machine " + machine, OnVolume: "a volume such as " + machine + ":wal",
		OnLink: "a link such as clients>" + machine, OnStore: StoreTarget,
		OnSite: "a place in the code", OnClient: "a client",
	}[t]
}

// StoreTarget is the target of steps that strike the object store.
const StoreTarget = "store"

// Count is how often a kind has struck.
type Count struct {
	Kind  Kind   `json:"kind"`
	Fired uint64 `json:"fired"`
}

// Fired returns how often each kind has struck, in the order of the catalogue, without those that have not.
func (i *Injector) Fired() []Count {
	var list []Count
	for k := range kindCount {
		if n := i.fired[k].Load(); n > 0 {
			list = append(list, Count{k, n})
		}
	}
	return list
}

// Unfired returns the steps that have not struck so far.
func (i *Injector) Unfired() Plan {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.schedule.Unfired()
}

// now is the time of the plan.
func (i *Injector) now() host.Time { return host.Time(i.h.Now().Sub(i.start)) }

// strikes counts an opportunity and tells of it when it is struck. detail says where, for people.
func (i *Injector) strikes(target string, kind Kind, detail string) (Step, bool) {
	if i.absent[kind] {
		return Step{}, false
	}
	s, ok := i.ask(target, kind)
	if ok {
		i.tell(s, target, detail)
	}
	return s, ok
}

func (i *Injector) ask(target string, kind Kind) (Step, bool) {
	now := i.now()
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.schedule.Strikes(now, target, kind)
}

// wants reports whether a step of the kind may still strike the target.
func (i *Injector) wants(target string, kind Kind) bool {
	if i.absent[kind] {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.schedule.Wants(target, kind)
}

// open returns the window of (target, kind) that is open, and how long it stays so. The first look is told of.
func (i *Injector) open(target string, kind Kind) (Step, time.Duration, bool) {
	if i.absent[kind] {
		return Step{}, 0, false
	}
	s, first, ok := i.look(target, kind)
	if !ok {
		return s, 0, false
	}
	if first {
		i.tell(s, target, "until "+time.Duration(s.Ends()).String())
	}
	return s, max(0, s.Ends().Sub(i.now())), true
}

func (i *Injector) look(target string, kind Kind) (s Step, first, ok bool) {
	now := i.now()
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.schedule.carried
	s, ok = i.schedule.Active(now, target, kind)
	return s, i.schedule.carried > before, ok
}

func (i *Injector) tell(s Step, target, detail string) {
	i.fired[s.Kind].Add(1)
	i.h.Log().Warn("injected fault "+s.Kind.String(), slog.String("target", target), slog.String("at", detail),
		slog.String("step", s.String()))
}

// pause lets a call take d more. A disk call cannot be cancelled, so nothing but the machine's death ends it.
func (i *Injector) pause(d time.Duration) error { return i.h.Sleep(nil, d) }
