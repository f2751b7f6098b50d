package localcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Gateway is an S3 server on this machine, versitygw over a folder: an object store that can go away and come back.
// Its methods may be called from any goroutine.
type Gateway struct {
	Program string // versitygw
	Addr    string // where it listens
	Dir     string // its objects

	mu  sync.Mutex
	cmd *exec.Cmd
}

const (
	gatewayAccess, gatewaySecret = "weir-local", "weir-local-secret"
	gatewayBucket                = "weir"
)

// Config is the file for --objstore-config of a node that reaches the gateway at addr.
func (g *Gateway) Config(addr string) string {
	return fmt.Sprintf("type: S3\nconfig:\n  bucket: %s\n  endpoint: %s\n  access_key: %s\n  secret_key: %s\n"+
		"  insecure: true\n", gatewayBucket, addr, gatewayAccess, gatewaySecret)
}

// Start starts it and waits until it listens.
func (g *Gateway) Start(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd != nil {
		return errors.New("the gateway runs")
	}
	if err := os.MkdirAll(filepath.Join(g.Dir, gatewayBucket), 0o755); err != nil {
		return err
	}
	cmd := exec.Command(g.Program, "--port", g.Addr, "--access", gatewayAccess, "--secret", gatewaySecret, "--quiet",
		"--keep-alive", "posix", g.Dir)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the gateway: %w", err)
	}
	g.cmd = cmd
	for {
		c, err := net.DialTimeout("tcp", g.Addr, dialMax)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway does not listen on %s: %w", g.Addr, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

// Stop ends it at once. What it has acknowledged stays.
func (g *Gateway) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait() // its exit is what was asked for
	g.cmd = nil
}
