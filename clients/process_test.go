//go:build integration

package clients

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a client in another language: a program that speaks lines.
//
//	produce ADDR TOPIC CODEC   stdin: one value a line; exits when all are acknowledged
//	consume ADDR TOPIC N       stdout: one value a line; exits after N
//	group ADDR TOPIC GROUP     stdout: "assigned 0 1", "revoked 0 1", "value V"; leaves at the end of stdin
//	admin ADDR                 the walk of TestAdmin; exits ≠ 0 with what was not as it should be
type process struct {
	language string
	command  func() ([]string, error) // program and its first arguments
}

func (p process) name() string { return p.language }

// start runs the program; it is killed when the test ends or its patience does.
func (p process) start(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	argv, err := p.command()
	if err != nil {
		t.Fatal(err)
	}
	argv = append(argv, args...)
	return command(t, argv[0], argv[1:]...)
}

// command prepares a program whose standard error is kept.
func command(t *testing.T, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(name, args...)
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
			t.Logf("%s did not end; it said:\n%s", strings.Join(cmd.Args, " "), stderr)
		}
	})
	return cmd, stderr
}

// run lets a program read stdin, end, and returns what it printed.
func run(t *testing.T, cmd *exec.Cmd, stderr *bytes.Buffer, stdin string) string {
	t.Helper()
	var stdout bytes.Buffer
	cmd.Stdin, cmd.Stdout = strings.NewReader(stdin), &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr)
	}
	return stdout.String()
}

func (p process) produce(t *testing.T, addr, topic, codec string, values []string) {
	t.Helper()
	if codec == "" {
		codec = "default"
	}
	cmd, stderr := p.start(t, "produce", addr, topic, codec)
	run(t, cmd, stderr, strings.Join(values, "\n")+"\n")
}

func (p process) consume(t *testing.T, addr, topic string, n int) []string {
	t.Helper()
	cmd, stderr := p.start(t, "consume", addr, topic, strconv.Itoa(n))
	return strings.Fields(run(t, cmd, stderr, ""))
}

func (p process) join(t *testing.T, addr, topic, group string, to *crowd) *member {
	t.Helper()
	cmd, stderr := p.start(t, "group", addr, topic, group)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := to.newMember()
	read := make(chan struct{})
	go func() {
		defer close(read)
		m.hear(stdout)
	}()
	m.stop = func() {
		t.Helper()
		stdin.Close()
		awaitExit(t, cmd, stderr, read)
	}
	return m
}

// awaitExit waits for a program that was asked to end.
func awaitExit(t *testing.T, cmd *exec.Cmd, stderr fmt.Stringer, read <-chan struct{}) {
	t.Helper()
	late := time.AfterFunc(patience, func() { cmd.Process.Signal(syscall.SIGKILL) })
	defer late.Stop()
	<-read
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, stderr)
	}
}

// hear takes in what a member prints until it ends.
func (m *member) hear(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		var partitions []int32
		for _, w := range words[1:] {
			if n, err := strconv.ParseInt(w, 10, 32); err == nil {
				partitions = append(partitions, int32(n))
			}
		}
		switch words[0] {
		case "assigned":
			m.assign(partitions...)
		case "revoked":
			m.revoke(partitions...)
		case "value":
			m.read(words[1])
		}
	}
}
