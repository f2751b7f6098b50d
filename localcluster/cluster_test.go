package localcluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is also the node that the tests of processes run: it has a ready page, ends by SIGTERM, by a notice file,
// and by itself when its configuration asks for that.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "server" {
		os.Exit(actNode(os.Args[3]))
	}
	os.Exit(m.Run())
}

func actNode(config string) int {
	raw, err := os.ReadFile(config)
	if err != nil {
		return 3
	}
	set := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		set[name] = strings.Trim(value, `"`)
	}
	if set["memory"] == "0" {
		fmt.Fprintln(os.Stderr, "weir: --memory 0 is too little")
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	l, err := net.Listen("tcp", set["http"])
	if err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
		return 1
	}
	go http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for {
		select {
		case <-signals:
			return 0
		case <-time.After(5 * time.Millisecond):
			if _, err := os.Stat(set["notice-file"]); err == nil {
				return 0
			}
		}
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// lines collects what a cluster says.
type lines struct {
	mu   sync.Mutex
	text string
}

func (l *lines) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += fmt.Sprintf(format+"\n", args...)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

func newCluster(t *testing.T, spec Spec) (*Cluster, *lines) {
	t.Helper()
	said := &lines{}
	if spec.Dir == "" {
		spec.Dir = t.TempDir()
	}
	spec.Binary = self(t)
	c, err := New(spec, said.say)
	require.NoError(t, err)
	t.Cleanup(func() { c.Down() })
	return c, said
}

func phases(c *Cluster) []Phase {
	var list []Phase
	for _, s := range c.Status() {
		list = append(list, s.Phase)
	}
	return list
}

func TestAClusterStartsBreaksAndEnds(t *testing.T) {
	c, said := newCluster(t, Spec{Controllers: 3, Brokers: 2})
	require.NoError(t, c.StartAll(t.Context()))
	require.Equal(t, []Phase{Ready, Ready, Ready}, phases(c))
	require.Len(t, c.Bootstrap(), 2)

	require.NoError(t, c.Kill(2))
	require.Equal(t, []Phase{Ready, Ended, Ready}, phases(c))
	require.Equal(t, "signal: killed after kill -9", c.Status()[1].How)
	require.ErrorContains(t, c.Kill(2), "node 2 does not run")
	require.NoError(t, c.Start(t.Context(), 2))
	require.ErrorContains(t, c.Start(t.Context(), 2), "node 2 is ready")

	require.NoError(t, c.Pause(3))
	require.Error(t, c.Pause(3))
	require.ErrorContains(t, c.Stop(t.Context(), 3), "resume it first")
	require.Equal(t, Paused, c.Status()[2].Phase)
	require.NoError(t, c.Resume(3))
	require.Error(t, c.Resume(3))
	require.NoError(t, c.Stop(t.Context(), 3))
	require.Equal(t, "exit status 0 after SIGTERM", c.Status()[2].How)

	require.NoError(t, c.Notice(1))
	require.Eventually(t, func() bool { return c.Status()[0].Phase == Ended }, soon, time.Millisecond)
	require.NoError(t, c.Start(t.Context(), 1), "an old notice is taken away")
	require.ErrorContains(t, c.Kill(4), "there is no node 4")

	require.NoError(t, c.Pause(2))
	for _, s := range c.Down() {
		require.Equal(t, Ended, s.Phase)
	}
	require.Contains(t, said.all(), "node 1 is ready after ")
	require.Contains(t, said.all(), "node 2 has ended: signal: killed after kill -9")
}

func TestANodeThatCannotStartSaysWhy(t *testing.T) {
	c, said := newCluster(t, Spec{Controllers: 1, Brokers: 1, Set: map[string]string{"memory": "0"}})
	err := c.StartAll(t.Context())
	require.ErrorContains(t, err, "node 1 ended before it was ready: --memory 0 is too little")
	require.Eventually(t, func() bool {
		return strings.Contains(said.all(), "node 1 has ended by itself: exit status 1: --memory 0 is too little")
	}, soon, time.Millisecond)
}

func TestRolesAndAddresses(t *testing.T) {
	cases := []struct {
		spec  Spec
		roles string
	}{
		{Spec{Controllers: 3, Brokers: 3}, "controller, broker|controller, broker|controller, broker"},
		{Spec{Controllers: 1, Brokers: 3}, "controller, broker|broker|broker"},
		{Spec{Controllers: 3, Brokers: 1}, "controller, broker|controller|controller"},
		{Spec{Controllers: 1, Brokers: 2, Separate: true}, "controller|broker|broker"},
	}
	for _, c := range cases {
		c.spec.Dir = t.TempDir()
		nodes, err := c.spec.plan()
		require.NoError(t, err)
		var roles []string
		seen := map[string]bool{}
		for _, n := range nodes {
			roles = append(roles, n.Roles())
			for _, a := range []string{n.Kafka, n.Cluster, n.HTTP, n.clusterBehind} {
				require.False(t, seen[a], "%s is given twice", a)
				seen[a] = true
			}
		}
		require.Equal(t, c.roles, strings.Join(roles, "|"))
	}
}

func TestSpecsThatMakeNoClusterAreRefused(t *testing.T) {
	for want, s := range map[string]Spec{
		"2 controllers":             {Controllers: 2, Brokers: 1, Dir: "x"},
		"0 brokers":                 {Controllers: 1, Dir: "x"},
		"base port 80":              {Controllers: 1, Brokers: 1, Dir: "x", BasePort: 80},
		"name a folder":             {Controllers: 1, Brokers: 1},
		"the setting data is chose": {Controllers: 1, Brokers: 1, Dir: "x", Set: map[string]string{"data": "y"}},
	} {
		_, err := s.plan()
		require.ErrorContains(t, err, want)
	}
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", loopback+":0")
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	s := Spec{Controllers: 1, Brokers: 1, Dir: t.TempDir(), BasePort: port}
	if port > 65535-portsEach*100 {
		s.BasePort = port - portCluster // its cluster port, then
	}
	_, err = s.plan()
	require.ErrorContains(t, err, fmt.Sprintf("127.0.0.1:%d is needed for node 1", port))
}

func TestAClusterKeepsTheAddressesItWasFoundedWith(t *testing.T) {
	dir := t.TempDir()
	first, _ := newCluster(t, Spec{Controllers: 3, Brokers: 3, Dir: dir})
	control, err := Serve(first, dir)
	require.NoError(t, err)
	first.Down()
	require.NoError(t, control.Close())
	second, _ := newCluster(t, Spec{Controllers: 3, Brokers: 4, Dir: dir})
	for i, n := range first.Nodes() {
		require.Equal(t, n.Cluster, second.Nodes()[i].Cluster)
	}
	require.Len(t, second.Nodes(), 4)
}

func TestAConfigurationFileIsAsItWas(t *testing.T) {
	s := Spec{Controllers: 3, Brokers: 3, Dir: "/somewhere", Set: map[string]string{"lease": "1500ms", "memory": "1GiB"}}
	var nodes []*Node
	for i := 1; i <= 3; i++ {
		base := fmt.Sprintf("/somewhere/node-%d", i)
		at := func(p int) string { return fmt.Sprintf("127.0.0.1:%d", 9091+i+p) }
		nodes = append(nodes, &Node{ID: i, Controller: true, Broker: true, Kafka: at(portKafka), Cluster: at(portCluster),
			HTTP: at(portHTTP), kafkaBehind: at(portKafka), clusterBehind: at(portClusterBehind), Data: base,
			NoticeFile: base + ".notice"})
	}
	require.Equal(t, map[string]string{
		"roles": "[controller, broker]", "node-id": "2", "listen": "127.0.0.1:9093", "advertise": "127.0.0.1:9093",
		"http": "127.0.0.1:9293", "data": "/somewhere/node-2", "cluster-listen": "127.0.0.1:9493",
		"cluster-advertise": "127.0.0.1:9193", "join": "[127.0.0.1:9192, 127.0.0.1:9194]",
		"volumes": "/somewhere/volumes", "notice-file": "/somewhere/node-2.notice",
		"objstore-config": "/somewhere/store.yaml", "lease": "1500ms", "memory": "1GiB", "wal-size": "256MiB",
	}, s.settings(nodes[1], nodes))
	require.Equal(t, "true", s.settings(nodes[0], nodes)["form"], "one node founds the cluster")
	s.Set["volumes-exec"] = "/volumes.sh"
	require.NotContains(t, s.settings(nodes[0], nodes), "volumes", "a program has them")
}

func TestOrdersComeOverTheSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep", 30)) // longer than a socket's path may be
	c, _ := newCluster(t, Spec{Controllers: 1, Brokers: 2, Dir: dir})
	control, err := Serve(c, dir)
	require.NoError(t, err)
	require.NoError(t, c.StartAll(t.Context()))
	r, err := Ask(t.Context(), dir)
	require.NoError(t, err)
	require.False(t, r.Ready)
	control.Ready()
	do := func(words ...string) string {
		said, err := Order(t.Context(), dir, words...)
		require.NoError(t, err)
		return said
	}
	require.Equal(t, "node 2 is killed", do("kill", "2"))
	require.Contains(t, do("start", "2"), "node 2 is ready after ")
	require.Equal(t, "nothing flows from 1 to 2", do("cut-one-way", "1", "2"))
	r, err = Ask(t.Context(), dir)
	require.NoError(t, err)
	require.True(t, r.Ready)
	require.Equal(t, []string{"1>2: cut"}, r.Rules)
	do("cut", "1", "2")
	require.Equal(t, []string{"1>2: cut", "2>1: cut"}, c.Net.Rules())
	do("heal")
	require.Empty(t, c.Net.Rules())
	for _, bad := range [][]string{{"kill", "7"}, {"kill", "x"}, {"cut", "1", "9"}, {"dance", "1"}, {"kill"}, {}} {
		_, err := Order(t.Context(), dir, bad...)
		require.Error(t, err, "%q", bad)
	}
	state, err := ReadState(dir)
	require.NoError(t, err)
	require.Len(t, Leftovers(state), 2, "they run")

	closed := make(chan error, 1)
	go func() {
		<-control.Ordered()
		c.Down()
		closed <- control.Close()
	}()
	require.Equal(t, "every node has ended", do("down"))
	require.NoError(t, <-closed)
	_, err = Ask(t.Context(), dir)
	require.ErrorIs(t, err, ErrNotUp)
	state, err = ReadState(dir)
	require.NoError(t, err)
	require.Empty(t, Leftovers(state))
}

func TestNodesThatNobodyOwnsAreFoundAndEnded(t *testing.T) {
	dir := t.TempDir()
	c, _ := newCluster(t, Spec{Controllers: 1, Brokers: 2, Dir: dir})
	_, err := Serve(c, dir)
	require.NoError(t, err)
	require.NoError(t, c.StartAll(t.Context()))
	state, err := ReadState(dir)
	require.NoError(t, err)
	n, err := EndLeftovers(state)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	for _, p := range c.processes {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		require.NoError(t, p.gone(ctx))
		cancel()
	}
}
