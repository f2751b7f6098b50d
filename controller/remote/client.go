package remote

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// Config is what a client is told.
type Config struct {
	// Pool calls the controllers. Its identity has to name the cluster: strangers are told the status alone,
	// see Learn. It stays the caller's.
	Pool *rpc.Pool
	// Addresses are where some of the controllers are; the others are learned from them.
	Addresses []string
	// Cluster is theirs; zero = learn it, as the first of them says.
	Cluster metadata.UUID
	// Lease is what the controllers were told as well.
	Lease lease.Config
	// Patience is how long Propose and Sync look for a leader; 0 = 15 s.
	Patience time.Duration
	// Poll is how long a member may wait for news before it says that there is none; 0 = 1 s.
	Poll time.Duration
	// MaxBytes is about the most that one answer to the follower has; 0 = 1 MiB.
	MaxBytes uint32
}

func (c *Config) fill() error {
	if c.Pool == nil || len(c.Addresses) == 0 {
		return errors.New("remote: a client takes a pool and the address of a controller")
	}
	if c.Patience == 0 {
		c.Patience = 15 * time.Second
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 20
	}
	return c.Lease.Fill()
}

// Client is a client of the controllers. It implements metadata.Service.
type Client struct {
	h     host.Host
	cfg   Config
	tasks *host.Group

	mu       host.Mutex // guards what is below
	moved    host.Cond  // state, err
	state    *metadata.State
	err      error // why the client ended
	who      whereabouts
	sessions []*Session
	watch    glance
	rng      *rand.Rand // of pauses

	stats counters
}

type counters struct {
	applied, snapshots, parts, refused, proposed, retried, heartbeats, granted atomic.Uint64
}

// Stats says what a client did since Open.
type Stats struct {
	Applied    uint64 // entries
	Snapshots  uint64 // taken over
	Parts      uint64 // of snapshots
	Refused    uint64 // answers that did not continue the replica, or could not be read
	Proposed   uint64 // commands that a result came for
	Retried    uint64 // calls to a leader that were made again, here or elsewhere
	Heartbeats uint64
	Granted    uint64
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	return Stats{
		Applied: c.stats.applied.Load(), Snapshots: c.stats.snapshots.Load(), Parts: c.stats.parts.Load(),
		Refused: c.stats.refused.Load(), Proposed: c.stats.proposed.Load(), Retried: c.stats.retried.Load(),
		Heartbeats: c.stats.heartbeats.Load(), Granted: c.stats.granted.Load(),
	}
}

var _ metadata.Service = (*Client)(nil)

// Open returns a client whose tasks run in sc. Its replica is empty until it has followed: Sync waits for that.
// Without a cluster in cfg it asks until a controller says which. Errors: of cfg, of sc.
func Open(sc *host.Scope, h host.Host, cfg Config) (*Client, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if cfg.Cluster.IsZero() {
		s, err := Learn(sc, h, cfg.Pool, cfg.Addresses)
		if err != nil {
			return nil, fmt.Errorf("remote: learn the cluster: %w", err)
		}
		cfg.Cluster = metadata.UUID(s.Cluster)
	}
	c := &Client{h: h, cfg: cfg, state: metadata.NewState(), rng: h.Rand("remote"), watch: glance{lag: lag}}
	c.mu.Init(h)
	c.moved.Init(h, &c.mu)
	c.who.given = cfg.Addresses
	c.who.next = c.rng.IntN(len(cfg.Addresses))
	c.who.source = c.who.next // clients spread over the members
	c.tasks = host.NewGroup(h, sc)
	c.tasks.Go("remote.follow", c.follow)
	return c, nil
}

// Close ends the client and its sessions, and returns when their tasks have ended. Who waits gets ErrClosed.
// It must be called by one task, once.
func (c *Client) Close() error {
	c.end(ErrClosed)
	c.mu.Lock()
	list := append([]*Session(nil), c.sessions...)
	c.mu.Unlock()
	for _, s := range list {
		s.Stop()
	}
	c.tasks.Cancel()
	return c.tasks.Wait()
}

// end makes every call fail with why from now on.
func (c *Client) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = why
	}
	c.moved.Broadcast()
}

func (c *Client) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Read implements metadata.Service.
func (c *Client) Read(fn func(*metadata.State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(c.state)
}

// Wait implements metadata.Service. Once the client has ended it returns why: ErrClosed, or metadata.ErrNewer
// when the cluster's metadata takes a newer program.
func (c *Client) Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if index, _ := c.state.Index(); index > after {
			return index, nil
		}
		if c.err != nil {
			return 0, c.err
		}
		if err := c.moved.Wait(sc, until); err != nil {
			return 0, err
		}
	}
}

// lag is how long the replica may lack a result before its follower tries another member.
const lag = 100 * time.Millisecond

// reach waits until the replica has applied index.
func (c *Client) reach(sc *host.Scope, index uint64) error {
	for index > 0 {
		_, err := c.Wait(sc, index-1, c.h.Now().Add(lag))
		if err == nil {
			break
		}
		if !errors.Is(err, host.ErrTimeout) || sc.Err() != nil {
			return err
		}
		c.elsewhere()
	}
	return nil
}

// pause waits for about d.
func (c *Client) pause(sc *host.Scope, d time.Duration) error {
	c.mu.Lock()
	d = d/2 + time.Duration(c.rng.Int64N(int64(d)))
	c.mu.Unlock()
	return c.h.Sleep(sc, d)
}
