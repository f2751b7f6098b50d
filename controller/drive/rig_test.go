package drive_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller/drive"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
}

// rig is metadata and its decider, with scripted brokers.
type rig struct {
	t     failer
	s     *metadata.State
	d     *drive.Decider
	now   host.Time
	index uint64
	seq   uint64
	uuids byte
}

func newRig(t failer, cfg drive.Config) *rig {
	r := &rig{t: t, s: metadata.NewState(), d: drive.New(cfg), now: 1}
	r.ok(&metadatapb.InitCluster{ClusterId: uid(0xC1), Format: metadata.FormatVersion})
	return r
}

func uid(n byte) []byte {
	b := make([]byte, 16)
	b[0], b[15] = n, n
	return b
}

// fresh returns a uuid that was not used yet.
func (r *rig) fresh() []byte {
	r.uuids++
	return uid(r.uuids)
}

func (r *rig) apply(cmd *metadatapb.Command) *metadatapb.Result {
	r.t.Helper()
	r.index++
	cmd.WallMs, cmd.Term = 1_700_000_000_000, 1
	back, err := metadata.DecodeCommand(metadata.EncodeCommand(cmd))
	require.NoError(r.t, err)
	res := r.s.Apply(r.index, 1, back)
	require.NoError(r.t, r.s.Check())
	return res
}

func (r *rig) do(body any) *metadatapb.Result {
	r.t.Helper()
	return r.apply(metadata.NewCommand(body))
}

func (r *rig) ok(body any) *metadatapb.Result {
	r.t.Helper()
	res := r.do(body)
	require.Equal(r.t, metadatapb.Refusal_REFUSAL_NONE.String(), res.GetRefusal().String(), res.GetDetail())
	return res
}

// broker registers a broker with an open WAL.
func (r *rig) broker(id int32, rack string) {
	r.t.Helper()
	e := r.ok(&metadatapb.Register{Broker: id, Nonce: r.fresh(), Disk: uid(byte(id)), Rack: rack}).GetRegister().GetEpoch()
	w := r.fresh()
	r.ok(&metadatapb.CreateWal{Broker: id, Epoch: e, Wal: w, Volume: uid(byte(id)), Capacity: 1 << 20})
	r.ok(&metadatapb.OpenWal{Broker: id, Epoch: e, Wal: w})
}

func (r *rig) epoch(id int32) int64 {
	b, _ := r.s.Broker(id)
	return b.Epoch
}

func (r *rig) fence(id int32) {
	r.t.Helper()
	r.ok(&metadatapb.Fence{Broker: id, Epoch: r.epoch(id)})
}

func (r *rig) drain(id int32) {
	r.t.Helper()
	r.ok(&metadatapb.Drain{Broker: id, Epoch: r.epoch(id)})
}

// topic creates a topic with a partition for each owner and returns their streams.
func (r *rig) topic(name string, owners ...int32) []uint64 {
	r.t.Helper()
	r.ok(&metadatapb.CreateTopic{Name: name, Id: r.fresh(), Nonce: r.fresh(), Owners: owners})
	tp, _ := r.s.TopicByName(name)
	return tp.Streams
}

// held returns the WAL that a broker writes.
func (r *rig) held(id int32) metadata.WAL {
	r.t.Helper()
	for _, w := range r.s.WALs() {
		if w.Held && w.Holder == id && w.State == metadatapb.WalState_WAL_STATE_OPEN {
			return w
		}
	}
	r.t.Errorf("broker %d has no open WAL", id)
	r.t.FailNow()
	return metadata.WAL{}
}

// seal ends a move, or gives a partition up, as its owner.
func (r *rig) seal(stream uint64, end int64) {
	r.t.Helper()
	p, _ := r.s.PartitionOf(stream)
	c := &metadatapb.SealAndOpen{Stream: stream, LeaderEpoch: p.LeaderEpoch, End: end}
	if m, moves := r.s.Move(stream); moves && !m.Nobody {
		c.To = &m.To
	}
	r.ok(c)
}

// upload commits a stream's range on a broker's WAL up to an offset, and trims the WAL.
func (r *rig) upload(id int32, stream uint64, epoch int32, from, to int64) {
	r.t.Helper()
	w := r.held(id)
	r.seq++
	r.ok(&metadatapb.CommitObject{
		Broker: id, Epoch: r.epoch(id), Wal: w.ID[:], Generation: w.Generation, Seq: r.seq, Size: 100, Crc: 1,
		WalTrim: w.Trim + 4096,
		Entries: []*metadatapb.CommitEntry{{Stream: stream, LeaderEpoch: epoch, Start: from, End: to, Checkpoint: true}},
	})
}

// plan decides, and applies what was decided; every command must be taken.
func (r *rig) plan() drive.Plan {
	r.t.Helper()
	p := r.d.Decide(r.now, r.s)
	for _, c := range p.Commands {
		res := r.apply(c)
		require.Equal(r.t, metadatapb.Refusal_REFUSAL_NONE.String(), res.GetRefusal().String(), res.GetDetail())
	}
	return p
}

// quiet asks for plans until there is none any more.
func (r *rig) quiet() {
	r.t.Helper()
	for range 1000 {
		if p := r.plan(); len(p.Commands)+len(p.Suspects) == 0 {
			return
		}
	}
	r.t.Errorf("Quiescent: a plan is followed by another for ever")
	r.t.FailNow()
}

// pass lets time go by, looking every now and then, and returns who was suspected.
func (r *rig) pass(d time.Duration) []drive.Suspect {
	r.t.Helper()
	var list []drive.Suspect
	for end := r.now.Add(d); r.now < end; {
		r.now = min(end, r.now.Add(200*time.Millisecond))
		list = append(list, r.plan().Suspects...)
	}
	return list
}

func owner(t *testing.T, r *rig, stream uint64) int32 {
	t.Helper()
	p, _ := r.s.PartitionOf(stream)
	require.True(t, p.Owned, "stream %d has no owner", stream)
	return p.Owner
}
