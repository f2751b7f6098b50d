package cluster

import (
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

const (
	// auditsDrawn is how many audits a run makes beside those at crashes and at the end.
	auditsDrawn = 3
	// auditsMax bounds those at crashes.
	auditsMax = 20
)

// planAudits sets the instants of the audits that are drawn.
func (r *run) planAudits() {
	rng := workload.Stream(r.plan.Seed, "audit", 0)
	for range auditsDrawn {
		r.w.After(host.Time(rng.Int64N(int64(r.set.Duration))), func() { r.audit("while nodes run") })
	}
}

// audit has fsck read what is durable of the whole cluster at this instant: the logs of all controllers, those of
// machines that are gone too, the volumes of WALs and the bucket. Nothing of it may contradict, and every value that
// was acknowledged must be found at its offset.
func (r *run) audit(when string) {
	if r.w.Err() != nil || r.closing {
		return
	}
	r.ledger.Audit(when, func(o fsck.Options) *fsck.Report {
		o.Crashed = true
		return fsck.CheckCluster(r.remains(), workload.BucketImage(r.w), o)
	})
}

// remains are the disks as a power loss would leave them now.
func (r *run) remains() fsck.Cluster {
	x := fsck.Cluster{Volume: func(id metadata.UUID) fsck.Image {
		return workload.DurableImage(r.w.Shared(sim.Shared + id.String()))
	}}
	for _, n := range r.nodes {
		x.Nodes = append(x.Nodes, fsck.Node{Name: n.Name, Meta: workload.DurableImage(n.m.Volume("meta")),
			Node: workload.DurableImage(n.m.Volume("node"))})
	}
	return x
}
