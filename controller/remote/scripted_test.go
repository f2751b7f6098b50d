package remote_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

// script is a controller that says what a test wants.
type script struct {
	follow    func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error)
	propose   func(*metadatapb.Command) (*metadatapb.Result, error)
	heartbeat func(sc *host.Scope, h host.Host, q api.HeartbeatRequest) (api.HeartbeatAnswer, error)
	read      func() (api.ReadAnswer, error)
}

var names = []string{"s0:7", "s1:7"}

func idle(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
	return api.FollowAnswer{}, h.Sleep(sc, q.Wait)
}

// scripted runs fn with a client of two scripted controllers.
func scripted(
	t *testing.T, list [2]script, fn func(h host.Host, sc *host.Scope, c *remote.Client, pool *rpc.Pool) error,
) {
	t.Helper()
	scriptedAs(t, remote.Config{Addresses: names, Poll: 300 * time.Millisecond}, list, fn)
}

func scriptedAs(
	t *testing.T, cfg remote.Config, list [2]script,
	fn func(h host.Host, sc *host.Scope, c *remote.Client, pool *rpc.Pool) error,
) {
	t.Helper()
	w := sim.New(sim.Config{Seed: 11, Net: sim.NetConfig{DialWait: time.Second}})
	for i, s := range list {
		w.Machine(names[i][:2]).Boot(func(h host.Host, sc *host.Scope) {
			if err := s.serve(h, sc); err != nil {
				w.Fail(err)
			}
			_ = h.Sleep(sc, 1000*time.Hour)
		})
	}
	require.NoError(t, w.RunUntil(host.Time(time.Second)))
	require.NoError(t, w.Do(w.Machine("k"), func(h host.Host, sc *host.Scope) error {
		pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Cluster: rpc.Cluster(cluster), Node: 1}})
		cfg.Pool, cfg.Cluster, cfg.Patience = pool, cluster, 2*time.Second
		c, err := remote.Open(sc, h, cfg)
		if err != nil {
			return err
		}
		return errors.Join(fn(h, sc, c, pool), c.Close(), pool.Close(sc))
	}))
	require.NotContains(t, w.Tasks(), "remote.")
	require.NoError(t, w.Close())
}

func (s script) serve(h host.Host, sc *host.Scope) error {
	srv := rpc.NewServer(h, rpc.ServerConfig{Identity: rpc.Identity{Cluster: rpc.Cluster(cluster)}, Listen: ":7"})
	handle := func(m rpc.Method, fn func(sc *host.Scope, req []byte) ([]byte, error)) {
		srv.Handle(rpc.Endpoint{Method: m, Name: "test", Stranger: m == api.Status,
			Handler: func(sc *host.Scope, _ *rpc.Peer, req []byte) ([]byte, error) { return fn(sc, req) }})
	}
	handle(api.Status, func(*host.Scope, []byte) ([]byte, error) {
		return api.StatusAnswer{Cluster: cluster, Members: []api.Member{
			{ID: 1, Addr: names[0]}, {ID: 2, Addr: names[1]},
		}}.Encode(), nil
	})
	handle(api.Follow, func(sc *host.Scope, req []byte) ([]byte, error) {
		q, err := api.DecodeFollow(req)
		if err != nil {
			return nil, err
		}
		if s.follow == nil {
			s.follow = idle
		}
		a, err := s.follow(sc, h, q)
		return a.Encode(), err
	})
	if s.propose != nil {
		handle(api.Propose, func(_ *host.Scope, req []byte) ([]byte, error) {
			q, err := api.DecodePropose(req)
			if err != nil {
				return nil, err
			}
			cmd, err := metadata.DecodeCommand(q.Command)
			if err != nil {
				return nil, err
			}
			r, err := s.propose(cmd)
			if err != nil {
				return nil, err
			}
			return api.EncodeResult(r)
		})
	}
	if s.heartbeat != nil {
		handle(api.Heartbeat, func(sc *host.Scope, req []byte) ([]byte, error) {
			q, err := api.DecodeHeartbeat(req)
			if err != nil {
				return nil, err
			}
			a, err := s.heartbeat(sc, h, q)
			return a.Encode(), err
		})
	}
	if s.read != nil {
		handle(api.ReadIndex, func(*host.Scope, []byte) ([]byte, error) {
			a, err := s.read()
			return a.Encode(), err
		})
	}
	return srv.Start(sc)
}

func register(n int) *metadatapb.Command {
	return &metadatapb.Command{Term: 1, WallMs: 1, Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
		Broker: int32(n), Nonce: nonce(n), Disk: nonce(n),
	}}}
}

// history is the log of a cluster: its entries and the state behind each.
func history(n int) (list []api.Entry, states []*metadata.State) {
	s := metadata.NewState()
	for i := 1; i <= n; i++ {
		cmd := register(i)
		if i == 1 {
			cmd = metadata.NewCommand(&metadatapb.InitCluster{ClusterId: cluster[:], Format: metadata.FormatVersion})
		}
		list = append(list, api.Entry{
			Index: uint64(i), Term: 1, Kind: api.EntryCommand, Command: metadata.EncodeCommand(cmd),
		})
		s.Apply(uint64(i), 1, cmd)
		copied, err := metadata.Restore(s.Snapshot())
		if err != nil {
			panic(err)
		}
		states = append(states, copied)
	}
	return list, states
}

// parts serves a snapshot in parts of n bytes, and fails from the part on that is the most-th.
func parts(s *metadata.State, n, most int) func(*host.Scope, host.Host, api.FollowRequest) (api.FollowAnswer, error) {
	data := s.Snapshot()
	index, _ := s.Index()
	served := 0
	return func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
		if q.After >= index {
			return idle(sc, h, q)
		}
		if served == most {
			return api.FollowAnswer{}, errors.New("no more")
		}
		served++
		off := q.Offset
		if off >= uint64(len(data)) {
			off = 0
		}
		return api.FollowAnswer{Applied: index, Part: api.Part{
			Index: index, Total: uint64(len(data)), Offset: off, Data: data[off:min(len(data), int(off)+n)],
		}}, nil
	}
}

func TestASnapshotIsMadeOfOneMembersParts(t *testing.T) {
	_, states := history(40)
	// Whoever is asked first gives two parts, fails, and the other one has another snapshot.
	for _, first := range []int{0, 1} {
		var list [2]script
		list[first].follow = parts(states[29], 200, 2)
		list[1-first].follow = parts(states[39], 200, 1000)
		scripted(t, list, func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			if _, err := c.Wait(sc, 39, h.Now().Add(5*time.Second)); err != nil {
				return err
			}
			c.Read(func(s *metadata.State) { assert.Equal(t, states[39].Snapshot(), s.Snapshot()) })
			assert.Zero(t, c.Stats().Refused)
			assert.EqualValues(t, 1, c.Stats().Snapshots)
			return nil
		})
	}
}

func TestASnapshotThatIsGoneIsBegunAnew(t *testing.T) {
	_, states := history(40)
	older, newer := parts(states[29], 200, 1000), parts(states[39], 200, 1000)
	asked := 0
	follow := func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
		if asked++; asked < 3 {
			return older(sc, h, q)
		}
		if q.Snapshot == 30 {
			q.Offset = 0
		}
		return newer(sc, h, q)
	}
	scripted(t, [2]script{{follow: follow}, {follow: follow}},
		func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			_, err := c.Wait(sc, 39, h.Now().Add(5*time.Second))
			assert.Zero(t, c.Stats().Refused)
			return err
		})
}

func TestWhatDoesNotContinueTheReplicaIsRefused(t *testing.T) {
	list, states := history(9)
	again := states[4].Snapshot()
	foreign := metadata.NewState()
	birth := metadata.NewCommand(&metadatapb.InitCluster{ClusterId: nonce(1), Format: metadata.FormatVersion})
	born := metadata.EncodeCommand(birth)
	foreign.Apply(1, 1, birth)
	foreign.Skip(20, 1)
	unborn := metadata.NewState()
	unborn.Skip(20, 1)
	late := func(e api.Entry, index, term uint64) api.Entry {
		e.Index, e.Term = index, term
		return e
	}
	for name, bad := range map[string]api.FollowAnswer{
		"a gap":                   {Entries: list[6:]},
		"a gap within":            {Entries: []api.Entry{list[5], list[7]}},
		"an index that goes back": {Entries: list[3:]},
		"an index twice":          {Entries: []api.Entry{list[5], list[5]}},
		"a term that falls":       {Entries: []api.Entry{late(list[5], 6, 0)}},
		"an older snapshot":       {Part: api.Part{Index: 5, Total: uint64(len(again)), Data: again}},
		"a snapshot misnamed":     {Part: api.Part{Index: 8, Total: uint64(len(again)), Data: again}},
		"a snapshot's middle":     {Part: api.Part{Index: 8, Total: 1000, Offset: 10, Data: again[:10]}},
		"a snapshot of nothing":   {Part: api.Part{Index: 8, Total: 1000}},
		"a snapshot overfull":     {Part: api.Part{Index: 8, Total: 5, Data: again}},
		"rot":                     {Part: api.Part{Index: 8, Total: 20, Data: again[:20]}},
		"another cluster": {Part: api.Part{Index: 20, Total: uint64(len(foreign.Snapshot())),
			Data: foreign.Snapshot()}},
		"no cluster": {Part: api.Part{Index: 20, Total: uint64(len(unborn.Snapshot())), Data: unborn.Snapshot()}},
		"another cluster's birth": {Entries: []api.Entry{{
			Index: 6, Term: 1, Kind: api.EntryCommand, Command: born,
		}}},
		"bytes that are no command": {Entries: []api.Entry{{Index: 6, Term: 1, Kind: api.EntryCommand,
			Command: []byte{255}}}},
	} {
		lies := 0
		follow := func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
			switch {
			case q.After == 0:
				return api.FollowAnswer{Applied: 5, Entries: list[:5]}, nil
			case q.After == 5 && lies < 2:
				lies++
				return bad, nil
			case q.After == 5:
				return api.FollowAnswer{Applied: 9, Entries: list[5:]}, nil
			}
			return idle(sc, h, q)
		}
		t.Run(name, func(t *testing.T) {
			scripted(t, [2]script{{follow: follow}, {follow: follow}},
				func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
					if _, err := c.Wait(sc, 8, h.Now().Add(5*time.Second)); err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
					assert.EqualValues(t, 2, c.Stats().Refused)
					c.Read(func(s *metadata.State) { assert.Equal(t, states[8].Snapshot(), s.Snapshot()) })
					return nil
				})
		})
	}
}

func TestANewerCommandEndsTheClient(t *testing.T) {
	list, _ := history(1)
	newer := metadata.EncodeCommand(register(1))
	newer[1] = metadata.FormatNewest + 1 // the first field is the format
	list = append(list, api.Entry{Index: 2, Term: 1, Kind: api.EntryCommand, Command: newer})
	_, err := metadata.DecodeCommand(newer)
	assert.ErrorIs(t, err, metadata.ErrNewer)
	follow := func(*host.Scope, host.Host, api.FollowRequest) (api.FollowAnswer, error) {
		return api.FollowAnswer{Applied: 2, Entries: list}, nil
	}
	scripted(t, [2]script{{follow: follow}, {follow: follow}},
		func(_ host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			_, err := c.Wait(sc, 2, 0)
			assert.ErrorIs(t, err, metadata.ErrNewer)
			_, err = c.Propose(sc, register(1))
			assert.ErrorIs(t, err, metadata.ErrNewer)
			return nil
		})
}

func TestAnOutcomeThatIsUnknownIsNotTriedAgain(t *testing.T) {
	proposed := 0
	unknown := func(*metadatapb.Command) (*metadatapb.Result, error) {
		proposed++
		return nil, &rpc.Status{Code: api.CodeUnknown, Text: "deposed"}
	}
	scripted(t, [2]script{{propose: unknown}, {propose: unknown}},
		func(_ host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			_, err := c.Propose(sc, register(1))
			assert.ErrorIs(t, err, remote.ErrUnknown)
			assert.Equal(t, 1, proposed)
			return nil
		})
}

func TestADefiniteRefusalIsTriedElsewhereUntilPatienceIsOver(t *testing.T) {
	proposed := 0
	no := func(*metadatapb.Command) (*metadatapb.Result, error) {
		proposed++
		return nil, api.NotLeader(api.Hint{Term: 3})
	}
	scripted(t, [2]script{{propose: no}, {propose: no}},
		func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			began := h.Now()
			_, err := c.Propose(sc, register(1))
			assert.ErrorIs(t, err, remote.ErrNoLeader)
			assert.NotErrorIs(t, err, remote.ErrUnknown)
			took := time.Duration(h.Now() - began)
			assert.True(t, took >= 2*time.Second && took < 3*time.Second, took)
			assert.True(t, proposed > 5 && proposed < 40, proposed)
			return nil
		})
	scripted(t, [2]script{{propose: func(*metadatapb.Command) (*metadatapb.Result, error) {
		return nil, &rpc.Status{Code: api.CodeTooLarge}
	}}, {propose: no}}, func(_ host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
		_, err := c.Propose(sc, register(1))
		assert.ErrorIs(t, err, remote.ErrRefused)
		return nil
	})
}

func TestReadShowsAResultThoughTheFollowedMemberLags(t *testing.T) {
	list, states := history(5)
	var r *metadatapb.Result
	// s0 leads and is far ahead; s1 is cut off from it, and whoever follows it learns nothing.
	lead := script{
		propose: func(cmd *metadatapb.Command) (*metadatapb.Result, error) {
			s, err := metadata.Restore(states[3].Snapshot())
			if err != nil {
				return nil, err
			}
			r = s.Apply(5, 1, cmd)
			return r, nil
		},
		follow: func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
			if r == nil || q.After >= 5 {
				return idle(sc, h, q)
			}
			return api.FollowAnswer{Applied: 5, Entries: list[q.After:]}, nil
		},
	}
	lags := script{propose: func(*metadatapb.Command) (*metadatapb.Result, error) {
		return nil, api.NotLeader(api.Hint{Term: 1, Addr: names[0]})
	}}
	cfg := remote.Config{Addresses: names, Poll: 20 * time.Second}
	for range 2 { // whichever is followed first
		r = nil
		cfg.Addresses = []string{cfg.Addresses[1], cfg.Addresses[0]}
		scriptedAs(t, cfg, [2]script{lead, lags}, func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			if err := h.Sleep(sc, 100*time.Millisecond); err != nil {
				return err
			}
			began := h.Now()
			res, err := c.Propose(sc, register(5))
			if err != nil {
				return err
			}
			assert.Less(t, time.Duration(h.Now()-began), time.Second)
			c.Read(func(s *metadata.State) {
				b, _ := s.Broker(5)
				assert.Equal(t, res.GetRegister().GetEpoch(), b.Epoch, "ReadYourResults")
			})
			return nil
		})
	}
}

func TestAMemberWithoutNewsIsFollowedForOnePollOnly(t *testing.T) {
	list, _ := history(5)
	knows := script{follow: func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
		if q.After >= 5 {
			return idle(sc, h, q)
		}
		return api.FollowAnswer{Applied: 5, Entries: list[q.After:]}, nil
	}}
	for _, both := range [][2]script{{knows, {}}, {{}, knows}} {
		scripted(t, both, func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			_, err := c.Wait(sc, 4, h.Now().Add(time.Second))
			return err
		})
	}
}

func TestMembersAreLearnedFromOneOfThem(t *testing.T) {
	_, states := history(1)
	no := script{propose: func(*metadatapb.Command) (*metadatapb.Result, error) {
		return nil, api.NotLeader(api.Hint{Term: 1}) // it does not know who does
	}}
	var r *metadatapb.Result
	yes := script{propose: func(cmd *metadatapb.Command) (*metadatapb.Result, error) {
		s, err := metadata.Restore(states[0].Snapshot())
		r = s.Apply(2, 1, cmd)
		r.Index = 0 // there is nothing to follow
		return r, err
	}}
	scriptedAs(t, remote.Config{Addresses: names[:1]}, [2]script{no, yes},
		func(_ host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			_, err := c.Propose(sc, register(2))
			return err
		})
}

func TestAPartOfAnotherSnapshotIsRefusedAtOnce(t *testing.T) {
	_, states := history(40)
	older, newer := parts(states[29], 200, 1000), parts(states[39], 200, 1000)
	asked := 0
	follow := func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
		if asked++; asked == 1 {
			return older(sc, h, q)
		}
		return newer(sc, h, q) // the second one at the offset that the first has reached
	}
	whole := (len(states[39].Snapshot()) + 199) / 200
	scripted(t, [2]script{{follow: follow}, {follow: follow}},
		func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			_, err := c.Wait(sc, 39, h.Now().Add(5*time.Second))
			assert.EqualValues(t, 1, c.Stats().Refused)
			assert.EqualValues(t, 1+whole, c.Stats().Parts, "OneSnapshot")
			return err
		})
}
