package node

import (
	"cmp"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// deniedRead is how long a range read that the store denies is tried again while the node serves. A reader waits with
// memory that other readers need, of objects that they may well be allowed to read, and asks again by itself.
const deniedRead = 2 * time.Second

// patientStore is the object store with retries, for each kind of call as long as who waits for it can wait.
type patientStore struct {
	objectstore.Store // what is not told apart, and all of a start
	puts, reads       objectstore.Store
	serving           atomic.Bool
}

// patient returns the store with retries.
func (n *Node) patient() *patientStore {
	with := func(p objectstore.Policy) objectstore.Store { return objectstore.WithRetry(n.h, n.store, p) }
	call := cmp.Or(n.cfg.StoreCall, storeCall)
	p := &patientStore{
		Store: with(objectstore.Policy{Total: call}),
		reads: with(objectstore.Policy{Total: call, Denied: deniedRead}),
	}
	if put := cmp.Or(n.cfg.StorePut, storeCall); put != call {
		p.puts = with(objectstore.Policy{Total: put})
	} else {
		p.puts = p.Store
	}
	return p
}

// Put implements objectstore.Store.
func (p *patientStore) Put(sc *host.Scope, key string, body objectstore.Body) error {
	return p.puts.Put(sc, key, body)
}

// GetRange implements objectstore.Store. A start fails where a read fails, so it waits until rights are back.
func (p *patientStore) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	if p.serving.Load() {
		return p.reads.GetRange(sc, key, off, dst)
	}
	return p.Store.GetRange(sc, key, off, dst)
}
