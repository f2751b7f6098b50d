package broker

import (
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// Cluster is what a broker is given that is one of several. Its methods may be called from any task.
type Cluster interface {
	// Sync returns an index that metadata.Service.Read is not older than from then on and that shows everything
	// that was answered to anybody before the call. It blocks; errors are those of sc, or the end of the client.
	Sync(sc *host.Scope) (uint64, error)
	// StartSession begins to keep this broker's epoch alive. The epoch comes from a result of the service.
	StartSession(sc *host.Scope, epoch int64, hooks SessionHooks) Session
	// Pool calls other nodes, at the addresses that metadata has of them. It stays the caller's.
	Pool() *rpc.Pool
}

// Session is the lease of a broker epoch (PROTOCOL rules 2, 6).
type Session interface {
	// Held reports whether the lease is held now. It never blocks and allocates nothing.
	Held() bool
	// WaitHeld waits until the lease is held. An error says that it never will be: the epoch was fenced, the
	// session ended, or sc did.
	WaitHeld(sc *host.Scope) error
	// Stop ends the heartbeats; what lease there is runs out.
	Stop()
}

// SessionHooks is what a session asks of the broker and tells it. They must not block.
type SessionHooks struct {
	// Alive is asked before each heartbeat; false sends none, so that the lease runs out (rule 3).
	Alive func() bool
	// Load is asked for what a heartbeat tells.
	Load func() Load
	// Fenced is called once when the epoch is not live any more: the process must end.
	Fenced func()
}

// Load is what a broker tells of itself with each heartbeat.
type Load struct {
	BytesIn, BytesOut uint64 // since the start, of records
	Requests          uint64 // since the start
	Partitions        int
	WAL               metadata.UUID // with the evidence of durability …
	Durable           uint64        // … of it: everything below is durable (rule 16)
	SyncAge           int64         // ns that the WAL has worked on a sync; 0 if idle
}
