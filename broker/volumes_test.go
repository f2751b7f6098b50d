package broker_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// sickCloud is a provider of volumes that often fails, answers too late, or says nothing although it did its work.
var sickCloud = sim.CloudConfig{Attach: 800 * time.Millisecond, Detach: 1500 * time.Millisecond,
	Fails: 0.15, Late: 0.2, Lost: 0.15}

func volumeOf(r *cluster, m *member) string { return "cluster/" + r.walOf(m).Volume.String() }

// TestAVolumeOfOneMachineIsTakenFromTheDead: the next owner finds every record in a volume that only one machine has
// at a time, and what was recovered is deleted.
func TestAVolumeOfOneMachineIsTakenFromTheDead(t *testing.T) {
	var total sim.CloudCounts
	for seed := uint64(1); seed <= 6; seed++ {
		r := newClusterOn(t, 3, seed, nil, &sickCloud)
		r.drive()
		r.fill(r.broker(1), 6)
		for round := range 2 {
			m := r.settles()
			name, id := volumeOf(r, m), r.walOf(m).ID
			require.Equal(t, m.m, r.cloud.Holder(name), "seed %d: who writes a WAL has its volume", seed)
			r.kill(m)
			r.until(2*time.Minute, "the WAL is released", func() bool { return r.released(id) })
			r.holds(r.settles(), 6)
			r.until(2*time.Minute, "its volume is deleted", func() bool {
				return !slices.Contains(r.w.SharedNames(), name)
			})
			r.begin(m)
			r.serves(m)
			require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Second)), "round %d", round)
		}
		n := r.cloud.Counts()
		total.Late, total.Failed, total.Lost = total.Late+n.Late, total.Failed+n.Failed, total.Lost+n.Lost
	}
	require.True(t, total.Late > 5 && total.Failed > 5 && total.Lost > 5, "the cloud was sick: %+v", total)
}

// TestAHolderWhoseVolumeWasTakenAcknowledgesNothing: it is paused past its lease, its volume goes to another machine,
// and when it goes on its I/O fails.
func TestAHolderWhoseVolumeWasTakenAcknowledgesNothing(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		r := newClusterOn(t, 3, seed, nil, &sickCloud)
		r.drive()
		r.fill(r.broker(1), 6)
		m := r.settles()
		name, id, fenced := volumeOf(r, m), r.walOf(m).ID, false
		m.m.Pause(20 * time.Second)
		r.until(2*time.Minute, "its WAL is taken over", func() bool {
			has := r.cloud.Holder(name)
			return has != nil && has != m.m || r.released(id)
		})
		r.until(time.Minute, "it ends", func() bool { return m.ended != nil })
		for _, why := range []error{broker.ErrFenced, wal.ErrFenced, host.ErrIO} {
			fenced = fenced || errors.Is(m.ended, why)
		}
		require.True(t, fenced, "seed %d: %v", seed, m.ended)
		m.b = nil
		r.holds(r.settles(), 6)
		require.Positive(t, r.cloud.Counts().Stolen)
	}
}

// TestARestartAttachesItsVolumeAgain: nobody recovered it meanwhile, and it goes on in the same ring.
func TestARestartAttachesItsVolumeAgain(t *testing.T) {
	r := newClusterOn(t, 2, 3, nil, &sickCloud)
	r.fill(r.broker(1), 3)
	m := r.broker(1)
	id := r.walOf(m).ID
	r.kill(m)
	r.begin(m)
	r.serves(m)
	require.Equal(t, id, r.walOf(m).ID)
	require.Equal(t, m.m, r.cloud.Holder(volumeOf(r, m)))
}

// TestAnOwnerTakesItsVolumeBackFromADeadRecoverer: metadata gave it its WAL back, whose volume is elsewhere.
func TestAnOwnerTakesItsVolumeBackFromADeadRecoverer(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		r := newClusterOn(t, 2, seed, nil, &sickCloud)
		r.fill(r.broker(1), 4)
		owner, other := r.broker(1), r.broker(2)
		name, id := volumeOf(r, owner), r.walOf(owner).ID
		r.kill(owner)
		r.orphaned(id)
		r.assign(id, other)
		r.until(time.Minute, "the recoverer has the volume", func() bool { return r.cloud.Holder(name) == other.m })
		r.kill(other)
		r.orphaned(id)
		r.begin(owner)
		r.serves(owner)
		require.Equal(t, id, r.walOf(owner).ID)
		require.Equal(t, owner.m, r.cloud.Holder(name))
	}
}
