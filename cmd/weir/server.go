package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/wal"
)

func serverCommand() *cobra.Command {
	var c serverConfig
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run a node: broker and controller in one process",
		Long: `Run one process that is broker and controller, with everything under --data.

Each setting is a flag, an environment variable (--upload-age is WEIR_UPLOAD_AGE) or a line of the
--config file; a flag wins over the variable, that over the file. Sizes read like 512MiB.

Ctrl-C or SIGTERM drains the node: requests in work are answered, everything is uploaded, and the
next start has nothing to recover. A second signal ends it at once; nothing acknowledged is lost.

--fault-plan FILE makes the server fail on purpose, for tests: errors of disks, clocks, connections and
the object store, at the times that FILE names (docs/format/fault-plan.md). It needs --allow-faults.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.load(cmd.Flags()); err != nil {
				return err
			}
			return runServer(&c)
		},
	}
	c.flags(cmd.Flags())
	return cmd
}

// runServer starts the node, prints the ready line, and waits for a signal or for the node's own end.
func runServer(c *serverConfig) error {
	start := time.Now()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	cfg, err := c.node()
	if err != nil {
		return err
	}
	notice, err := watchNotice(c.NoticeFile)
	if err != nil {
		return err
	}
	plan, err := c.readPlan()
	if err != nil {
		return err
	}
	real, err := oshost.New(oshost.Config{
		Data: c.Data, Volumes: c.volumes(), Node: machineName, Log: slog.NewTextHandler(os.Stderr, nil),
	})
	if err != nil {
		return err
	}
	if err := c.refuseNetworkFS(); err != nil {
		return err
	}
	if err := c.provide(real, &cfg); err != nil {
		return fmt.Errorf("--volumes-exec: %w", err)
	}
	faults, err := c.underPlan(real, plan, os.Stderr)
	if err != nil {
		return err
	}
	defer tellFaults(faults, os.Stderr)
	var h host.Host = real
	if faults != nil {
		h = faults.Host()
	}
	if cfg.Store, err = c.openStoreUnder(h, faults); err != nil {
		return err
	}
	var current atomic.Pointer[node.Node]
	side, err := startHTTP(c.HTTP, current.Load)
	if err != nil {
		return err
	}
	defer side.stop()

	n, err := startNode(h, cfg, signals)
	if errors.Is(err, wal.ErrNoRoom) {
		return fmt.Errorf("%w (--wal-size is %s)", err, c.WALSize)
	}
	if err != nil {
		return err
	}
	current.Store(n)
	side.ready.Store(true)
	fmt.Printf("weir ready: kafka %s, http %s, data %s, cluster %s, node %d, %s%s in %s\n",
		orNone(n.Advertised()), orNone(c.HTTP), c.Data, n.ClusterID(), n.ID(), c.clusterLine(), n.RecoveredLine(),
		time.Since(start).Round(time.Millisecond))
	return waitForEnd(real, n, side, signals, &noticed{seen: notice, drain: c.NoticeDrain})
}

// clusterLine is what the ready line of a node of a cluster says besides.
func (c *serverConfig) clusterLine() string {
	if c.ClusterListen == "" {
		return ""
	}
	return fmt.Sprintf("cluster-listen %s, roles %s, ", c.ClusterAdvertise, strings.Join(c.Roles, "+"))
}

// startNode starts the node and gives up when a signal comes first: a start may wait long for its store.
func startNode(h host.Host, cfg node.Config, signals <-chan os.Signal) (*node.Node, error) {
	type outcome struct {
		n   *node.Node
		err error
	}
	done := make(chan outcome, 1)
	h.Go(nil, "server.start", func(sc *host.Scope) {
		n, err := node.Start(sc, h, cfg)
		done <- outcome{n, err}
	})
	select {
	case o := <-done:
		return o.n, o.err
	case sig := <-signals:
		return nil, fmt.Errorf("ended by %s before the node was ready; nothing is lost", sig)
	}
}

// refuseNetworkFS refuses data on a network file system: the WAL's fence word is coherent within one kernel
// only, and a lock there proves nothing (PROTOCOL rules 6, 8).
func (c *serverConfig) refuseNetworkFS() error {
	if err := refuseNetworkFS("data", c.Data); err != nil || c.ClusterListen == "" || c.VolumesExec != "" {
		return err // a program's directories are looked at when it names them
	}
	return refuseNetworkFS("volumes", c.volumes())
}

func refuseNetworkFS(flag, data string) error {
	dir, err := filepath.Abs(data)
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, e := os.Stat(dir); e == nil || dir == filepath.Dir(dir) {
			break // the nearest directory that exists: the rest is made there
		}
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", data, err)
	}
	name, network, err := oshost.NetworkFS(dir)
	if err != nil {
		return fmt.Errorf("look at the file system of %s: %w", data, err)
	}
	if network {
		return fmt.Errorf("--%s %s is on a network file system (%s), where locks prove nothing; use a local disk",
			flag, data, name)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "off"
	}
	return s
}

// waitForEnd returns when the node has drained after a signal, or ended by itself.
func waitForEnd(
	h *oshost.Host, n *node.Node, side *httpSide, signals <-chan os.Signal, notice *noticed,
) error {
	failed := make(chan error, 1)
	h.Go(nil, "server.failed", func(sc *host.Scope) { failed <- n.Failed(sc) })
	stop := n.Stop
	select {
	case err := <-failed:
		if errors.Is(err, broker.ErrFenced) || errors.Is(err, wal.ErrFenced) {
			return fmt.Errorf("the node ended: %w; start it again, it joins the others as it is", err)
		}
		return fmt.Errorf("the node ended: %w", err)
	case sig := <-signals:
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("draining", "signal", sig.String())
	case <-notice.seen:
		stop = func(sc *host.Scope) error { return n.Leave(sc, notice.drain) }
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("draining", "why", "the notice file is there")
	}
	side.ready.Store(false)
	stopped := make(chan error, 1)
	h.Go(nil, "server.stop", func(sc *host.Scope) { stopped <- stop(sc) })
	select {
	case err := <-stopped:
		if err != nil {
			return err
		}
		h.Close(nil)
		return nil
	case <-signals:
		return errors.New("ended by a second signal; the next start recovers from the WAL")
	}
}

// onHost runs fn as a task of h and waits for it.
func onHost[T any](h host.Host, fn func(*host.Scope) (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	h.Go(nil, "command", func(sc *host.Scope) {
		v, err := fn(sc)
		done <- outcome{v, err}
	})
	o := <-done
	return o.v, o.err
}
