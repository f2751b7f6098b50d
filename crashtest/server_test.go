//go:build integration

package crashtest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

var (
	rounds = flag.Int("rounds", 10, "rounds of kill -9 under load")
	long   = flag.Bool("long", false, "also the cases that take minutes or gigabytes")
)

// program is the server under test: the one that WEIR_BIN names, or built once.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	if program = os.Getenv("WEIR_BIN"); program != "" {
		os.Exit(all(m))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "crashtest")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "weir")
		build := exec.Command("go", "build", "-o", program, "../cmd/weir")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the server:", err)
			return 1
		}
		return all(m)
	}())
}

// all runs the tests and leaves what they did to real processes.
func all(m *testing.M) int {
	status := m.Run()
	if err := done.write(); err != nil {
		fmt.Fprintln(os.Stderr, "write WEIR_REAL_JSON:", err)
		return 1
	}
	return status
}

// server is one server: a data directory, addresses and settings that outlive its processes.
type server struct {
	t           *testing.T
	data        string
	kafka, http string
	args        []string // flags besides data and addresses
	wrap        []string // a command that runs it, such as strace
	out         transcript
	cmd         *exec.Cmd
	exited      chan struct{} // closed when the process has ended
	killed      bool          // the last process was ended by kill -9
	took        time.Duration // from the start of the process to its ready line
}

const readyMax = 60 * time.Second // for a start on a loaded machine; tests of the time itself are stricter

// newServer chooses a folder and ports; the server is not started.
func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, data: filepath.Join(t.TempDir(), "data"), kafka: freePort(t), http: freePort(t), args: args}
	t.Cleanup(func() {
		s.kill()
		done.said(t, s.out.all())
		if t.Failed() {
			t.Logf("the server said:\n%s", s.out.tail(25))
		}
	})
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// launch starts the process without waiting for anything.
func (s *server) launch() {
	s.t.Helper()
	argv := append([]string{}, s.wrap...)
	argv = append(argv, program, "server", "--data", s.data, "--listen", s.kafka, "--http", s.http)
	argv = append(argv, s.args...)
	s.out.cut()
	if s.killed {
		done.count(s.t, fault.Crash, 1)
		s.killed = false
	}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(s.t, s.cmd.Start())
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait() // the state is read from cmd
		close(exited)
	}(s.cmd, s.exited)
}

// start starts the process and waits for its ready line.
func (s *server) start() {
	s.t.Helper()
	begin := time.Now()
	s.launch()
	require.True(s.t, s.await(readyMax, func() bool { return strings.Contains(s.out.now(), "weir ready:") }),
		"the server did not get ready:\n%s", s.out.now())
	s.took = time.Since(begin)
}

// await waits until ok, and returns whether it came before the limit and the end of the process.
func (s *server) await(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return true
		}
		select {
		case <-s.exited:
			return ok()
		default:
		}
	}
	return false
}

// refused starts the process, which must end by itself with another status than 0 before it gets ready, and
// returns the one line it says on its way out.
func (s *server) refused() string {
	s.t.Helper()
	s.launch()
	require.NotEqual(s.t, 0, s.exit(20*time.Second))
	said := s.out.now()
	require.NotContains(s.t, said, "weir ready:")
	var lines []string
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "weir: ") {
			lines = append(lines, line)
		}
	}
	require.Len(s.t, lines, 1, "one line says why:\n%s", said)
	s.t.Logf("refused: %s", lines[0])
	return lines[0]
}

// says waits until the present process has said something that matches the expression.
func (s *server) says(expression string) {
	s.t.Helper()
	want := regexp.MustCompile(expression)
	require.Eventually(s.t, func() bool { return want.MatchString(s.out.now()) }, 5*time.Second, 5*time.Millisecond,
		"the server does not say %q", expression)
}

// exit waits for the process to end and returns its status.
func (s *server) exit(limit time.Duration) int {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(limit):
		require.FailNow(s.t, "the server does not end", "after %s; it said:\n%s", limit, s.out.tail(20))
	}
	return s.cmd.ProcessState.ExitCode()
}

// kill is kill -9, for the whole process group: a tracer must not outlive what it traces.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	select {
	case <-s.exited:
		return
	default:
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.exited
	s.killed = true
}

// stop sends SIGTERM and returns how long the process took to end with status 0.
func (s *server) stop() time.Duration {
	s.t.Helper()
	begin := time.Now()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(s.t, 0, s.exit(20*time.Second), "a drained server ends with status 0:\n%s", s.out.tail(30))
	return time.Since(begin)
}

// metric returns the sum over a metric's labels, or -1 when the server has none of that name.
func (s *server) metric(name string) float64 {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/metrics", nil)
	require.NoError(s.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	sum, found := 0.0, false
	for line := range strings.Lines(string(body)) {
		if m := metricLine.FindStringSubmatch(line); m != nil && m[1] == name {
			v, err := strconv.ParseFloat(m[2], 64)
			require.NoError(s.t, err, line)
			sum, found = sum+v, true
		}
	}
	if !found {
		return -1
	}
	return sum
}

var metricLine = regexp.MustCompile(`^([a-z_]+)(?:\{[^}]*\})? ([0-9.e+-]+)\s*$`)

// residentBytes is the memory that the process has in RAM.
func (s *server) residentBytes() int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	require.NoError(s.t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	require.NoError(s.t, err)
	return pages * int64(os.Getpagesize())
}

// weir runs a command of the binary and returns what it printed and its status.
func weir(t *testing.T, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	out, _ := cmd.CombinedOutput() // the status says what the error would
	return string(out), cmd.ProcessState.ExitCode()
}

const tailColumns = 400

// transcript collects what a server prints, over all its processes.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	from int // where the present process began
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// cut marks the start of another process.
func (w *transcript) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.from = w.text.Len()
}

// now is what the present process has said.
func (w *transcript) now() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text.Bytes()[w.from:])
}

// all is what all processes have said.
func (w *transcript) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// tail is the last lines of all processes, long ones shortened.
func (w *transcript) tail(n int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := strings.SplitAfter(w.text.String(), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		if len(line) > tailColumns {
			lines[i] = line[:tailColumns] + "…\n"
		}
	}
	return strings.Join(lines, "")
}
