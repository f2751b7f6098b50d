//go:build integration

package clients

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// kcat is Debian's kcat with its librdkafka.
type kcat struct{}

func (kcat) name() string { return "kcat" }

func (kcat) produce(t *testing.T, addr, topic, codec string, values []string) {
	t.Helper()
	args := []string{"-P", "-q", "-b", addr, "-t", topic}
	if codec != "" {
		args = append(args, "-z", codec)
	}
	cmd, stderr := command(t, "kcat", args...)
	run(t, cmd, stderr, strings.Join(values, "\n")+"\n")
}

func (kcat) consume(t *testing.T, addr, topic string, n int) []string {
	t.Helper()
	cmd, stderr := command(t, "kcat", "-C", "-q", "-b", addr, "-t", topic, "-p", "0", "-o", "beginning",
		"-c", strconv.Itoa(n))
	return strings.Fields(run(t, cmd, stderr, ""))
}

func (kcat) join(t *testing.T, addr, topic, group string, to *crowd) *member {
	t.Helper()
	// Without -E it ends itself as soon as the only broker is away for a moment.
	cmd, _ := command(t, "kcat", "-G", group, "-b", addr, "-E", "-u", "-X", "auto.offset.reset=earliest",
		"-f", "value %s\n", topic)
	cmd.Stderr = nil
	stderr, err := cmd.StderrPipe()
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
	var said lockedText
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kcat said:\n%s", &said)
		}
	})
	var both sync.WaitGroup
	both.Go(func() { m.hear(stdout) })
	both.Go(func() { m.hearRebalances(stderr, &said) })
	m.stop = func() {
		t.Helper()
		cmd.Process.Signal(syscall.SIGTERM)
		read := make(chan struct{})
		go func() {
			both.Wait()
			close(read)
		}()
		awaitExit(t, cmd, &said, read)
	}
	return m
}

// rebalanced is what kcat says on standard error: "… assigned: topic [0], topic [1]".
var rebalanced = regexp.MustCompile(`rebalanced .*(assigned|revoked): (.*)$`)

var bracketed = regexp.MustCompile(`\[(\d+)\]`)

func (m *member) hearRebalances(stderr io.Reader, said *lockedText) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.add(lines.Text())
		found := rebalanced.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		var partitions []int32
		for _, b := range bracketed.FindAllStringSubmatch(found[2], -1) {
			n, _ := strconv.ParseInt(b[1], 10, 32)
			partitions = append(partitions, int32(n))
		}
		if found[1] == "assigned" {
			m.assign(partitions...)
		} else {
			m.revoke(partitions...)
		}
	}
}

// lockedText is text that one task writes and another prints.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(line + "\n")
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
