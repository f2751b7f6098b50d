package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a child process that is measured.
type server struct {
	name string
	addr string
	cmd  *exec.Cmd
}

// build compiles package pkg of this module into dir.
func build(dir, pkg string) (string, error) {
	out := filepath.Join(dir, "bin", filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build %s (run this from the root of the repository): %w", pkg, err)
	}
	return out, nil
}

// start runs a server and waits for its ready line, which has the address behind the marker.
func start(name, marker string, argv ...string) (*server, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	// The children end with this process, however it ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			_ = cmd.Process.Kill() // the first error is what counts
			return nil, fmt.Errorf("%s ended before it was ready: %w", name, err)
		}
		if _, rest, ok := strings.Cut(line, marker); ok {
			addr := strings.FieldsFunc(rest, func(c rune) bool { return c == ' ' || c == ',' || c == '\n' })[0]
			go func() { _, _ = r.WriteTo(os.Stderr) }()
			return &server{name: name, addr: addr, cmd: cmd}, nil
		}
	}
}

// pause stops the process; resume lets it go on.
func (s *server) pause() error  { return s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// stop ends the process. Nothing that it wrote is needed.
func (s *server) stop() {
	_ = s.cmd.Process.Kill() // fails when it has ended already
	_ = s.cmd.Wait()         // tells that it was killed
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// cpu returns the processor time that the process has used.
func (s *server) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(raw), ") ") // behind the name, which may hold anything but this
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("%s: /proc stat is not understood", s.name)
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}
