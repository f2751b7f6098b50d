package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// write opens or creates a file and writes p at its beginning, without a sync.
func writeShared(h host.Host, sc *host.Scope, name string, p string) (host.Volume, host.File, error) {
	v, err := h.Disk().Volume(sc, "cluster/v")
	if err != nil {
		return nil, nil, err
	}
	f, err := v.Open(name, host.Create)
	if err != nil {
		return nil, nil, err
	}
	_, err = f.WriteAt([]byte(p), 0)
	return v, f, err
}

func TestASharedVolumeIsOneAndSurvivesItsMachines(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer func() { require.NoError(t, w.Close()) }()
	a, b := w.Machine("a"), w.Machine("b")
	require.NoError(t, w.Do(a, func(h host.Host, sc *host.Scope) error {
		v, f, err := writeShared(h, sc, "f", "synced")
		if err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = v.SyncDir("")
		}
		return err
	}))
	a.KillWith(sim.LoseUnsynced)
	require.NoError(t, w.Do(b, func(h host.Host, sc *host.Scope) error {
		v, err := h.Disk().Volume(sc, "cluster/v")
		if err != nil {
			return err
		}
		f, err := v.Open("f", host.ReadOnly)
		if err != nil {
			return err
		}
		p := make([]byte, 6)
		_, err = f.ReadAt(p, 0)
		require.Equal(t, "synced", string(p))
		return err
	}))
	require.Equal(t, []string{"cluster/v"}, w.SharedNames())
	require.Equal(t, a.Volume("cluster/v"), b.Volume("cluster/v"))
}

func TestADeathDecidesOnlyWhatTheDeadMachineWroteToASharedVolume(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer func() { require.NoError(t, w.Close()) }()
	a, b := w.Machine("a"), w.Machine("b")
	files := map[*sim.Machine]host.File{}
	volumes := map[*sim.Machine]host.Volume{}
	for _, m := range []*sim.Machine{a, b} {
		require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) (err error) {
			volumes[m], files[m], err = writeShared(h, sc, m.Name(), "bytes of "+m.Name())
			return err
		}))
	}
	a.KillWith(sim.LoseUnsynced)
	v := w.Shared("cluster/v")
	require.Equal(t, []string{"b"}, v.Files(), "the name that a made is lost, that of b is not")
	require.NoError(t, w.Do(b, func(_ host.Host, _ *host.Scope) error {
		if err := files[b].Sync(); err != nil {
			return err
		}
		return volumes[b].SyncDir("")
	}))
	b.KillWith(sim.LoseUnsynced)
	got, ok := v.Durable("b")
	require.True(t, ok)
	require.Equal(t, "bytes of b", string(got))
}

func TestASharedVolumeThatIsWipedIsLostToEverybody(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer func() { require.NoError(t, w.Close()) }()
	a, b := w.Machine("a"), w.Machine("b")
	for _, m := range []*sim.Machine{a, b} {
		require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			_, _, err := writeShared(h, sc, m.Name(), "bytes")
			return err
		}))
	}
	a.Wipe("cluster/v")
	require.Empty(t, a.Volume("cluster/v").Files())
	require.Equal(t, a.Volume("cluster/v"), b.Volume("cluster/v"))
}
