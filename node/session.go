package node

import (
	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// member is what a broker is given that is one of several.
type member struct {
	h      host.Host
	client *remote.Client
	pool   *rpc.Pool
	node   int32

	rumours *rumours
}

// Sync implements broker.Cluster.
func (m *member) Sync(sc *host.Scope) (uint64, error) { return m.client.Sync(sc) }

// Pool implements broker.Cluster.
func (m *member) Pool() *rpc.Pool { return m.pool }

// StartSession implements broker.Cluster.
func (m *member) StartSession(sc *host.Scope, epoch int64, hooks broker.SessionHooks) broker.Session {
	m.rumours.setEpoch(epoch)
	r := &reporter{member: m, load: hooks.Load, at: m.h.Now()}
	s := &session{m.client.StartSession(sc, m.node, epoch, remote.Hooks{
		Alive: hooks.Alive, Report: r.report, Fenced: hooks.Fenced,
	}), m.h}
	m.rumours.session.Store(s)
	return s
}

// session is a remote.Session that knows the machine's clocks.
type session struct {
	*remote.Session
	h host.Host
}

// Held implements broker.Session.
func (s *session) Held() bool { return s.Session.Held(s.h.Now(), s.h.Wall()) }

// reporter makes of what a broker tells what a heartbeat tells. Its session's task alone uses it.
type reporter struct {
	*member
	load func() broker.Load
	last broker.Load // …
	at   host.Time   // … as of then
	rate gossip.Load
}

// rateSpan is over how much time a broker's load is averaged at the least, in nanoseconds.
const rateSpan = 1e9

func (r *reporter) report(q *api.HeartbeatRequest) {
	r.client.Read(func(s *metadata.State) { q.Applied, _ = s.Index() })
	if r.load == nil {
		return
	}
	l := r.load()
	if span := r.h.Now().Sub(r.at); span >= rateSpan {
		each := func(now, before uint64) uint64 { return uint64(float64(now-before) / span.Seconds()) }
		r.rate = gossip.Load{
			BytesIn: each(l.BytesIn, r.last.BytesIn), BytesOut: each(l.BytesOut, r.last.BytesOut),
			Requests: each(l.Requests, r.last.Requests), PartitionsLed: uint32(l.Partitions),
		}
		r.last, r.at = l, r.h.Now()
		r.rumours.setLoad(r.rate)
	}
	q.Load = r.rate.BytesIn + r.rate.BytesOut
	q.SyncAge = host.Time(l.SyncAge).Sub(0)
	if !l.WAL.IsZero() {
		q.WALs = append(q.WALs, api.WALEnd{WAL: l.WAL, Position: l.Durable})
	}
}
