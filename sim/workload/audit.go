package workload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// audits look at what is durable, from outside and at any instant: the disks as a power loss would leave them now
// and the bucket, read by fsck. Nothing of it may contradict, and every value that was acknowledged must be found
// at its offset.
type audits struct {
	Ledger
	r *run
}

// auditsDrawn is how many audits a run makes beside those at each crash and at the stop.
const auditsDrawn = 3

func (a *audits) init(r *run) {
	a.r = r
	a.Ledger.init(r.fail)
}

// plan sets the instants of the audits that are drawn.
func (a *audits) plan() {
	rng := stream(a.r.plan.Seed, "audit", 0)
	for range auditsDrawn {
		a.r.w.After(host.Time(rng.Int64N(int64(a.r.settings.Duration))), func() { a.audit("while the node runs", false) })
	}
}

// diskImage is what of a volume is durable.
type diskImage struct{ v *sim.Volume }

func (i diskImage) Files() []string {
	var list []string
	for _, path := range i.v.Files() {
		if i.v.HasDurable(path) {
			list = append(list, path)
		}
	}
	return list
}

func (i diskImage) Read(path string) ([]byte, error) {
	if b, ok := i.v.Durable(path); ok {
		return b, nil
	}
	return nil, fmt.Errorf("no durable file %s", path)
}

type bucketImage struct{ w *sim.World }

func (i bucketImage) List() ([]fsck.Object, error) {
	var list []fsck.Object
	for _, key := range i.w.Objects() {
		b, _ := i.w.Object(key)
		list = append(list, fsck.Object{Key: key, Size: int64(len(b))})
	}
	return list, nil
}

func (i bucketImage) Get(key string) ([]byte, error) {
	if b, ok := i.w.Object(key); ok {
		return b, nil
	}
	return nil, fmt.Errorf("%w: %s", fsck.ErrMissing, key)
}

func (a *audits) look(o fsck.Options) *fsck.Report {
	m := a.r.m
	o.Node, o.Crashed = diskImage{m.Volume(nodeVolume)}, !o.Stopped
	return fsck.Check(diskImage{m.Volume(metaVolume)}, diskImage{m.Volume(walVolume)}, bucketImage{a.r.w}, o)
}

// audit checks the image of this instant. stopped says that the node has ended in order.
func (a *audits) audit(when string, stopped bool) {
	if a.r.w.Err() != nil || a.r.beyond() {
		return
	}
	a.begin()
	report := a.look(fsck.Options{Batch: a.batch, Cache: &a.cache, Stopped: stopped})
	if a.r.ahead { // the usurper wrote the fence word and metadata does not know it
		report.Findings = slices.DeleteFunc(report.Findings, func(f fsck.Finding) bool { return f.Kind == fsck.Fence })
	}
	if a.r.fired(fault.BitRot) > 0 { // in the last superblock slot of a ring, see spare
		report.Findings = slices.DeleteFunc(report.Findings, func(f fsck.Finding) bool {
			return f.Kind == fsck.Superblock && strings.HasSuffix(f.Where, "superblock last")
		})
	}
	a.judge(report, when)
}

// waits tells whether metadata has let go of a key and it is only not time yet to delete it. The time is the wall
// clock's: one that was set back by a day delays it by a day, and that is all it does.
func (a *audits) waits(key string) bool {
	clocks := a.r.fired(fault.ClockStep) + a.r.fired(fault.ClockSkew) + a.r.fired(fault.ClockStrobe)
	if clocks == 0 {
		return false
	}
	return slices.ContainsFunc(a.look(fsck.Options{Cache: &a.cache}).Notes, func(f fsck.Finding) bool {
		return f.Kind == fsck.Destroyed && strings.Contains(f.What, key)
	})
}

// say is what fsck finds now, for the report of a failure.
func (a *audits) say() string {
	var b strings.Builder
	_ = a.look(fsck.Options{}).Print(&b) // a Builder takes everything
	return b.String()
}
