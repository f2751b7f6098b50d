package oshost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weirmq/weir/host"
)

// ExecConfig says whom to ask for volumes.
type ExecConfig struct {
	Script  string        // the operator's program; see docs/operations.md for what it is called with
	Timeout time.Duration // of one call; then it is killed, with what it started
}

// execVolumes is the provider `exec`: the operator's program creates, attaches, detaches and deletes volumes.
type execVolumes struct {
	h   *Host
	cfg ExecConfig
}

const (
	exitAgain  = 75          // EX_TEMPFAIL: not done, or not confirmed, yet
	outputMost = 4 << 10     // bytes of each output of the program that are kept
	killedWait = time.Second // for outputs that somebody still holds open after the program has ended
)

// ExecVolumes makes the host open volumes below "cluster/" only while the program says that they are attached here.
// It is called at most once, before the first such volume is opened.
func (h *Host) ExecVolumes(cfg ExecConfig) (host.Volumes, error) {
	script, err := filepath.Abs(cfg.Script)
	if err != nil {
		return nil, fmt.Errorf("oshost: find %s: %w", cfg.Script, err)
	}
	info, err := os.Stat(script)
	if err != nil {
		return nil, fmt.Errorf("oshost: look at the program for volumes: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("oshost: the program for volumes, %s, cannot be executed", script)
	}
	cfg.Script = script
	h.mu.Lock()
	h.attached = map[string]string{}
	h.mu.Unlock()
	return &execVolumes{h, cfg}, nil
}

// Create implements host.Volumes: `create UUID BYTES`.
func (x *execVolumes) Create(sc *host.Scope, v host.VolumeUse, size int64) error {
	_, err := x.run(sc, v, "create", strconv.FormatInt(size, 10))
	return err
}

// Attach implements host.Volumes: `attach UUID`, which prints a directory.
func (x *execVolumes) Attach(sc *host.Scope, v host.VolumeUse) error {
	out, err := x.run(sc, v, "attach")
	if err != nil {
		return err
	}
	dir := strings.TrimSuffix(out, "\n")
	if err := usable(dir); err != nil {
		return fmt.Errorf("oshost: %s attach %s: %w", x.cfg.Script, v.Volume, err)
	}
	return x.h.attach(v.Name, filepath.Clean(dir))
}

// Detach implements host.Volumes: `detach UUID`.
func (x *execVolumes) Detach(sc *host.Scope, v host.VolumeUse) error {
	x.h.forget(v.Name)
	_, err := x.run(sc, v, "detach")
	return err
}

// Delete implements host.Volumes: `delete UUID`.
func (x *execVolumes) Delete(sc *host.Scope, v host.VolumeUse) (found bool, err error) {
	x.h.forget(v.Name)
	_, err = x.run(sc, v, "delete")
	return err == nil, err
}

// usable refuses what a program printed unless it is a directory for a WAL.
func usable(dir string) error {
	if !filepath.IsAbs(dir) || strings.ContainsAny(dir, "\n\x00") {
		return fmt.Errorf("it printed %q, not one absolute path", dir)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("it printed a path that does not do: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("it printed %s, which is no directory; a block device needs a file system that the program mounts",
			dir)
	}
	name, network, err := NetworkFS(dir)
	if err != nil {
		return fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	if network {
		return fmt.Errorf("%s is on a network file system (%s), which no detach takes from anybody", dir, name)
	}
	return nil
}

// attach has Volume open name in dir from now on.
func (h *Host) attach(name, dir string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for other, has := range h.attached {
		if has == dir && other != name {
			return fmt.Errorf("oshost: volumes %s and %s are both said to be in %s", other, name, dir)
		}
	}
	if h.attached[name] != dir {
		delete(h.volumes, name)
	}
	h.attached[name] = dir
	return nil
}

// forget has Volume refuse name until it is attached again.
func (h *Host) forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.attached, name)
	delete(h.volumes, name)
}

// run calls the program and returns what it printed.
func (x *execVolumes) run(sc *host.Scope, v host.VolumeUse, verb string, more ...string) (string, error) {
	if sc == nil {
		sc = x.h.root
	}
	if err := x.h.alive(sc); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), x.cfg.Timeout)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-x.h.ScopeDone(sc):
			cancel()
		case <-ended:
		}
	}()
	cmd := exec.CommandContext(ctx, x.cfg.Script, append([]string{verb, v.Volume}, more...)...)
	var out, errs bounded
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = &out, &errs, "/", environment(v)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to be killed with what it started
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killedWait
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun).Round(time.Millisecond)
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well; something that it left behind holds its output open
	}
	if err == nil && out.more {
		err = fmt.Errorf("it printed more than %d bytes", outputMost)
	}
	if err == nil {
		x.h.log.Info("volume", "call", verb, "volume", v.Volume, "took", took, "said", errs.String())
		return out.buf.String(), nil
	}
	call := fmt.Sprintf("oshost: %s %s %s, after %s", x.cfg.Script, verb, v.Volume, took)
	var exit *exec.ExitError
	switch {
	case sc.Err() != nil:
		return "", fmt.Errorf("%s: %w", call, sc.Err())
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: killed, its outcome is not known: %w; it said %q", call, host.ErrTimeout, errs.String())
	case errors.As(err, &exit) && exit.ExitCode() == exitAgain:
		return "", fmt.Errorf("%s: not yet (exit code %d): %w; it said %q", call, exitAgain, host.ErrTimeout, errs.String())
	}
	return "", fmt.Errorf("%s: %w; it said %q", call, err, errs.String())
}

// environment is the process's own without the server's settings, some of which are secret, and with who asks.
func environment(v host.VolumeUse) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "WEIR_") {
			env = append(env, e)
		}
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return append(env, "WEIR_CLUSTER_ID="+v.Cluster, "WEIR_NODE_ID="+number(int64(v.Broker)),
		"WEIR_BROKER_ID="+number(int64(v.Broker)), "WEIR_BROKER_EPOCH="+number(v.Epoch),
		"WEIR_WAL_GENERATION="+number(v.Generation), "WEIR_VOLUME_ID="+v.Volume)
}

// bounded keeps the first bytes that are written to it.
type bounded struct {
	buf  bytes.Buffer
	more bool // there were others
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), outputMost-b.buf.Len())
	b.buf.Write(p[:keep])
	b.more = b.more || keep < len(p)
	return len(p), nil
}

func (b *bounded) String() string {
	s := strings.TrimSpace(b.buf.String())
	if b.more {
		s += " …"
	}
	return s
}
