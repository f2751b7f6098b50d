//go:build integration

package clients

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests. It is far above what a healthy run needs, so that a busy
// machine fails nothing.
const patience = 45 * time.Second

// weirBinary builds the server from this checkout, once.
var weirBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "weir-clients-")
	if err != nil {
		return "", err
	}
	cleanups = append(cleanups, dir)
	bin := filepath.Join(dir, "weir")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/weir")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build weir: %w\n%s", err, out)
	}
	return bin, nil
})

// cleanups are folders that outlive one test.
var cleanups []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range cleanups {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// server is a weir process. It keeps its address and its data over a restart.
type server struct {
	t    *testing.T
	bin  string
	addr string
	data string
	cmd  *exec.Cmd
	log  *bytes.Buffer // of the running process
}

// startServer starts weir on a free port with data that goes with the test.
func startServer(t *testing.T, flags ...string) *server {
	t.Helper()
	bin, err := weirBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, bin: bin, addr: "127.0.0.1:0", data: filepath.Join(t.TempDir(), "data")}
	s.start(flags...)
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
	})
	return s
}

// start runs the process and returns when it has printed that it is ready.
func (s *server) start(flags ...string) {
	s.t.Helper()
	args := append([]string{
		"server", "--listen", s.addr, "--http", "", "--data", s.data, "--memory", "256MiB", "--wal-size", "64MiB",
	}, flags...)
	s.cmd, s.log = exec.Command(s.bin, args...), &bytes.Buffer{}
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.cmd.Wait()
		s.t.Fatalf("the server is not ready: %v\n%s", err, s.log)
	}
	_, rest, ok := strings.Cut(line, "kafka ")
	if s.addr, _, _ = strings.Cut(rest, ","); !ok {
		s.t.Fatalf("the ready line is %q", line)
	}
	go io.Copy(io.Discard, out)
}

// kill ends the process at once, as kill -9 does.
func (s *server) kill() {
	s.t.Helper()
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.cmd = nil
	if s.t.Failed() {
		s.t.Logf("the server's log:\n%s", s.log)
	}
}

// stop ends the process in order and returns how long that took.
func (s *server) stop() time.Duration {
	s.t.Helper()
	start := time.Now()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("stop after SIGTERM: %v\n%s", err, s.log)
	}
	s.cmd = nil
	return time.Since(start)
}

// weir runs a command of the binary against the server and returns what it printed.
func (s *server) weir(stdin string, args ...string) (string, error) {
	cmd := exec.Command(s.bin, args...)
	cmd.Env = append(os.Environ(), "WEIR_BROKER="+s.addr)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("weir %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), err
}

// mustWeir is weir for a command that succeeds.
func (s *server) mustWeir(stdin string, args ...string) string {
	s.t.Helper()
	out, err := s.weir(stdin, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}
