package controller_test

import (
	"fmt"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// worldLease is one life of a broker that sends heartbeats.
type worldLease struct {
	h      host.Host
	epoch  lease.Epoch
	holder *lease.Holder
	grants int
	fenced bool
}

// judge checks that a lease was over before the fence of its epoch was applied.
func (l *worldLease) judge(x *world, s *metadata.State) {
	b, known := s.Broker(l.epoch.Broker)
	if l.fenced || !known || b.Epoch < l.epoch.Epoch || s.Live(l.epoch.Broker, l.epoch.Epoch) {
		return
	}
	l.fenced = true
	if l.holder.Held(l.h.Now(), l.h.Wall()) {
		x.w.Fail(fmt.Errorf("LeaseNested: %v is fenced and holds its lease until %v", l.epoch, l.holder.Until()))
	}
}

// broker lives, and after each fence again.
func (x *world) broker(h host.Host, sc *host.Scope, k int) {
	c := x.caller(h, sc)
	for life := 0; !x.end; life++ {
		var epoch int64
		for epoch == 0 && sc.Err() == nil {
			r, err := c.propose(sc, &metadatapb.Command{Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
				Broker: int32(k + 1), Nonce: nonce(900_000 + 1000*k + life), Disk: nonce(k + 1),
			}}})
			if err != nil {
				x.w.Fail(err)
			}
			epoch = r.GetRegister().GetEpoch()
			_ = h.Sleep(sc, 20*time.Millisecond)
		}
		cfg := leases
		if err := cfg.Fill(); err != nil {
			x.w.Fail(err)
		}
		l := &worldLease{h: h, epoch: lease.Epoch{Broker: int32(k + 1), Epoch: epoch}, holder: lease.NewHolder(cfg)}
		x.lives = append(x.lives, l)
		for !l.holder.Over() && !x.end && sc.Err() == nil {
			l.beat(h, sc, c)
			if x.w.Rand("broker").IntN(60) == 0 {
				_ = h.Sleep(sc, 4*leases.Length) // it hangs: its lease runs out
			}
			_ = h.Sleep(sc, cfg.Every)
		}
	}
}

// beat sends a heartbeat to whoever leads.
func (l *worldLease) beat(h host.Host, sc *host.Scope, c *caller) {
	q := api.HeartbeatRequest{
		Broker: l.epoch.Broker, Epoch: l.epoch.Epoch, Number: l.holder.Send(h.Now(), h.Wall()),
	}
	p, err := c.call(sc, api.Heartbeat, q.Encode())
	if err != nil {
		return
	}
	a, err := api.DecodeGrant(p)
	switch {
	case err != nil || a.Number != q.Number:
		c.x.w.Fail(fmt.Errorf("a heartbeat %d was answered with %d: %w", q.Number, a.Number, err))
	case lease.Why(a.Why) == lease.WhyUnknown:
		l.holder.Fenced()
	case a.Why == 0:
		l.holder.Granted(a.Number)
		l.grants++
	}
}
