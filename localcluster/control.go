package localcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// StateFile is the name, in a cluster's folder, of the file that tells other commands of the running cluster.
const StateFile = "dev.json"

// State is what stands in StateFile.
type State struct {
	PID    int      `json:"pid"`    // of the process that owns the cluster
	Socket string   `json:"socket"` // where it takes orders
	Nodes  []Status `json:"nodes"`
}

// Report is what a status request is answered with.
type Report struct {
	Nodes []Status `json:"nodes"`
	Rules []string `json:"rules"` // of links, where something is held back
	Ready bool     `json:"ready"` // the first start of all nodes has succeeded
}

// Control takes orders for a cluster on a socket in its folder.
type Control struct {
	c     *Cluster
	dir   string
	path  string
	http  *http.Server
	file  sync.Mutex    // held while the state is written, so that the last state stays
	ready chan struct{} // closed when the cluster is up
	down  chan struct{} // gets an element when somebody orders the end
	ended chan struct{} // closed when all is down
}

// socketPathMax is what every system takes as the path of a socket.
const socketPathMax = 100

// Serve takes orders for c from now on.
func Serve(c *Cluster, dir string) (*Control, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "dev.sock")
	if len(path) > socketPathMax {
		short, err := os.MkdirTemp("", "weir-dev")
		if err != nil {
			return nil, err
		}
		path = filepath.Join(short, "dev.sock")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a process that was killed
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for orders: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &Control{c: c, dir: dir, path: path, ready: make(chan struct{}), down: make(chan struct{}, 1),
		ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("POST /order", s.order)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go s.http.Serve(l)
	c.OnChange(func() { _ = s.write() }) // a full disk must not end the nodes; `down` then finds fewer of them
	return s, s.write()
}

// write leaves the state for other commands.
func (s *Control) write() error {
	s.file.Lock()
	defer s.file.Unlock()
	text, err := json.MarshalIndent(State{PID: os.Getpid(), Socket: s.path, Nodes: s.c.Status()}, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, ".dev-*.json")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), filepath.Join(s.dir, StateFile))
}

// Ready says that the cluster is up.
func (s *Control) Ready() { close(s.ready) }

// Ordered gets an element when somebody has ordered the end of the cluster.
func (s *Control) Ordered() <-chan struct{} { return s.down }

// Close ends the control after the cluster's end; who ordered that is answered first.
func (s *Control) Close() error {
	err := s.write()
	close(s.ended)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err = errors.Join(err, s.http.Shutdown(ctx))
	if e := os.Remove(s.path); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

func (s *Control) status(w http.ResponseWriter, _ *http.Request) {
	r := Report{Nodes: s.c.Status(), Rules: s.c.Net.Rules()}
	select {
	case <-s.ready:
		r.Ready = true
	default:
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r) // who asked has left
}

const orderBytesMax = 1 << 16

func (s *Control) order(w http.ResponseWriter, r *http.Request) {
	var words []string
	if err := json.NewDecoder(io.LimitReader(r.Body, orderBytesMax)).Decode(&words); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	said, err := s.carryOut(r.Context(), words)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	fmt.Fprintln(w, said)
}

// carryOut does what an order says: a verb and its objects.
func (s *Control) carryOut(ctx context.Context, words []string) (string, error) {
	if len(words) == 0 {
		return "", errors.New("an order without words")
	}
	verb, rest := words[0], words[1:]
	switch {
	case verb == "heal" && len(rest) == 0:
		s.c.Net.Heal()
		return "every link is whole", nil
	case verb == "down" && len(rest) == 0:
		select {
		case s.down <- struct{}{}:
		default: // it was ordered before
		}
		<-s.ended
		return "every node has ended", nil
	case (verb == "cut" || verb == "cut-one-way") && len(rest) == 2:
		return s.cut(rest[0], rest[1], verb == "cut-one-way")
	case len(rest) != 1:
		return "", fmt.Errorf("order %q: give one node", verb)
	}
	id, err := strconv.Atoi(rest[0])
	if err != nil {
		return "", fmt.Errorf("%q is not the number of a node", rest[0])
	}
	return s.onNode(ctx, verb, id)
}

func (s *Control) cut(from, to string, oneWay bool) (string, error) {
	if err := s.c.Ends(from, to); err != nil {
		return "", err
	}
	s.c.Cut(from, to, oneWay)
	if oneWay {
		return fmt.Sprintf("nothing flows from %s to %s", from, to), nil
	}
	return fmt.Sprintf("nothing flows between %s and %s", from, to), nil
}

func (s *Control) onNode(ctx context.Context, verb string, id int) (string, error) {
	switch verb {
	case "kill":
		return fmt.Sprintf("node %d is killed", id), s.c.Kill(id)
	case "pause":
		return fmt.Sprintf("node %d is paused", id), s.c.Pause(id)
	case "resume":
		return fmt.Sprintf("node %d goes on", id), s.c.Resume(id)
	case "notice":
		return fmt.Sprintf("node %d has its notice: it hands over what it has and ends", id), s.c.Notice(id)
	case "stop":
		ctx, cancel := context.WithTimeout(ctx, StopMax)
		defer cancel()
		return fmt.Sprintf("node %d has drained and ended", id), s.c.Stop(ctx, id)
	case "start":
		ctx, cancel := context.WithTimeout(ctx, ReadyMax)
		defer cancel()
		err := s.c.Start(ctx, id)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("node %d is ready after %s", id, s.c.took(id)), nil
	}
	return "", fmt.Errorf("there is no order %q", verb)
}

// ErrNotUp is the error of who wants a cluster that nobody runs.
var ErrNotUp = errors.New("no cluster runs there")

// ReadState reads what the last cluster in dir has left.
func ReadState(dir string) (*State, error) {
	raw, err := os.ReadFile(filepath.Join(dir, StateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no %s; `weir dev up --dir %s` starts one", ErrNotUp, dir, StateFile, dir)
	}
	if err != nil {
		return nil, err
	}
	s := &State{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, StateFile), err)
	}
	return s, nil
}

// Ask asks the cluster in dir how it is.
func Ask(ctx context.Context, dir string) (*Report, error) {
	r := &Report{}
	answer, err := call(ctx, dir, http.MethodGet, "/status", nil)
	if err == nil {
		err = json.Unmarshal(answer, r)
	}
	return r, err
}

// Order has the cluster in dir do something, and returns what it says of it.
func Order(ctx context.Context, dir string, words ...string) (string, error) {
	body, err := json.Marshal(words)
	if err != nil {
		return "", err
	}
	answer, err := call(ctx, dir, http.MethodPost, "/order", body)
	return strings.TrimSpace(string(answer)), err
}

func call(ctx context.Context, dir, method, path string, body []byte) ([]byte, error) {
	state, err := ReadState(dir)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", state.Socket)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://dev"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: nobody takes orders for %s any more", ErrNotUp, dir)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(answer)))
	}
	return answer, err
}

// Leftovers are the nodes of an earlier cluster in dir whose processes live on although nobody owns them any more:
// `weir dev up` itself was killed.
func Leftovers(state *State) []Status {
	var left []Status
	for _, n := range state.Nodes {
		if n.PID != 0 && runs(n) {
			left = append(left, n)
		}
	}
	return left
}

// runs tells whether a node's process is still that one. Where there is no /proc, nothing is said to run: another
// process may have the number.
func runs(n Status) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", n.PID))
	return err == nil && strings.Contains(string(raw), "\x00server\x00--config\x00"+n.Data+".yaml")
}

// EndLeftovers kills what Leftovers finds.
func EndLeftovers(state *State) (int, error) {
	left := Leftovers(state)
	for i, n := range left {
		if err := syscall.Kill(n.PID, syscall.SIGKILL); err != nil {
			return i, fmt.Errorf("kill node %d, process %d: %w", n.ID, n.PID, err)
		}
	}
	return len(left), nil
}
