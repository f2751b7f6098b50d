//go:build integration

package jepsen

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/localcluster"
)

// weir runs a command of the binary, which must succeed, and returns what it printed.
func weir(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	require.NoError(t, err, "weir %s:\n%s", strings.Join(args, " "), out)
	return string(out)
}

// TestWeirDev walks through what README shows: a cluster comes up, is broken in every way that the commands know, goes
// down, and has everything when it comes up again.
func TestWeirDev(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	dev := func(args ...string) string { return weir(t, append([]string{"dev", "--dir", dir}, args...)...) }
	status := func() *localcluster.Report {
		r := &localcluster.Report{}
		require.NoError(t, json.Unmarshal([]byte(dev("status", "--json")), r))
		return r
	}
	ended := func(node int) func() bool {
		return func() bool { return status().Nodes[node-1].Phase == localcluster.Ended }
	}
	said := dev("up", "--detach", "--base-port", "0", "--set", "lease=1500ms")
	t.Cleanup(func() { _ = exec.Command(program, "dev", "--dir", dir, "down").Run() })
	require.Contains(t, said, "the cluster is up after")
	require.Contains(t, dev("status"), "controller, broker")
	broker := "--broker=" + status().Nodes[0].Kafka
	weir(t, "topic", "create", "orders", "-p", "3", broker)
	produce := func(text string) {
		cmd := exec.CommandContext(t.Context(), program, "produce", "orders", broker)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	produce("one\ntwo\n")
	for _, to := range []string{"1", "2", "3", "1"} {
		require.Contains(t, weir(t, "topic", "move", "orders", "0", to, broker), "partition 0 of orders is on broker "+to)
	}
	require.Contains(t, weir(t, "cluster", "status", "--cluster", status().Nodes[0].Cluster), "leader")
	dev("kill", "2")
	require.True(t, ended(2)())
	produce("three\n")
	dev("start", "2")
	dev("pause", "3")
	require.Equal(t, localcluster.Paused, status().Nodes[2].Phase)
	dev("resume", "3")
	dev("cut", "1", "2")
	dev("heal")
	dev("cut", "2", "3", "--one-way")
	require.Equal(t, []string{"2>3: cut"}, status().Rules)
	dev("heal")
	dev("stop", "2")
	require.Contains(t, status().Nodes[1].How, "exit status 0")
	dev("start", "2")
	dev("notice", "3")
	require.Eventually(t, ended(3), time.Minute, 20*time.Millisecond, "a notice ends a node")
	require.Contains(t, status().Nodes[2].How, "exit status 0")
	dev("start", "3")
	produce("four\n")
	dev("down")

	dev("up", "--detach", "--base-port", "0", "--set", "lease=1500ms")
	broker = "--broker=" + status().Nodes[1].Kafka
	got := weir(t, "consume", "orders", "--count", "4", broker)
	for _, want := range []string{"one", "two", "three", "four"} {
		require.Contains(t, got, want)
	}
	dev("down")
}
