package sim_test

import (
	"testing"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/hosttest"
	"github.com/weirmq/weir/sim"
)

// simulated is one machine of a world of its own.
type simulated struct{ w *sim.World }

func (s simulated) Run(fn func(h host.Host, sc *host.Scope)) error {
	m := s.w.Machine("m")
	err := s.w.Do(m, func(h host.Host, sc *host.Scope) error {
		fn(h, sc)
		return nil
	})
	m.KillWith(sim.KeepUnsynced)
	if err == nil {
		err = s.w.Err()
	}
	return err
}

func TestSimulatedMachineKeepsTheContract(t *testing.T) {
	for seed := range uint64(3) {
		hosttest.Run(t, func(t *testing.T) hosttest.Runner {
			w := sim.New(sim.Config{Seed: seed})
			t.Cleanup(func() { w.Close() })
			return simulated{w}
		})
	}
}
