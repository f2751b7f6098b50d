package controller

import (
	"fmt"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// sign is the last heartbeat of a broker that this member granted, kept for people alone: what is fenced, and when,
// lease.Grants decides.
type sign struct {
	at   host.Time
	beat api.HeartbeatRequest
}

// noteSign keeps what a granted heartbeat told.
func (c *Controller) noteSign(q api.HeartbeatRequest) {
	now := c.h.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signs[q.Broker] = sign{now, q}
}

// Overview is Status with what this member knows of the brokers, and what gossip says.
func (c *Controller) Overview() api.StatusAnswer {
	a := c.Status()
	if c.cfg.Gossip != nil {
		_, a.Sightings = c.cfg.Gossip(true)
	}
	now, leads := c.h.Now(), c.leads.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	a.Applied, _ = c.state.Index()
	for _, b := range c.state.Brokers() {
		x := api.Broker{
			Node: b.ID, Epoch: b.Epoch, Live: b.Live, Draining: b.Draining, Left: b.Deregistered, Rack: b.Rack, Addr: b.Address,
		}
		for _, e := range b.Endpoints {
			x.Kafka = fmt.Sprintf("%s:%d", e.Host, e.Port)
		}
		if s, heard := c.signs[b.ID]; heard && leads && b.Live && s.beat.Epoch == b.Epoch {
			x.Heard, x.Load, x.Applied, x.SyncAge = true, s.beat.Load, s.beat.Applied, s.beat.SyncAge
			x.LeaseLeft = max(0, c.cfg.Lease.Length-now.Sub(s.at))
		}
		a.Brokers = append(a.Brokers, x)
	}
	countWALs(c.state.WALs(), a.Brokers)
	return a
}

// countWALs fills in what brokers hold.
func countWALs(wals []metadata.WAL, brokers []api.Broker) {
	at := map[int32]*api.Broker{}
	for i := range brokers {
		at[brokers[i].Node] = &brokers[i]
	}
	for _, w := range wals {
		b := at[w.Holder]
		if !w.Held || b == nil {
			continue
		}
		b.WALs++
		b.Open += uint32(w.OpenRanges)
		if w.State == metadatapb.WalState_WAL_STATE_RECOVERING {
			b.Recovering++
		}
	}
}

func (c *Controller) serveStatus(_ *host.Scope, req []byte) ([]byte, error) {
	q, err := api.DecodeStatusRequest(req)
	if err != nil {
		return nil, err
	}
	if q.Brokers {
		return c.Overview().Encode(), nil
	}
	return c.Status().Encode(), nil
}
