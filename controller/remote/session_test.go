package remote_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
)

func TestALeaseCountsFromTheSending(t *testing.T) {
	first := uint64(0)
	slow := func(sc *host.Scope, h host.Host, q api.HeartbeatRequest) (api.HeartbeatAnswer, error) {
		if first == 0 || first == q.Number {
			first = q.Number
			return api.HeartbeatAnswer{Number: q.Number}, h.Sleep(sc, time.Second)
		}
		return api.HeartbeatAnswer{Number: q.Number, Why: uint8(lease.WhyBusy)}, nil
	}
	both := script{heartbeat: slow}
	scripted(t, [2]script{both, both}, func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
		sent, asked := h.Now(), 0
		s := c.StartSession(sc, 2, 1, remote.Hooks{Alive: func() bool {
			asked++
			return asked <= 5 // then it makes no progress any more
		}})
		if err := s.WaitHeld(sc); err != nil {
			return err
		}
		if h.Now() < sent.Add(time.Second) {
			return errors.New("held before the answer came")
		}
		var cfg lease.Config
		if err := cfg.Fill(); err != nil {
			return err
		}
		if s.Until() > sent.Add(cfg.Length+time.Millisecond) {
			return fmt.Errorf("LeaseFromSend: until %d, sent at %d", s.Until(), sent)
		}
		if err := h.Sleep(sc, cfg.Length); err != nil {
			return err
		}
		if s.Held(h.Now(), h.Wall()) || c.Stats().Heartbeats != 5 || asked < 6 {
			return fmt.Errorf("%d heartbeats, asked %d times", c.Stats().Heartbeats, asked)
		}
		s.Stop()
		return nil
	})
}

func TestAReplicaThatShowsAFenceEndsTheSession(t *testing.T) {
	list, _ := history(2)
	fence := metadata.EncodeCommand(&metadatapb.Command{Term: 1, WallMs: 1, Body: &metadatapb.Command_Fence{
		Fence: &metadatapb.Fence{Broker: 2, Epoch: 1},
	}})
	list = append(list, api.Entry{Index: 3, Term: 1, Kind: api.EntryCommand, Command: fence})
	for _, late := range []time.Duration{time.Second, 0} { // 0: it is there before the session is
		both := script{follow: func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
			if q.After >= 3 {
				return idle(sc, h, q)
			}
			return api.FollowAnswer{Applied: 3, Entries: list[q.After:]}, h.Sleep(sc, late)
		}}
		scripted(t, [2]script{both, both}, func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
			if err := h.Sleep(sc, time.Second/2); err != nil {
				return err
			}
			fenced := 0
			s := c.StartSession(sc, 2, 1, remote.Hooks{Fenced: func() { fenced++ }})
			child, cancel := sc.Child(h.Now().Add(5 * time.Second))
			defer cancel()
			if err := s.WaitHeld(child); !errors.Is(err, remote.ErrFenced) || fenced != 1 {
				return fmt.Errorf("WaitHeld: %w, fenced %d times", err, fenced)
			}
			return nil
		})
	}
}

func TestOnlyAQuorumsWordEndsASession(t *testing.T) {
	list, states := history(3)
	deposed := true
	follow := func(sc *host.Scope, h host.Host, q api.FollowRequest) (api.FollowAnswer, error) {
		if !deposed && q.After == 3 {
			fence := metadata.EncodeCommand(&metadatapb.Command{Term: 1, WallMs: 1, Body: &metadatapb.Command_Fence{
				Fence: &metadatapb.Fence{Broker: 2, Epoch: 1}}})
			return api.FollowAnswer{Applied: 4, Entries: []api.Entry{
				{Index: 4, Term: 1, Kind: api.EntryCommand, Command: fence}}}, nil
		}
		if q.After >= 3 {
			return idle(sc, h, q)
		}
		return api.FollowAnswer{Applied: 3, Entries: list[q.After:]}, nil
	}
	epochs := states[2].Brokers()
	assert.EqualValues(t, 1, epochs[0].Epoch)
	both := script{follow: follow, read: func() (api.ReadAnswer, error) {
		return api.ReadAnswer{Index: 3, Term: 1}, nil
	}, heartbeat: func(_ *host.Scope, _ host.Host, q api.HeartbeatRequest) (api.HeartbeatAnswer, error) {
		return api.HeartbeatAnswer{Number: q.Number, Why: uint8(lease.WhyUnknown)}, nil
	}}
	scripted(t, [2]script{both, both}, func(h host.Host, sc *host.Scope, c *remote.Client, _ *rpc.Pool) error {
		if _, err := c.Sync(sc); err != nil {
			return err
		}
		fenced := 0
		s := c.StartSession(sc, 2, 1, remote.Hooks{Fenced: func() { fenced++ }})
		if err := h.Sleep(sc, 3*time.Second); err != nil {
			return err
		}
		if s.Over() {
			return errors.New("a leader that was deposed ended the session")
		}
		deposed = false
		if err := s.WaitHeld(sc); !errors.Is(err, remote.ErrFenced) || fenced != 1 {
			return fmt.Errorf("WaitHeld: %w, fenced %d times", err, fenced)
		}
		return nil
	})
}
