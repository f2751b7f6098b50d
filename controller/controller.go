package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/wal"
)

// Controller is one member of the group that keeps the cluster's metadata.
type Controller struct {
	h      host.Host
	cfg    Config
	lock   io.Closer
	member uint64 // Raft id
	volume metadata.UUID
	queue  host.Queue[event]
	done   host.Future[struct{}] // the raft task has ended
	led    host.Future[struct{}] // this member leads for the first time, or the task has ended
	closed atomic.Bool
	term   atomic.Uint64
	leads  atomic.Bool
	leader atomic.Uint64 // who leads, 0 if nobody is known to

	cluster metadata.UUID

	mu      host.Mutex // guards the fields below
	moved   host.Cond  // the applied index, or err
	state   *metadata.State
	err     error             // why nothing is applied any more
	shown   []api.Member      // who the members are; replaced, never changed
	heardOf map[uint64]string // where members are that sent something
	signs   map[int32]sign    // of brokers
	kept    api.Part          // the snapshot that was last asked for

	// The raft task's own.
	node        *raft.RawNode
	disk        *disklog
	st          *storage
	applied     uint64
	incarnation uint64
	seq         uint64
	pending     map[uint64]*proposal // by seq

	roll        []member          // as of applied
	confAt      uint64            // where the newest membership came into force
	replayed    *raftpb.ConfState // that membership, as it was read back
	goals       []*goal
	ticks       uint64
	changeAt    uint64 // the tick at which a change of membership was proposed that has not come back; 0 = none
	ticking     bool
	snapshotNow bool
	reports     []report // of snapshots that could not even be sent
	session
}

var _ metadata.Service = (*Controller)(nil)

// event is what the raft task is woken by; one field is set.
type event struct {
	proposal *proposal
	msg      *raftpb.Message
	tick     bool
	report   *report

	read        *read
	beat        *beat
	goal        *goal
	follow      *following
	transfer    uint64
	suspect     lease.Epoch // unless it is zero: epochs begin with 1
	unreachable uint64
	died        error // the log, of this
}

type report struct {
	member    uint64
	delivered bool
}

// proposal is a command on its way through the log. Its entry is incarnation, seq and the command.
type proposal struct {
	data   []byte
	term   uint64 // propose it in this term or not at all; 0 = in any
	future host.Future[*metadatapb.Result]
}

// proposalHeader is what stands before the command in an entry: who waits for it.
const proposalHeader = 16

// Open starts a member: on a blank volume a new cluster of one, or with Config.Join a member that waits to be
// added, else from the log that is there. A single member leads, and the cluster has its id, when Open returns; one
// of several may know nothing yet. Its tasks run in sc. Errors name the volume;
// nothing of it was changed if they are ErrInUse or ErrForeign.
func Open(sc *host.Scope, h host.Host, cfg Config) (*Controller, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	c := &Controller{h: h, cfg: cfg, pending: map[uint64]*proposal{}, heardOf: map[uint64]string{}}
	c.signs = map[int32]sign{}
	if cfg.Pool != nil {
		c.cfg.Transport = &peers{c, sc}
		c.grants = lease.NewGrants(cfg.Lease)
	}
	c.queue.Init(h, queueLength)
	o, err := openLog(sc, h, &cfg, c.logDied)
	if err != nil {
		return nil, err
	}
	c.lock, c.member, c.volume, c.cluster = o.lock, memberOf(o.volume), o.volume, o.cluster
	c.state, c.disk, c.st = o.replay.state, o.disk, o.replay.st
	c.roll, c.confAt, c.replayed = o.replay.roll, o.replay.confAt, o.replay.conf
	c.done.Init(h)
	c.led.Init(h)
	c.mu.Init(h)
	c.moved.Init(h, &c.mu)
	if err := c.start(sc, o); err != nil {
		c.abandon(sc)
		return nil, err
	}
	return c, nil
}

// logDied ends a controller that would else hear of its log's death with the next append only.
func (c *Controller) logDied(err error) { c.queue.TryPush(event{died: err}) }

func (c *Controller) start(sc *host.Scope, o *opened) error {
	if o.replay.blank {
		c.st.conf = &raftpb.ConfState{Voters: []uint64{c.member}}
		if len(c.cfg.Join) > 0 {
			c.st.conf = &raftpb.ConfState{} // the leader's snapshot tells
		}
		c.replayed = c.st.conf
		if err := c.disk.saveConf(sc, 0, c.st.conf); err != nil {
			return fmt.Errorf("controller: record the membership on volume %s: %w", c.cfg.Volume, err)
		}
	}
	var incarnation [8]byte
	c.h.Secret(incarnation[:])
	c.incarnation = binary.LittleEndian.Uint64(incarnation[:])
	c.applied = c.st.base
	c.st.capture = c.capture
	c.shown = membersOf(c.roll, c.st.conf)
	node, err := raft.NewRawNode(&raft.Config{
		ID: c.member, ElectionTick: electionTicks, HeartbeatTick: heartbeatTicks,
		Storage: c.st, Applied: c.applied,
		MaxSizePerMsg: 1 << 20, MaxUncommittedEntriesSize: maxUncommitted, MaxInflightMsgs: 256,
		CheckQuorum: true, PreVote: true, StepDownOnRemoval: true,
		ReadOnlyOption: raft.ReadOnlySafe, DisableProposalForwarding: true,
		Logger: raftLogger{c.h.Log()},
	})
	if err != nil {
		return fmt.Errorf("controller: start raft: %w", err)
	}
	c.node = node
	alone := c.aloneIn(c.replayed)
	c.wake(sc)
	c.h.Go(sc, "controller.raft", c.run)
	if c.cfg.Pool != nil {
		c.h.Go(sc, "controller.join", c.join)
	}
	if !alone {
		return nil
	}
	if _, err := c.led.Wait(sc, 0); err != nil {
		return fmt.Errorf("controller: become leader: %w", err)
	}
	return c.found(sc, o.cluster)
}

// found gives a new cluster its id, and checks that of an old one.
func (c *Controller) found(sc *host.Scope, cluster metadata.UUID) error {
	var known metadata.UUID
	c.Read(func(s *metadata.State) { known, _ = s.Cluster() })
	if !known.IsZero() && known != cluster {
		return fmt.Errorf("%w: volume %s says %s, its log %s", ErrForeign, c.cfg.Volume, cluster, known)
	}
	if !known.IsZero() {
		return nil
	}
	r, err := c.Propose(sc, &metadatapb.Command{Body: &metadatapb.Command_InitCluster{
		InitCluster: &metadatapb.InitCluster{ClusterId: cluster[:], Format: metadata.FormatVersion},
	}})
	if err != nil {
		return fmt.Errorf("controller: give the cluster its id: %w", err)
	}
	if r.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		return fmt.Errorf("controller: give the cluster its id: %s", r.GetDetail())
	}
	return nil
}

// alone reports whether this member is the only one.
func (c *Controller) alone() bool { return c.aloneIn(c.st.conf) }

func (c *Controller) aloneIn(conf *raftpb.ConfState) bool {
	v := conf.GetVoters()
	return len(v) == 1 && v[0] == c.member && len(conf.GetLearners()) == 0 && len(conf.GetVotersOutgoing()) == 0
}

// abandon ends a member that could not be started.
func (c *Controller) abandon(sc *host.Scope) {
	if c.node != nil {
		_ = c.Close(sc) // the first error is what counts
		return
	}
	_ = c.disk.log.Close(sc) // the first error is what counts
	_ = c.lock.Close()       // the first error is what counts
}

// Propose implements metadata.Service. A command marked ° whose term is 0 gets the term as of this call.
// Errors: ErrNotLeader, ErrTooLarge, ErrClosed and ErrDead before anything was proposed, else ErrUnknown.
func (c *Controller) Propose(sc *host.Scope, cmd *metadatapb.Command) (*metadatapb.Result, error) {
	return c.ProposeIn(sc, cmd, 0)
}

func ours(err error) bool {
	return errors.Is(err, ErrUnknown) || errors.Is(err, ErrNotLeader) || errors.Is(err, ErrDead) ||
		errors.Is(err, ErrClosed)
}

// gone turns the queue's refusal into the reason for it.
func (c *Controller) gone(err error) error {
	if !errors.Is(err, host.ErrClosed) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return ErrClosed
}

// Read implements metadata.Service.
func (c *Controller) Read(fn func(*metadata.State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(c.state)
}

// Wait implements metadata.Service. Once the controller is dead or closed it returns why.
func (c *Controller) Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if index, _ := c.state.Index(); index > after {
			return index, nil
		}
		if c.err != nil {
			return 0, c.err
		}
		if err := c.moved.Wait(sc, until); err != nil {
			return 0, err
		}
	}
}

// Step takes a message from another member. It drops the message when it is too busy.
func (c *Controller) Step(msg *raftpb.Message) { c.queue.TryPush(event{msg: msg}) }

// Report says whether the messages last sent to a member, a snapshot among them, reached it.
func (c *Controller) Report(member uint64, delivered bool) {
	c.queue.TryPush(event{report: &report{member, delivered}})
}

// Leads reports whether this member leads and has applied the first entry of its term, and the term.
func (c *Controller) Leads() (bool, uint64) { return c.leads.Load(), c.term.Load() }

// Member returns this member's Raft id.
func (c *Controller) Member() uint64 { return c.member }

// Disk returns the uuid of the disk that the log lies on.
func (c *Controller) Disk() metadata.UUID { return c.volume }

// Stats says what a member did since Open.
type Stats struct {
	Snapshots uint64
	Log       wal.Stats
}

// Stats returns the counters.
func (c *Controller) Stats() Stats {
	return Stats{Snapshots: c.disk.snapshots.Load(), Log: c.disk.log.Stats()}
}

// Close stops taking proposals, finishes those that were taken, writes the log's clean mark and lets go of
// the volume. It returns why the controller died if it did. A second call returns ErrClosed.
func (c *Controller) Close(sc *host.Scope) error {
	if c.closed.Swap(true) {
		return ErrClosed
	}
	c.queue.Close()
	if _, err := c.done.Wait(sc, 0); err != nil && sc.Err() != nil {
		return err
	}
	err := c.disk.log.Close(sc)
	if e := c.lock.Close(); err == nil {
		err = e
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil && !errors.Is(c.err, ErrClosed) {
		return c.err
	}
	return err
}
