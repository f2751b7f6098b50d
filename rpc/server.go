package rpc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
)

// ServerConfig is what a Server is told.
type ServerConfig struct {
	Identity
	// Listen is the address, "host:port".
	Listen string
	// Connections bounds the open connections; 0 = 512. Past it a new one is closed at once.
	Connections int
	// InFlight bounds the requests of one connection that are not answered; 0 = 1024. More are refused.
	InFlight int
	// RequestMemory and AnswerMemory bound the bytes of bulk requests in work and of bulk answers on their way out;
	// 0 = 128 MiB each. At least 64 MiB. What is urgent has 32 MiB each of its own.
	RequestMemory, AnswerMemory int64
}

// Handler serves a method. The bytes of req and of what it returns are given away. sc ends at the caller's deadline,
// when the caller cancels, or when its connection ends. An error that is a *[Status] with a code of the method's own
// is answered as it is, any other with CodeFailed, or not at all once sc has ended: then it is the end that failed it.
type Handler func(sc *host.Scope, from *Peer, req []byte) ([]byte, error)

// Endpoint is a method with what it takes.
type Endpoint struct {
	Method  Method
	Name    string // of its tasks, such as "controller.heartbeat"
	Handler Handler
	// RequestMax is the most bytes of a request; 0 = 64 KiB.
	RequestMax int
	// Concurrency bounds the handlers that run at a time; 0 = 64. More wait for their turn.
	Concurrency int
	// Stranger lets nodes call it that have joined no cluster yet.
	Stranger bool
}

// OneWay takes a message of a method. It runs in the task that reads the connection, so the messages of one peer
// come in order; it must not block, and the bytes of p are its own only until it returns.
type OneWay func(from *Peer, p []byte)

// endpoint is what a server knows of a method. One of the two handlers is set.
type endpoint struct {
	Endpoint
	oneWay OneWay
	turns  host.Semaphore
}

// Server answers the calls of other nodes.
type Server struct {
	h         host.Host
	cfg       ServerConfig
	hello     hello
	endpoints map[Method]*endpoint // not written after Start
	root      *host.Scope
	cancel    func()
	listener  host.Listener
	budgets   [classes]budget
	stopping  atomic.Bool
	stats     serverStats

	mu    host.Mutex // guards the fields below; never taken with a connection's
	conns map[uint64]*conn
	last  uint64    // id of a connection
	tasks int       // accept
	none  host.Cond // signalled when conns becomes empty, and when accepting has ended
}

// budget is the memory of one class, in bytes: what is urgent never waits for what is large.
type budget struct{ requests, answers host.Semaphore }

// ServerStats says what a Server did.
type ServerStats struct {
	Requests    uint64 // given to a handler
	Refused     uint64 // by the server itself
	OneWays     uint64
	Accepted    uint64 // connections whose hello was welcome
	TurnedAway  uint64 // other connections
	Connections int    // open now
}

type serverStats struct{ requests, refused, oneWays, accepted, turnedAway atomic.Uint64 }

const (
	requestMax  = 64 << 10
	concurrency = 64
	// urgentMemory is the budget of urgent requests, and of urgent answers.
	urgentMemory = 32 << 20
	// memoryWait is how long a request may hold up its connection until there is memory for it.
	memoryWait = time.Second
	// acceptRetry is the pause after a failed accept.
	acceptRetry = 100 * time.Millisecond
)

// NewServer returns a server to register methods with and then to start.
func NewServer(h host.Host, cfg ServerConfig) *Server {
	if cfg.Connections == 0 {
		cfg.Connections = 512
	}
	if cfg.InFlight == 0 {
		cfg.InFlight = 1024
	}
	if cfg.RequestMemory == 0 {
		cfg.RequestMemory = 128 << 20
	}
	if cfg.AnswerMemory == 0 {
		cfg.AnswerMemory = 128 << 20
	}
	least := int64(Bulk.PayloadMax())
	invariant.Check(cfg.RequestMemory >= least && cfg.AnswerMemory >= least, invariant.Contract,
		"an rpc server with %d and %d bytes of memory: the largest frame has %d",
		cfg.RequestMemory, cfg.AnswerMemory, least)
	s := &Server{h: h, cfg: cfg, endpoints: map[Method]*endpoint{}, conns: map[uint64]*conn{}}
	s.hello = hello{low: versionLow, high: versionHigh, Identity: cfg.Identity}
	s.mu.Init(h)
	s.none.Init(h, &s.mu)
	s.budgets[Bulk].requests.Init(h, cfg.RequestMemory)
	s.budgets[Bulk].answers.Init(h, cfg.AnswerMemory)
	s.budgets[Urgent].requests.Init(h, urgentMemory)
	s.budgets[Urgent].answers.Init(h, urgentMemory)
	return s
}

// Handle registers a method. It panics when one has two handlers: a bug of the caller's.
func (s *Server) Handle(e Endpoint) {
	if e.RequestMax == 0 {
		e.RequestMax = requestMax
	}
	if e.Concurrency == 0 {
		e.Concurrency = concurrency
	}
	s.register(&endpoint{Endpoint: e})
}

// HandleOneWay registers a method of one-way messages, which may be as large as the class allows.
func (s *Server) HandleOneWay(m Method, fn OneWay) {
	s.register(&endpoint{Endpoint: Endpoint{Method: m}, oneWay: fn})
}

func (s *Server) register(e *endpoint) {
	e.Method.check()
	invariant.Check(s.endpoints[e.Method] == nil && s.listener == nil, invariant.Contract,
		"method %d is registered twice, or after the start", e.Method)
	invariant.Check(e.oneWay != nil || e.Handler != nil && e.Name != "", invariant.Contract,
		"method %d is registered without a handler or a name", e.Method)
	e.turns.Init(s.h, int64(e.Concurrency))
	s.endpoints[e.Method] = e
}

// Start binds the listener and accepts connections, in tasks of sc.
func (s *Server) Start(sc *host.Scope) error {
	l, err := s.h.Network().Listen(s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for other nodes on %s: %w; is another server running?", s.cfg.Listen, err)
	}
	s.root, s.cancel = sc.Child(0)
	s.listener = l
	s.tasks++
	s.h.Go(s.root, "rpc.accept", func(sc *host.Scope) {
		s.accept(sc)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tasks--
		s.none.Broadcast()
	})
	return nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr() }

func (s *Server) accept(sc *host.Scope) {
	for {
		nc, err := s.listener.Accept(sc)
		if err != nil {
			if s.stopping.Load() || sc.Err() != nil || errors.Is(err, host.ErrClosed) {
				return
			}
			s.h.Log().WarnContext(sc, "accept a connection of a node", "error", err)
			if err := s.h.Sleep(sc, acceptRetry); err != nil {
				return
			}
			continue
		}
		if c := s.admit(nc); c != nil {
			s.h.Go(c.sc, "rpc.read", func(*host.Scope) { c.run() })
		}
	}
}

// admit makes a connection of nc, unless there are too many or the server stops.
func (s *Server) admit(nc host.Conn) *conn {
	s.mu.Lock()
	full := len(s.conns) >= s.cfg.Connections
	if full || s.stopping.Load() {
		s.mu.Unlock()
		_ = nc.Close() // nobody speaks over it yet
		s.stats.turnedAway.Add(1)
		if full {
			probe.Hit(probe.RPCConnsFull)
			s.h.Log().Warn("connection of a node refused", "peer", nc.Peer().Addr, "why", "too many connections",
				"limit", s.cfg.Connections)
		}
		return nil
	}
	defer s.mu.Unlock()
	s.last++
	c := newConn(s, s.last, nc)
	s.conns[c.id] = c
	return c
}

// forget drops a connection whose tasks have ended.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
	if len(s.conns) == 0 {
		s.none.Broadcast()
	}
}

// open returns the connections, in the order they came.
func (s *Server) open() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	return list
}

// Stats returns the counters.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	open := len(s.conns)
	s.mu.Unlock()
	t := &s.stats
	return ServerStats{
		Requests: t.requests.Load(), Refused: t.refused.Load(), OneWays: t.oneWays.Load(),
		Accepted: t.accepted.Load(), TurnedAway: t.turnedAway.Load(), Connections: open,
	}
}

// Stop takes no connection any more and refuses requests, lets the handlers that run finish and their answers leave
// until the time until (0 = for as long as it takes), then ends what is left. Who has handlers that wait for long ends
// their waits first. It returns when every task of the server has ended, or sc.Err().
func (s *Server) Stop(sc *host.Scope, until host.Time) error {
	if s.listener == nil {
		return nil // never started
	}
	s.stopping.Store(true)
	_ = s.listener.Close() // a second Stop finds it closed
	for _, c := range s.open() {
		c.endIfQuiet()
	}
	if err := s.wait(sc, until); err == nil || sc.Err() != nil {
		return err
	}
	probe.Hit(probe.RPCStopCut)
	s.cancel()
	for _, c := range s.open() {
		c.shut()
	}
	return s.wait(sc, 0)
}

// wait waits until no task is left.
func (s *Server) wait(sc *host.Scope, until host.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 || s.tasks > 0 {
		if err := s.none.Wait(sc, until); err != nil {
			return err
		}
	}
	s.cancel()
	return nil
}
