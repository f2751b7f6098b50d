package oshost

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

// Config says what the machine is made of.
type Config struct {
	Data string // directory whose subdirectories are the volumes; made when missing
	// Volumes is the directory of the volumes whose names begin with "cluster/", which several hosts of this machine
	// may share; "" = "volumes" below Data.
	Volumes string
	Node    string       // the machine's name in logs; "" leaves it out
	Log     slog.Handler // where log records go; nil = text on standard error
}

// Host is this machine from New to Close. It implements host.Host.
type Host struct {
	clock
	cfg  Config
	log  *slog.Logger
	root *host.Scope
	end  func(error)

	tasks   sync.WaitGroup
	parkers sync.Pool
	dead    atomic.Bool
	io      sync.RWMutex // read-held by every disk call, so that Close can wait for the last one

	mu      sync.Mutex // guards the fields below
	handles map[io.Closer]struct{}
	locks   map[io.Closer]struct{}
	volumes map[string]*volume
	// attached are the directories of the volumes below "cluster/" that a provider attached; nil: there is none.
	attached map[string]string
	dones    map[*host.Scope]<-chan struct{}
}

var _ host.Host = (*Host)(nil)

// New returns a live host whose volumes are below cfg.Data. The caller ends it with Close.
func New(cfg Config) (*Host, error) {
	if cfg.Data == "" {
		return nil, errors.New("oshost: no data directory is configured")
	}
	data, err := filepath.Abs(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("oshost: find data directory %s: %w", cfg.Data, err)
	}
	if cfg.Volumes == "" {
		cfg.Volumes = filepath.Join(data, "volumes")
	}
	volumes, err := filepath.Abs(cfg.Volumes)
	if err != nil {
		return nil, fmt.Errorf("oshost: find the directory of shared volumes %s: %w", cfg.Volumes, err)
	}
	cfg.Data, cfg.Volumes = data, volumes
	h := &Host{
		cfg:     cfg,
		handles: map[io.Closer]struct{}{},
		locks:   map[io.Closer]struct{}{},
		volumes: map[string]*volume{},
		dones:   map[*host.Scope]<-chan struct{}{},
	}
	if err := h.clock.init(); err != nil {
		return nil, err
	}
	h.root, h.end = host.NewRoot(h)
	h.parkers.New = func() any { return newParker(h) }
	if cfg.Log == nil {
		cfg.Log = slog.NewTextHandler(os.Stderr, nil)
	}
	h.log = slog.New(newStamp(h, cfg.Log))
	return h, nil
}

// Root returns the scope of the whole incarnation. It ends with Close.
func (h *Host) Root() *host.Scope { return h.root }

// Close ends the root scope with err (nil means host.ErrKilled), waits for disk calls under way, and
// closes every handle. It does not wait for tasks: see Wait. Closing a closed host does nothing.
func (h *Host) Close(err error) {
	if err == nil {
		err = host.ErrKilled
	}
	h.end(err)
	if h.dead.Swap(true) {
		return
	}
	h.io.Lock() // waits for calls under way; later ones see dead
	h.io.Unlock()
	for _, set := range []*map[io.Closer]struct{}{&h.handles, &h.locks} {
		h.mu.Lock()
		closing := *set
		*set = nil // nothing is added any more: see adopt
		h.mu.Unlock()
		for c := range closing {
			_ = c.Close() // nobody is left to be told
		}
	}
}

// Wait waits until every task that Go started has returned.
func (h *Host) Wait() { h.tasks.Wait() }

// adopt records c in *set to be closed with the host. It closes c and fails when the host is dead.
func (h *Host) adopt(set *map[io.Closer]struct{}, c io.Closer) error {
	h.mu.Lock()
	live := *set != nil && !h.dead.Load()
	if live {
		(*set)[c] = struct{}{}
	}
	h.mu.Unlock()
	if live {
		return nil
	}
	_ = c.Close() // the caller is told of the death, which is the larger news
	return host.ErrKilled
}

// disown forgets c, which its user closes.
func (h *Host) disown(set *map[io.Closer]struct{}, c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(*set, c)
}

// Go implements host.Host: a task is a goroutine. A panic in fn ends the process with exit code 2 after
// printing the task's name and the stacks.
func (h *Host) Go(sc *host.Scope, name string, fn func(*host.Scope)) {
	if sc == nil {
		sc = h.root
	}
	child, cancel := sc.Task(name)
	h.tasks.Add(1)
	go func() {
		returned := false
		defer func() {
			if !returned {
				// Not recovered: the runtime goes on to print the panic with its stack, and exits.
				fmt.Fprintf(os.Stderr, "weir: task %q of machine %q panicked\n", name, h.cfg.Node)
			}
			cancel()
			h.tasks.Done()
		}()
		fn(child)
		returned = true
	}()
}

// Rand implements host.Host. The stream's name does not matter on a real machine.
func (h *Host) Rand(string) *mrand.Rand {
	var seed [16]byte
	h.Secret(seed[:])
	return mrand.New(mrand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
}

// Secret implements host.Host.
func (h *Host) Secret(p []byte) {
	_, _ = rand.Read(p) // never fails: it ends the process instead
}

// Log implements host.Host. Pass the task's *host.Scope as the context to have its name in the record.
func (h *Host) Log() *slog.Logger { return h.log }

// ScopeDone implements host.ScopeHost.
func (h *Host) ScopeDone(s *host.Scope) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ch, ok := h.dones[s]; ok {
		return ch
	}
	ch := make(chan struct{})
	if s.Err() != nil {
		close(ch)
		return ch
	}
	var once sync.Once
	shut := func() { once.Do(func() { close(ch) }) }
	var timer *time.Timer
	if until := s.Until(); until != 0 {
		timer = time.AfterFunc(h.real(until.Sub(h.Now())), shut)
	}
	w := &host.Waiter{Wake: func() {
		shut()
		if timer != nil {
			timer.Stop()
		}
		go h.forgetDone(s) // Wake must not wait for h.mu, whose holder may be asking s
	}}
	if s.Enlist(w) != nil {
		shut()
		return ch
	}
	h.dones[s] = ch
	return ch
}

func (h *Host) forgetDone(s *host.Scope) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.dones, s)
}
