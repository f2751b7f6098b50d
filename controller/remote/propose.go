package remote

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
)

// Propose implements metadata.Service. It looks for the leader until Config.Patience is over, and for another one as
// long as the command is known not to have been proposed. A command marked ° whose term is 0 gets its leader's, and
// is proposed again if it is applied in another. Errors: ErrNoLeader and ErrRefused, if it was not applied and never
// will be; ErrClosed and metadata.ErrNewer, if the client has ended; else ErrUnknown.
func (c *Client) Propose(sc *host.Scope, cmd *metadatapb.Command) (*metadatapb.Result, error) {
	anyTerm := cmd.GetTerm() == 0 && metadata.Decided(cmd)
	q := api.ProposeRequest{Command: metadata.EncodeCommand(cmd)}
	until := c.h.Now().Add(c.cfg.Patience)
	for {
		p, err := c.ask(sc, api.Propose, q.Encode(), callWait, until, another)
		if err != nil {
			return nil, c.unproposed(sc, err)
		}
		r, err := api.DecodeResult(p)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		if anyTerm && r.GetRefusal() == metadatapb.Refusal_REFUSAL_TERM && c.h.Now() < until {
			probe.Hit(probe.RemoteTermPassed)
			if err := c.pause(sc, pauseLow); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
			}
			continue
		}
		// From here on Read must show it.
		if err := c.reach(sc, r.GetIndex()); err != nil {
			probe.Hit(probe.RemoteResultUnread)
			return nil, fmt.Errorf("%w: applied, but the replica is behind: %w", ErrUnknown, err)
		}
		c.stats.proposed.Add(1)
		return r, nil
	}
}

// another reports whether a command whose proposal failed may be proposed elsewhere, and it makes sense.
func another(err error) bool { return api.Definite(err) && !refused(err) }

// refused reports whether every controller would say no.
func refused(err error) bool {
	var s *rpc.Status
	return errors.As(err, &s) && (s.Code == api.CodeTooLarge || s.Code == api.CodeInvalid ||
		s.Code == rpc.CodeTooLarge) || errors.Is(err, rpc.ErrTooLarge)
}

func (c *Client) unproposed(sc *host.Scope, err error) error {
	switch {
	case errors.Is(err, ErrClosed), errors.Is(err, metadata.ErrNewer):
		return err
	case refused(err):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case api.Definite(err):
		return c.unfound(sc, err)
	}
	probe.Hit(probe.RemoteOutcomeUnknown)
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}
