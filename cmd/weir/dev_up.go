package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/localcluster"
)

func devUpCommand(dir *string) *cobra.Command {
	var spec localcluster.Spec
	var settings []string
	var detach bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a local cluster and own it until Ctrl-C",
		Long: `Starts the nodes, waits until all are ready, says where they are, and stays until Ctrl-C or "weir dev down".
What the cluster has lies in --dir and is there again at the next start. Nodes that end by themselves are told of.

Node 1 to --controllers are controllers, node 1 to --brokers are brokers; with --separate no node is both.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec.Dir = *dir
			if err := settle(&spec, settings); err != nil {
				return err
			}
			if upIn(cmd.Context(), *dir) {
				return fmt.Errorf("a cluster runs in %s already; see `weir dev status --dir %s`", *dir, *dir)
			}
			if state, err := localcluster.ReadState(*dir); err == nil && len(localcluster.Leftovers(state)) > 0 {
				return fmt.Errorf("nodes of an earlier cluster live on in %s; `weir dev down --dir %s` ends them", *dir, *dir)
			}
			if detach {
				return devDetach(cmd, *dir)
			}
			return devUp(cmd.Context(), cmd.OutOrStdout(), spec)
		},
	}
	f := cmd.Flags()
	f.IntVar(&spec.Controllers, "controllers", 3, "nodes that keep the metadata: 1, 3 or 5")
	f.IntVar(&spec.Brokers, "brokers", 3, "nodes that serve clients")
	f.BoolVar(&spec.Separate, "separate", false, "no node is both controller and broker")
	f.IntVar(&spec.BasePort, "base-port", 9092, "Kafka port of node 1, others follow up to 600 above; 0 = any free ones")
	f.StringArrayVar(&settings, "set", nil, "setting of every node as name=value, may be repeated")
	f.BoolVar(&spec.ClientProxies, "client-proxies", false,
		`a proxy before each Kafka address, so that "clients" can be cut`)
	f.BoolVar(&detach, "detach", false, "come back when the cluster is ready; it runs on until `weir dev down`")
	return cmd
}

// settle completes a spec from what flags cannot say directly.
func settle(spec *localcluster.Spec, settings []string) error {
	var err error
	if spec.Binary, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	spec.Set = map[string]string{}
	for _, s := range settings {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("--set %q: give it as name=value", s)
		}
		spec.Set[name] = value
	}
	return nil
}

// devUp starts the cluster, and owns it until a signal or an order ends it.
func devUp(ctx context.Context, out io.Writer, spec localcluster.Spec) error {
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	c, err := localcluster.New(spec, say)
	if err != nil {
		return err
	}
	control, err := localcluster.Serve(c, spec.Dir)
	if err != nil {
		c.Down()
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	begin := time.Now()
	say("starting %d nodes in %s", len(c.Nodes()), spec.Dir)
	up, cancel := context.WithCancel(ctx)
	started := make(chan error, 1)
	go func() { started <- c.StartAll(up) }()
	ended := false
	select {
	case err = <-started:
	case <-signals:
		ended = true
	case <-control.Ordered():
		ended = true
	}
	cancel()
	if err == nil && !ended {
		control.Ready()
		say("the cluster is up after %s\n", time.Since(begin).Round(time.Millisecond))
		err = errors.Join(devTable(out, c.Status()), devNext(out, spec, c))
		select {
		case <-signals:
		case <-control.Ordered():
		case <-ctx.Done():
		}
	}
	say("stopping; a second Ctrl-C kills")
	go func() {
		if _, again := <-signals; again {
			for _, id := range c.Running() {
				_ = c.Kill(id) // it may have ended meanwhile
			}
		}
	}()
	nodes := c.Down()
	say("")
	return errors.Join(err, devTable(out, nodes), control.Close())
}

// devNext says what to try.
func devNext(out io.Writer, spec localcluster.Spec, c *localcluster.Cluster) error {
	dir := ""
	if spec.Dir != "weir-dev" {
		dir = " --dir " + spec.Dir
	}
	broker := c.Bootstrap()[0]
	_, err := fmt.Fprintf(out, `
Try, from another terminal:
  weir topic create orders -p 6 --broker %[1]s
  seq 1000 | weir produce orders --broker %[1]s
  weir topic describe orders --broker %[1]s
  weir topic move orders 0 2 --broker %[1]s
  weir cluster status --cluster %[4]s
  weir dev%[2]s kill 2        then: status, start 2, pause 3, resume 3, cut 1 2, heal, stop 2, notice 2
Ctrl-C, or weir dev%[2]s down, ends every node in order. What they print is in %[3]s.
A node that was paused or cut off for longer than its lease ends by itself; start it again.
`, broker, dir, filepath.Join(spec.Dir, "node-*.log"), c.Nodes()[0].Cluster)
	return err
}

// devDetach runs this command once more without --detach, and waits until that one's cluster is ready.
func devDetach(cmd *cobra.Command, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, "dev.log")
	log, err := os.Create(file)
	if err != nil {
		return err
	}
	defer log.Close()
	var args []string
	for _, a := range os.Args[1:] {
		if a != "--detach" && !strings.HasPrefix(a, "--detach=") {
			args = append(args, a)
		}
	}
	child := exec.Command(self, args...)
	child.Stdout, child.Stderr = log, log
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	ctx, cancel := interrupted(cmd)
	defer cancel()
	for {
		select {
		case err := <-ended:
			said, _ := os.ReadFile(file) // the error below is the news
			return fmt.Errorf("the cluster did not start (%v); it said:\n%s", err, said)
		case <-ctx.Done():
			return fmt.Errorf("not ready yet; process %s goes on, see %s", strconv.Itoa(child.Process.Pid), file)
		case <-time.After(50 * time.Millisecond):
		}
		if r, err := localcluster.Ask(ctx, dir); err == nil && r.Ready {
			said, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(said)
			return err
		}
	}
}
