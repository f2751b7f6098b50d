package drive_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller/drive"
	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestOrphansAreSpreadOverTheSeats(t *testing.T) {
	r := newRig(t, drive.Config{})
	for id := int32(1); id <= 6; id++ {
		r.broker(id, "")
	}
	r.topic("t", 1, 2, 3, 4, 5, 6)
	r.drain(6)
	for id := int32(1); id <= 3; id++ {
		r.fence(id)
	}
	require.Len(t, r.s.Orphans(), 3)
	p := r.plan()
	recovers := map[int32]int{}
	for _, c := range p.Commands {
		if a := c.GetAssignRecoverer(); a != nil {
			recovers[a.GetBroker()]++
		}
	}
	require.Len(t, recovers, 2, "brokers 4 and 5: 6 drains")
	require.Equal(t, 3, recovers[4]+recovers[5])
	require.Empty(t, r.s.Orphans())
	r.fence(4)
	require.NotEmpty(t, r.s.Orphans(), "what 4 recovered waits again")
	r.quiet()
	for _, w := range r.s.WALs() {
		if w.State == metadatapb.WalState_WAL_STATE_RECOVERING {
			require.True(t, w.Held && w.Holder == 5)
		}
	}
}

func TestOrphansWaitUntilSomebodyCanTakeThem(t *testing.T) {
	r := newRig(t, drive.Config{})
	r.broker(1, "")
	r.topic("t", 1)
	r.fence(1)
	r.quiet()
	require.Len(t, r.s.Orphans(), 1)
	e := r.ok(&metadatapb.Register{Broker: 2, Nonce: r.fresh(), Disk: uid(2)}).GetRegister().GetEpoch()
	r.quiet()
	require.Len(t, r.s.Orphans(), 1, "a broker without a WAL of its own could open nothing")
	w := r.fresh()
	r.ok(&metadatapb.CreateWal{Broker: 2, Epoch: e, Wal: w, Volume: uid(2), Capacity: 1 << 20})
	r.ok(&metadatapb.OpenWal{Broker: 2, Epoch: e, Wal: w})
	r.quiet()
	require.Empty(t, r.s.Orphans())
}

func TestUnownedPartitionsGetOwnersAcrossRacks(t *testing.T) {
	r := newRig(t, drive.Config{})
	r.broker(1, "a")
	streams := r.topic("t", 1, 1, 1, 1, 1, 1)
	for _, id := range streams {
		r.seal(id, 10)
	}
	r.drain(1)
	r.quiet()
	require.Len(t, r.s.Unowned(), 6, "nobody can take them")
	r.broker(2, "a")
	r.broker(3, "b")
	r.broker(4, "b")
	r.quiet()
	owners, racks := map[int32]int{}, map[bool]int{}
	for _, id := range streams {
		o := owner(t, r, id)
		owners[o]++
		racks[o == 2]++
	}
	require.Equal(t, 2, racks[true], "a third of the brokers is in rack a")
	require.Equal(t, map[int32]int{2: 2, 3: 2, 4: 2}, owners)
}

func TestAHoleKeepsAPartitionWithoutOwner(t *testing.T) {
	r := newRig(t, drive.Config{})
	r.broker(1, "")
	r.broker(2, "")
	id := r.topic("t", 1)[0]
	r.fence(1)
	r.quiet()
	w := r.s.WALs()[0]
	for _, x := range r.s.WALs() {
		if x.State == metadatapb.WalState_WAL_STATE_RECOVERING {
			w = x
		}
	}
	r.ok(&metadatapb.MarkHole{Wal: w.ID[:], Generation: w.Generation, Stream: id, From: 3, To: -1, Why: "test"})
	r.quiet()
	p, _ := r.s.PartitionOf(id)
	require.True(t, p.Holed && !p.Owned)
}

func TestADrainMovesAFewPartitionsAtATime(t *testing.T) {
	r := newRig(t, drive.Config{Moves: 5, MovesOfOne: 3})
	for id := int32(1); id <= 4; id++ {
		r.broker(id, "")
	}
	a := r.topic("a", 1, 1, 1, 1, 1, 1, 1, 1)
	b := r.topic("b", 2, 2, 2, 2, 2, 2, 2, 2)
	r.drain(1)
	r.drain(2)
	for {
		r.quiet()
		under := map[int32]int{}
		moves := r.s.Moves()
		for _, m := range moves {
			under[m.From]++
			require.True(t, m.To == 3 || m.To == 4)
		}
		require.LessOrEqual(t, len(moves), 5)
		require.LessOrEqual(t, max(under[1], under[2]), 3)
		if len(moves) == 0 {
			break
		}
		require.True(t, len(moves) < 5 || under[1] > 0 && under[2] > 0, "one drain keeps the other waiting: %v", under)
		r.seal(moves[0].Stream, 7)
	}
	owners := map[int32]int{}
	for _, id := range append(a, b...) {
		owners[owner(t, r, id)]++
	}
	require.Equal(t, map[int32]int{3: 8, 4: 8}, owners)
}

func TestWhenAllDrainPartitionsStayForTheirOwnersToSeal(t *testing.T) {
	r := newRig(t, drive.Config{})
	r.broker(1, "")
	r.broker(2, "")
	streams := r.topic("t", 1, 2)
	r.drain(1)
	r.drain(2)
	r.quiet()
	require.Empty(t, r.s.Moves())
	for i, id := range streams {
		require.Equal(t, int32(i+1), owner(t, r, id))
		r.seal(id, 4)
	}
	r.quiet()
	require.Len(t, r.s.Unowned(), 2)
	r.broker(3, "")
	r.quiet()
	require.Equal(t, int32(3), owner(t, r, streams[0]))
	require.Equal(t, int32(3), owner(t, r, streams[1]))
}

func TestWhoDoesNotEndAMoveInTimeIsSuspected(t *testing.T) {
	r := newRig(t, drive.Config{MoveDeadline: 10 * time.Second})
	for id := int32(1); id <= 3; id++ {
		r.broker(id, "")
	}
	id := r.topic("t", 1)[0]
	to := int32(2)
	r.ok(&metadatapb.BeginMove{Stream: id, To: &to})
	require.Empty(t, r.pass(9*time.Second))
	late := r.pass(2 * time.Second)
	require.Len(t, late, 1)
	require.Equal(t, drive.Epoch{Broker: 1, Epoch: r.epoch(1)}, late[0].Epoch)
	require.Empty(t, r.pass(time.Minute), "once")
	r.fence(1)
	require.Empty(t, r.pass(time.Minute), "its move ends with the recovery, whoever is to blame")
	r.broker(4, "")
	move := func(from, to int32) {
		p, _ := r.s.PartitionOf(r.topic(fmt.Sprint("u", to), from)[0])
		r.ok(&metadatapb.BeginMove{Stream: p.Stream, To: &to})
	}
	move(3, 4)
	require.Empty(t, r.pass(5*time.Second))
	r.seal(r.s.Moves()[len(r.s.Moves())-1].Stream, 3)
	require.Empty(t, r.pass(time.Minute), "it was in time")
}

// An operator may begin any number of moves at once: those that wait for their turn are not late, one that is stuck is.
func TestManyMovesOfOneOwnerWaitForTheirTurn(t *testing.T) {
	for _, stuck := range []int{0, 1} {
		r := newRig(t, drive.Config{MoveDeadline: 10 * time.Second})
		r.broker(1, "")
		r.broker(2, "")
		to := int32(2)
		streams := r.topic("t", slices.Repeat([]int32{1}, 240)...)
		for _, id := range streams {
			r.ok(&metadatapb.BeginMove{Stream: id, To: &to})
		}
		late := 0
		for n, id := range streams[stuck:] {
			if r.seal(id, 1); n%8 == 0 {
				late += len(r.pass(time.Second))
			}
		}
		require.Equal(t, stuck, late)
	}
}

func TestALeaderThatWasStoppedBlamesNobodyForIt(t *testing.T) {
	r := newRig(t, drive.Config{MoveDeadline: 10 * time.Second})
	r.broker(1, "")
	r.broker(2, "")
	to := int32(2)
	r.ok(&metadatapb.BeginMove{Stream: r.topic("t", 1)[0], To: &to})
	require.Empty(t, r.plan().Suspects)
	r.now = r.now.Add(time.Hour)
	require.Empty(t, r.plan().Suspects)
	require.NotEmpty(t, r.pass(10*time.Second))
}

func TestWhoOwesForTooLongIsSuspectedOnlyIfOthersUpload(t *testing.T) {
	for _, c := range []struct {
		name             string
		others, progress bool
		late             int
	}{
		{"nobody uploads: it is the store", false, false, 0},
		{"others upload", true, false, 1},
		{"it gets shorter", true, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, drive.Config{OwedDeadline: 10 * time.Second, MoveDeadline: time.Hour})
			for id := int32(1); id <= 3; id++ {
				r.broker(id, "")
			}
			streams := r.topic("t", 1, 2)
			to := int32(3)
			r.ok(&metadatapb.BeginMove{Stream: streams[0], To: &to})
			r.seal(streams[0], 100)
			late := 0
			for n := range int64(30) {
				if c.others {
					r.upload(2, streams[1], 0, n*10, n*10+10)
				}
				if c.progress && n > 0 && n%6 == 0 {
					r.upload(1, streams[0], 0, n/6*10-10, n/6*10)
				}
				late += len(r.pass(time.Second))
			}
			require.Equal(t, c.late, late)
			if late == 0 {
				return
			}
			r.fence(1)
			r.quiet()
			for n := range int64(40) {
				r.upload(2, streams[1], 0, 300+n*10, 310+n*10)
				require.Empty(t, r.pass(time.Second), "the next holder cannot either: it is not the holder")
			}
		})
	}
}

func TestARefusedCommandRests(t *testing.T) {
	r := newRig(t, drive.Config{Tick: time.Second})
	r.broker(1, "")
	id := r.topic("t", 1)[0]
	r.seal(id, 10)
	r.topic("u", 1)
	p := r.d.Decide(r.now, r.s)
	require.Len(t, p.Commands, 1)
	r.d.Refused(p.Commands[0])
	require.Empty(t, r.d.Decide(r.now, r.s).Commands)
	r.now = r.now.Add(900 * time.Millisecond)
	require.Empty(t, r.d.Decide(r.now, r.s).Commands)
	r.now = r.now.Add(200 * time.Millisecond)
	require.Len(t, r.d.Decide(r.now, r.s).Commands, 1)
}

func TestASuspectedBrokerGetsNothing(t *testing.T) {
	r := newRig(t, drive.Config{MoveDeadline: 5 * time.Second})
	for id := int32(1); id <= 2; id++ {
		r.broker(id, "")
	}
	streams := r.topic("t", 1, 2)
	to := int32(2)
	r.ok(&metadatapb.BeginMove{Stream: streams[0], To: &to})
	require.Len(t, r.pass(6*time.Second), 1)
	r.drain(2)
	r.quiet()
	_, moves := r.s.Move(streams[1])
	require.False(t, moves, "1 will be fenced, and there is nobody else")
	r.broker(3, "")
	r.quiet()
	m, moves := r.s.Move(streams[1])
	require.True(t, moves)
	require.Equal(t, int32(3), m.To)
}
