package fault_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/hosttest"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/filestore"
	"github.com/weirmq/weir/objectstore/storetest"
	"github.com/weirmq/weir/sim"
)

// idle is a plan with a step of every real kind, none of which ever comes to its turn: the wrappers run through all
// that they have, and must change nothing.
func idle() fault.Plan {
	var p fault.Plan
	for _, k := range fault.Kinds() {
		if k.Info().Real {
			p = append(p, fault.Step{At: 1 << 60, Target: fault.Any, Kind: k})
		}
	}
	return p
}

// real runs incarnations of this machine, each under the plan.
type real struct {
	data string
	plan fault.Plan
}

func (m real) Run(fn func(h host.Host, sc *host.Scope)) error {
	h, err := oshost.New(oshost.Config{Data: m.data, Node: "n1", Log: slog.DiscardHandler})
	if err != nil {
		return err
	}
	wrapped, err := fault.Wrap(h, m.plan, "n1")
	if err != nil {
		return err
	}
	sc, cancel := h.Root().Task("test")
	defer cancel()
	result := make(chan error, 1)
	go func() { // not Host.Go, which ends the process when fn panics
		defer func() {
			if v := recover(); v != nil {
				result <- fmt.Errorf("panic: %v", v)
				return
			}
			result <- nil
		}()
		fn(wrapped, sc)
	}()
	err = <-result
	h.Close(nil)
	h.Wait()
	return err
}

// simulated runs incarnations of a machine of a world of its own, each under the plan.
type simulated struct {
	w    *sim.World
	plan fault.Plan
}

func (s simulated) Run(fn func(h host.Host, sc *host.Scope)) error {
	m := s.w.Machine("m")
	err := s.w.Do(m, func(h host.Host, sc *host.Scope) error {
		wrapped, err := fault.Wrap(h, s.plan, "m")
		if err == nil {
			fn(wrapped, sc)
		}
		return err
	})
	m.KillWith(sim.KeepUnsynced)
	if err == nil {
		err = s.w.Err()
	}
	return err
}

func TestAWrappedMachineKeepsTheContract(t *testing.T) {
	for name, plan := range map[string]fault.Plan{"no steps": nil, "steps that never come": idle()} {
		t.Run("real/"+name, func(t *testing.T) {
			hosttest.Run(t, func(t *testing.T) hosttest.Runner { return real{t.TempDir(), plan} })
		})
		t.Run("simulated/"+name, func(t *testing.T) {
			hosttest.Run(t, func(t *testing.T) hosttest.Runner {
				w := sim.New(sim.Config{Seed: 1})
				t.Cleanup(func() { w.Close() })
				return simulated{w, slices.DeleteFunc(slices.Clone(plan), func(s fault.Step) bool {
					return s.Kind == fault.ClockDrift // the world moves a simulated machine's clock, not a wrapper
				})}
			})
		})
	}
}

func TestAWrappedStoreKeepsTheContract(t *testing.T) {
	for name, plan := range map[string]fault.Plan{"no steps": nil, "steps that never come": idle()} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, task storetest.Task) {
				onDisk(t, plan, func(m *machine) {
					require.NoError(t, task(m.root, m.h, m.store))
				})
			})
		})
	}
}

// machine is this machine under a plan, with a file store that lies on it.
type machine struct {
	h     host.Host
	under *oshost.Host // without the plan
	i     *fault.Injector
	root  *host.Scope
	vol   host.Volume // "n1:v", under the plan
	store objectstore.Store
	files objectstore.Store // the same one without the plan
	start host.Time         // no later than the plan's time 0
	said  *logged
	dir   string // of the volume
}

// onDisk runs fn on a machine under plan, whose times begin when everything is set up.
func onDisk(t *testing.T, plan fault.Plan, fn func(*machine)) {
	t.Helper()
	said := &logged{}
	dir := t.TempDir()
	h, err := oshost.New(oshost.Config{Data: dir, Log: said})
	require.NoError(t, err)
	defer h.Wait()
	defer h.Close(nil)
	m := &machine{under: h, root: h.Root(), said: said, dir: filepath.Join(dir, "v")}
	plain, err := h.Disk().Volume(m.root, "s")
	require.NoError(t, err)
	m.files, err = filestore.New(h, plain, "", "test")
	require.NoError(t, err)
	_, err = h.Disk().Volume(m.root, "v")
	require.NoError(t, err)

	m.start = h.Now()
	m.i, err = fault.NewInjector(h, plan, "n1")
	require.NoError(t, err)
	m.h, m.store = m.i.Host(), m.i.Store(m.files)
	m.vol, err = m.h.Disk().Volume(m.root, "v")
	require.NoError(t, err)
	fn(m)
}
