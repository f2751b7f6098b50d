package cluster

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// copied is a volume, or the bucket, as it was.
type copied map[string][]byte

func (c copied) Files() []string {
	var list []string
	for path := range c {
		list = append(list, path)
	}
	slices.Sort(list)
	return list
}

func (c copied) Read(path string) ([]byte, error) {
	if b, ok := c[path]; ok {
		return b, nil
	}
	return nil, errors.New("no such file")
}

func (c copied) List() ([]fsck.Object, error) {
	var list []fsck.Object
	for key, b := range c {
		list = append(list, fsck.Object{Key: key, Size: int64(len(b))})
	}
	return list, nil
}

func (c copied) Get(key string) ([]byte, error) {
	if b, ok := c[key]; ok {
		return b, nil
	}
	return nil, fsck.ErrMissing
}

func copyOf(img fsck.Image) fsck.Image {
	c := copied{}
	for _, path := range img.Files() {
		b, _ := img.Read(path)
		c[path] = slices.Clone(b)
	}
	return c
}

// left is all that a cluster left at an instant.
type left struct {
	x      fsck.Cluster
	shared map[metadata.UUID]copied
	bucket copied
}

func leave(r *run) *left {
	l := &left{x: r.remains(), shared: map[metadata.UUID]copied{}, bucket: copied{}}
	for i := range l.x.Nodes {
		n := &l.x.Nodes[i]
		n.Meta, n.Node = copyOf(n.Meta), copyOf(n.Node)
	}
	for _, name := range r.w.SharedNames() {
		id, _ := metadata.ParseUUID(strings.TrimPrefix(name, sim.Shared))
		l.shared[id] = copyOf(workload.DurableImage(r.w.Shared(name))).(copied)
	}
	for _, key := range r.w.Objects() {
		b, _ := r.w.Object(key)
		l.bucket[key] = slices.Clone(b)
	}
	l.x.Volume = func(id metadata.UUID) fsck.Image { return l.shared[id] }
	return l
}

func (l *left) check(t *testing.T) (kinds []fsck.Kind, said string) {
	t.Helper()
	for _, f := range fsck.CheckCluster(l.x, l.bucket, fsck.Options{Crashed: true}).Findings {
		kinds, said = append(kinds, f.Kind), said+f.String()+"\n"
	}
	return kinds, said
}

// owing is a cluster of which one broker is dead for ever and its WAL still owes a sealed range, because the store is
// out of reach; and what that WAL's volume was two seconds before the broker died.
func owing(t *testing.T) (now *left, id metadata.UUID, before copied) {
	t.Helper()
	s := Plain()
	s.Duration = 18 * time.Second
	s.Nemesis = fault.Plan{{At: host.Time(4 * time.Second), Nth: 1, Target: workload.StoreSide, Kind: fault.StoreOutage,
		For: 16 * time.Second}}
	s.Cluster.Strikes = []workload.Strike{{At: 5 * time.Second, Kind: workload.StrikeKill, Nodes: []string{"n1"}}}
	r := newRun(workload.Options{Seed: 3}, workload.NewPlan(3, s), false)
	var poll func()
	olds := map[metadata.UUID]copied{}
	poll = func() {
		if len(olds) == 0 && r.w.Now() > host.Time(5*time.Second) {
			olds = leave(r).shared
		}
		r.newest(func(s *metadata.State) {
			for _, x := range s.Topics() {
				for _, stream := range x.Streams {
					st, _ := s.Stream(stream)
					for _, g := range st.Ranges {
						w, _ := s.WAL(g.WAL)
						if x.Name == workload.Topic && w.Broker == 1 && g.End != metadata.Open && g.Frontier < g.End && now == nil {
							now, id = leave(r), w.Volume
						}
					}
				}
			}
		})
		if now == nil && !r.closing {
			r.w.After(host.Time(20*time.Millisecond), poll)
		}
	}
	r.w.After(host.Time(time.Second), poll)
	res := r.whole()
	require.NoError(t, res.Err)
	require.Positive(t, res.Audits)
	require.NotNil(t, now, "nothing was owed by a sealed range")
	_, said := now.check(t)
	require.Empty(t, said)
	return now, id, olds[id]
}

// TestFsckReadsACluster spoils one thing at a time of what a cluster left in the middle of a failover.
func TestFsckReadsACluster(t *testing.T) {
	now, id, before := owing(t)
	t.Run("a range is sealed above what its WAL holds", func(t *testing.T) {
		x := *now
		x.x.Volume = func(v metadata.UUID) fsck.Image {
			if v != id {
				return now.shared[v]
			}
			old := copied{}
			for path, b := range now.shared[v] {
				if old[path] = before[path]; strings.HasSuffix(path, ".fence") {
					old[path] = b
				}
			}
			return old
		}
		kinds, said := x.check(t)
		require.Contains(t, kinds, fsck.Lost, said)
	})
	t.Run("an object is missing", func(t *testing.T) {
		x := *now
		x.bucket = copied{}
		keys := now.bucket.Files()
		for _, key := range keys[1:] {
			x.bucket[key] = now.bucket[key]
		}
		kinds, said := x.check(t)
		require.Contains(t, kinds, fsck.Missing, said)
	})
	t.Run("a volume is gone", func(t *testing.T) {
		x := *now
		x.x.Volume = func(v metadata.UUID) fsck.Image {
			if v == id {
				return nil
			}
			return now.shared[v]
		}
		kinds, said := x.check(t)
		require.Contains(t, kinds, fsck.Superblock, said)
	})
	t.Run("the log of one controller of three is lost", func(t *testing.T) {
		for i := range now.x.Nodes {
			x := *now
			x.x.Nodes = slices.Delete(slices.Clone(now.x.Nodes), i, i+1)
			_, said := x.check(t)
			require.Empty(t, said)
		}
	})
}
