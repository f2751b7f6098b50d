package localcluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Phase is what a node's process is doing.
type Phase string

// The phases of a process.
const (
	Absent   Phase = "not started"
	Starting Phase = "starting"
	Ready    Phase = "ready"
	Paused   Phase = "paused"
	Stopping Phase = "stopping"
	Ended    Phase = "ended"
)

// process is the process of one node: at most one at a time.
type process struct {
	node   *Node
	binary string
	args   []string

	action sync.Mutex // held by an action from its beginning to its end

	mu     sync.Mutex
	phase  Phase
	before Phase // of a paused one
	how    string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended and that was said
	since  time.Time     // of its start, or its end
	asked  string        // what it was asked that ends it: "kill -9", "SIGTERM", "a notice"
	took   time.Duration // from its start until it was ready
	log    *os.File
}

// launch starts a process. said is called when it has ended.
func (p *process) launch(said func(how string, asked bool)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != Absent && p.phase != Ended {
		return fmt.Errorf("node %d is %s", p.node.ID, p.phase)
	}
	if err := os.Remove(p.node.NoticeFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := os.OpenFile(p.node.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "--- start at %s\n", time.Now().Format(time.RFC3339Nano))
	args := append([]string{"server", "--config", p.node.Config}, p.args...)
	cmd := exec.Command(p.binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = clean(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: we stop them in order
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start node %d: %w", p.node.ID, err), log.Close())
	}
	p.cmd, p.log, p.exited = cmd, log, make(chan struct{})
	p.phase, p.how, p.asked, p.since = Starting, "", "", time.Now()
	go p.reap(cmd, log, p.exited, said)
	return nil
}

// clean leaves out what would change the settings of the processes.
func clean(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "WEIR_") {
			kept = append(kept, v)
		}
	}
	return kept
}

func (p *process) reap(cmd *exec.Cmd, log *os.File, exited chan struct{}, said func(string, bool)) {
	_ = cmd.Wait() // the state is read from cmd
	_ = log.Close()
	p.mu.Lock()
	how := cmd.ProcessState.String()
	if p.asked != "" {
		how += " after " + p.asked
	}
	p.phase, p.how, p.since = Ended, how, time.Now()
	asked := p.asked != ""
	p.mu.Unlock()
	said(how, asked)
	close(exited)
}

// lastWords is the last line that a node has printed, for who wants to know why it ended.
func (p *process) lastWords() string {
	raw, err := os.ReadFile(p.node.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	for i := len(lines) - 1; i >= 0 && !strings.HasPrefix(lines[i], "---"); i-- {
		if strings.HasPrefix(lines[i], "weir: ") {
			return strings.TrimPrefix(lines[i], "weir: ")
		}
	}
	return lines[len(lines)-1]
}

const (
	pollEvery = 20 * time.Millisecond
	pollMax   = 2 * time.Second // for one answer of /readyz
)

// awaitReady waits until the process says that it is ready.
func (p *process) awaitReady(ctx context.Context) error {
	p.mu.Lock()
	exited := p.exited
	begin := p.since
	p.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %d is not ready after %s: %w; see %s", p.node.ID,
				time.Since(begin).Round(time.Millisecond), ctx.Err(), p.node.Log)
		case <-exited:
			return fmt.Errorf("node %d ended before it was ready: %s", p.node.ID, p.lastWords())
		case <-time.After(pollEvery):
		}
		if !readyz(ctx, p.node.HTTP) {
			continue
		}
		p.mu.Lock()
		if p.phase == Starting {
			p.phase, p.took = Ready, time.Since(begin)
		}
		p.mu.Unlock()
		return nil
	}
}

func readyz(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, pollMax)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // its status is all that is wanted
	return resp.StatusCode == http.StatusOK
}

// signal sends a signal to a living process and notes what it is for.
func (p *process) signal(sig syscall.Signal, asked string, to Phase) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == Absent || p.phase == Ended {
		return fmt.Errorf("node %d does not run", p.node.ID)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal node %d: %w", p.node.ID, err)
	}
	if asked != "" {
		p.asked = asked
	}
	if to != "" {
		p.before, p.phase = p.phase, to
	}
	return nil
}

// resume lets a paused process go on.
func (p *process) resume() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != Paused {
		return fmt.Errorf("node %d is not paused, it is %s", p.node.ID, p.phase)
	}
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("resume node %d: %w", p.node.ID, err)
	}
	p.phase = p.before
	return nil
}

// gone waits until the process has ended; it may never have started.
func (p *process) gone(ctx context.Context) error {
	p.mu.Lock()
	exited := p.exited
	p.mu.Unlock()
	if exited == nil {
		return nil
	}
	select {
	case <-exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("node %d has not ended: %w", p.node.ID, ctx.Err())
	}
}

// Status is a node as it is now.
type Status struct {
	ID      int    `json:"id"`
	Roles   string `json:"roles"`
	Kafka   string `json:"kafka,omitempty"`
	Cluster string `json:"cluster"`
	HTTP    string `json:"http"`
	Data    string `json:"data"`
	Log     string `json:"log"`
	Phase   Phase  `json:"phase"`
	PID     int    `json:"pid,omitempty"`
	// How tells how the last process ended.
	How string `json:"how,omitempty"`
	// Took is how long the last start took until it was ready, in seconds.
	Took float64 `json:"took_s,omitempty"`
}

func (p *process) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.node
	s := Status{ID: n.ID, Roles: n.Roles(), Cluster: n.Cluster, HTTP: n.HTTP, Data: n.Data, Log: n.Log,
		Phase: p.phase, How: p.how, Took: p.took.Seconds()}
	if n.Broker {
		s.Kafka = n.Kafka
	}
	if p.phase != Absent && p.phase != Ended {
		s.PID = p.cmd.Process.Pid
	}
	return s
}
