package controller

import (
	"errors"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// following asks the raft task for entries.
type following struct {
	after, max uint64
	future     host.Future[[]*raftpb.Entry] // nil: the log begins later
}

const (
	followBytes = 1 << 20
	followMax   = 16 << 20
	partBytes   = 1 << 20
)

// serveFollow answers with what is applied behind an index, as soon as there is something.
func (c *Controller) serveFollow(sc *host.Scope, req []byte) ([]byte, error) {
	q, err := api.DecodeFollow(req)
	if err != nil {
		return nil, err
	}
	if q.Offset > 0 {
		return c.part(q.Snapshot, q.Offset), nil
	}
	applied, err := c.Wait(sc, q.After, c.h.Now().Add(q.Wait)+1)
	if errors.Is(err, host.ErrTimeout) && sc.Err() == nil {
		return api.FollowAnswer{Applied: c.Status().Applied}.Encode(), nil
	}
	if err != nil {
		return nil, err
	}
	most := min(max(uint64(q.MaxBytes), 1), followMax)
	if q.MaxBytes == 0 {
		most = followBytes
	}
	f := &following{after: q.After, max: most}
	f.future.Init(c.h)
	if err := c.queue.Push(sc, event{follow: f}); err != nil {
		return nil, c.gone(err)
	}
	list, err := f.future.Wait(sc, 0)
	if err != nil {
		return nil, err
	}
	if list == nil {
		probe.Hit(probe.ControllerFollowSnapshot)
		return c.part(0, 0), nil
	}
	a := api.FollowAnswer{Applied: applied}
	for _, e := range list {
		x := api.Entry{Index: e.GetIndex(), Term: e.GetTerm()}
		switch {
		case e.GetType() != raftpb.EntryNormal:
			x.Kind = api.EntryMembers
		case len(e.GetData()) > 0:
			x.Kind, x.Command = api.EntryCommand, e.GetData()[proposalHeader:]
		}
		a.Entries = append(a.Entries, x)
	}
	return a.Encode(), nil
}

// entries gives f what is applied behind f.after.
func (c *Controller) entries(f *following) {
	if f.after < c.st.base {
		f.future.Complete(nil, nil)
		return
	}
	list, err := []*raftpb.Entry{}, error(nil)
	if f.after < c.applied {
		list, err = c.st.Entries(f.after+1, c.applied+1, f.max)
	}
	f.future.Complete(list, err)
}

// part is a piece of a snapshot of what is applied: of the one at index if it is still there, else of a new one
// from its beginning. The last one is kept for those who ask for the rest.
func (c *Controller) part(index, offset uint64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, _ := c.state.Index()
	if index == 0 || index != c.kept.Index || offset > c.kept.Total {
		offset = 0
		if c.kept.Index == 0 || c.kept.Index != at {
			data := c.state.Snapshot()
			c.kept = api.Part{Index: at, Total: uint64(len(data)), Data: data}
		}
	}
	p := c.kept
	p.Offset = offset
	p.Data = p.Data[offset:min(p.Total, offset+partBytes)]
	return api.FollowAnswer{Applied: at, Part: p}.Encode()
}
