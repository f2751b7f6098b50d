//go:build integration

package jepsen

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/localcluster"
)

var (
	length = flag.Duration("time", 30*time.Second, "how long faults go on")
	every  = flag.Duration("every", 15*time.Second, "from the beginning of one fault to that of the next")
	seed   = flag.Uint64("seed", 0, "which faults, in which order, on which nodes; 0 = drawn")
	only   = flag.String("only", "", "faults to draw from, by name, with commas; \"\" = all")
	lease  = flag.Duration("lease", 3*time.Second, "session lease of brokers")
	out    = flag.String("out", "", "folder for the history, jepsen.json and jepsen.html; \"\" = ../bin/jepsen")

	evidence = flag.String("evidence", "", "folder for jepsen.json once more, for weir sim report; \"\" = none")
)

const (
	topic   = "jepsen"
	nodes   = 3
	saidMax = 500              // bytes of one failure's text
	restMax = 60 * time.Second // after the last fault, until everything is answered; and again until it is read
)

// program is the server under test: the one that WEIR_BIN names, or built once.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		if program = os.Getenv("WEIR_BIN"); program != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "jepsen")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "weir")
		build := exec.Command("go", "build", "-buildvcs=auto", "-o", program, "../cmd/weir")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the server:", err)
			return 1
		}
		return m.Run()
	}())
}

// run is one run: a cluster, its clients, and what went wrong besides the history.
type run struct {
	t       *testing.T
	ctx     context.Context
	clients context.Context // of the workers
	over    context.CancelFunc
	made    []*kgo.Client
	rec     *recorder
	cluster *localcluster.Cluster
	store   *localcluster.Gateway
	workers sync.WaitGroup
	random  *rand.Rand // the nemesis' alone
	seed    uint64

	partitions int32
	dir        string

	produceRate, readRate, pollRate, slowRate *pace

	mu       sync.Mutex
	failures []string
}

func (r *run) failf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if len(text) > saidMax {
		text = text[:saidMax] + "…"
	}
	r.t.Log("FAILURE: " + text)
	r.failures = append(r.failures, text)
}

// newClient is a franz-go client of the whole cluster.
func (r *run) newClient(opts ...kgo.Opt) *kgo.Client {
	r.t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(r.cluster.Bootstrap()...), kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.MetadataMaxAge(5 * time.Second), kgo.ConnIdleTimeout(time.Minute), kgo.DialTimeout(3 * time.Second),
		kgo.RequestTimeoutOverhead(5 * time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond })}, opts...)
	c, err := kgo.NewClient(opts...)
	require.NoError(r.t, err)
	r.made = append(r.made, c)
	return c
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// versitygw is the S3 server that WEIR_VERSITYGW names, or the one from the path.
func versitygw(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("WEIR_VERSITYGW"); program != "" {
		return program
	}
	program, err := exec.LookPath("versitygw")
	require.NoError(t, err, "set WEIR_VERSITYGW, or run make jepsen")
	return program
}

// newRun starts the store and the cluster, and makes the topic. set are settings of the nodes.
func newRun(t *testing.T, partitions int32, set map[string]string) *run {
	t.Helper()
	r := &run{t: t, partitions: partitions, rec: newRecorder(), dir: t.TempDir()}
	r.ctx = context.Background()
	r.clients, r.over = context.WithCancel(r.ctx)
	t.Cleanup(r.leaveAll)
	r.seed = *seed
	if r.seed == 0 {
		r.seed = rand.Uint64N(1_000_000) + 1
	}
	r.random = rand.New(rand.NewPCG(r.seed, r.seed))
	r.store = &localcluster.Gateway{Program: versitygw(t), Addr: freePort(t), Dir: filepath.Join(r.dir, "s3")}
	start, done := context.WithTimeout(r.ctx, 60*time.Second)
	defer done()
	require.NoError(t, r.store.Start(start))
	t.Cleanup(r.store.Stop)
	spec := localcluster.Spec{Binary: program, Dir: filepath.Join(r.dir, "cluster"), Controllers: 3, Brokers: nodes,
		ClientProxies: true, StoreConfig: r.store.Config, StoreAddr: r.store.Addr, Set: set}
	var err error
	r.cluster, err = localcluster.New(spec, t.Logf)
	require.NoError(t, err)
	t.Cleanup(r.end)
	require.NoError(t, r.cluster.StartAll(start))
	adm := kadm.NewClient(r.newClient())
	resp, err := adm.CreateTopic(start, partitions, -1, nil, topic)
	require.NoError(t, err)
	require.NoError(t, resp.Err)
	return r
}

// end stops the cluster, and shows what its nodes said if something went wrong.
func (r *run) end() {
	for _, s := range r.cluster.Down() {
		r.t.Logf("node %d %s: %s", s.ID, s.Phase, s.How)
		if raw, err := os.ReadFile(s.Log); err == nil && r.t.Failed() {
			lines := strings.SplitAfter(string(raw), "\n")
			r.t.Logf("node %d said:\n%s", s.ID, strings.Join(lines[max(0, len(lines)-30):], ""))
		}
	}
}

// work starts every worker. They end when stop is closed.
func (r *run) work(stop <-chan struct{}) {
	r.produceRate, r.readRate = newPace(800), newPace(400)
	r.pollRate, r.slowRate = newPace(30), newPace(30) // each of these is an operation on several partitions
	for range 4 {
		r.producer(stop)
	}
	for first := range int32(4) {
		r.reader(stop, []int32{first, first + 4})
	}
	r.lister(stop)
	r.consumer(stop)
	for range 3 {
		r.member(stop)
	}
	for i := range 2 {
		r.committer(stop, fmt.Sprintf("numbers-%d", i))
	}
	r.librdkafka(stop)
}

// rest heals everything, stops the workers, and waits until what they have under way is answered.
func (r *run) rest(stop chan struct{}) {
	r.cluster.Net.Heal()
	ctx, cancel := context.WithTimeout(r.ctx, restMax)
	defer cancel()
	for _, s := range r.cluster.Status() {
		if s.Phase == localcluster.Paused {
			r.try("resume", r.cluster.Resume(s.ID))
		}
		if s.Phase == localcluster.Ended {
			r.try("start", r.cluster.Start(ctx, s.ID))
		}
	}
	select { // some records more, with nothing in their way
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
	close(stop)
	all := make(chan struct{})
	go func() {
		r.workers.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ctx.Done():
		r.failf("%s after the last fault, clients wait for answers: %s", restMax, r.rec.waiting())
	}
	r.leaveAll()
	r.workers.Wait()
}

// leaveAll ends every client: nobody waits for an answer any more.
func (r *run) leaveAll() {
	r.over()
	for _, c := range r.made {
		c.Close()
	}
	r.made = nil
}

// try notes an action of the test's own that failed.
func (r *run) try(what string, err error) {
	if err != nil {
		r.failf("%s: %v", what, err)
	}
}

// history reads everything back and returns what happened; whole tells whether all of it could be read.
func (r *run) history() (h *check.History, whole bool) {
	h, whole = &check.History{Ops: r.rec.take()}, true
	ctx, cancel := context.WithTimeout(r.ctx, restMax)
	defer cancel()
	f := r.newFetcher()
	for p := range r.partitions {
		log, err := r.final(ctx, f, p)
		if err != nil {
			whole = false
			r.failf("%v", err)
		}
		h.Logs = append(h.Logs, log)
	}
	return h, whole
}

// TestCluster is the run that make jepsen does.
func TestCluster(t *testing.T) {
	r := newRun(t, 8, map[string]string{"lease": lease.String(), "upload-age": "1s"})
	stop := make(chan struct{})
	r.work(stop)
	n := r.newNemesis()
	t.Logf("faults of seed %d", r.seed)
	n.rage(*length, *every)
	r.rest(stop)
	r.judge(n)
}
