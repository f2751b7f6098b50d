package oshost_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
)

func newHost(t testing.TB, data string) *oshost.Host {
	t.Helper()
	h, err := oshost.New(oshost.Config{Data: data, Node: "n1", Log: slog.DiscardHandler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(nil); h.Wait() })
	return h
}

func volume(t testing.TB, h *oshost.Host) host.Volume {
	t.Helper()
	v, err := h.Disk().Volume(nil, "v0")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestMain plays the other process of the tests that need one.
func TestMain(m *testing.M) {
	switch os.Getenv("OSHOST_TEST_ROLE") {
	case "panics":
		h, err := oshost.New(oshost.Config{Data: os.TempDir(), Node: "n7"})
		if err != nil {
			os.Exit(1)
		}
		h.Go(nil, "wal.commit", func(*host.Scope) { panic("our own bug") })
		h.Wait()
		time.Sleep(time.Minute) // the task's panic ends the process before
		os.Exit(0)
	case "locks":
		h, err := oshost.New(oshost.Config{Data: os.Getenv("OSHOST_TEST_DATA")})
		if err != nil {
			os.Exit(1)
		}
		v, err := h.Disk().Volume(nil, "v0")
		if err != nil {
			os.Exit(1)
		}
		if _, err := v.Lock("lock"); err != nil {
			os.Exit(1)
		}
		_, _ = io.WriteString(os.Stdout, "locked\n")
		time.Sleep(time.Minute) // it is killed before
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func role(name string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "OSHOST_TEST_ROLE="+name)...)
	return cmd
}

func TestPanickingTaskEndsTheProcessAndIsNamed(t *testing.T) {
	out, err := role("panics").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("the process ended with %v, want exit code 2", err)
	}
	for _, want := range []string{`task "wal.commit"`, `machine "n7"`, "our own bug", "oshost_test.go"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
}

func TestLockDiesWithItsProcess(t *testing.T) {
	data := t.TempDir()
	v := volume(t, newHost(t, data))
	cmd := role("locks", "OSHOST_TEST_DATA="+data)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("locked\n"))); err != nil {
		t.Fatalf("the other process has no lock: %v", err)
	}
	if _, err := v.Lock("lock"); !errors.Is(err, host.ErrLocked) {
		t.Errorf("Lock while another process holds it: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed, which is an error
	l, err := v.Lock("lock")
	if err != nil {
		t.Fatalf("Lock after the holder was killed: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockOfAReplacedFileIsNotTheOldOnes(t *testing.T) {
	v := volume(t, newHost(t, t.TempDir()))
	a, err := v.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Remove("lock"); err != nil {
		t.Fatal(err)
	}
	b, err := v.Lock("lock")
	if err != nil {
		t.Fatalf("Lock of a new file under the old name: %v", err)
	}
	if _, err := v.Lock("lock"); !errors.Is(err, host.ErrLocked) {
		t.Errorf("Lock of the new file: %v, want it locked", err)
	}
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

func TestEveryHandleFailsAfterClose(t *testing.T) {
	h := newHost(t, t.TempDir())
	v := volume(t, h)
	f, err := v.Open("f", host.Create)
	if err != nil {
		t.Fatal(err)
	}
	l, err := h.Network().Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Network().Dial(nil, l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Lock("lock"); err != nil {
		t.Fatal(err)
	}
	var slept error
	h.Go(nil, "sleeper", func(sc *host.Scope) { slept = h.Sleep(sc, time.Hour) })
	var read error
	h.Go(nil, "reader", func(*host.Scope) { _, read = c.Read(make([]byte, 1)) })
	h.Close(nil)
	h.Wait()
	buf := make([]byte, 1)
	for what, err := range map[string]error{
		"a sleep": slept, "a read under way": read,
		"Root":  h.Root().Err(),
		"Sleep": h.Sleep(h.Root(), time.Hour),
		"Open":  last(v.Open("f", 0)), "List": last(v.List("")), "Remove": v.Remove("f"),
		"SyncDir": v.SyncDir(""), "Lock": last(v.Lock("lock")), "Link": v.Link("f", "g"),
		"ReadAt": last(f.ReadAt(buf, 0)), "WriteAt": last(f.WriteAt(buf, 0)), "Sync": f.Sync(),
		"Size": last(f.Size()), "Resize": f.Resize(1),
		"Volume": last(h.Disk().Volume(nil, "v1")),
		"Listen": last(h.Network().Listen("127.0.0.1:0")), "Accept": last(l.Accept(nil)),
		"Dial": last(h.Network().Dial(nil, l.Addr())),
		"Read": last(c.Read(buf)), "Write": last(c.Write(buf)),
	} {
		if !errors.Is(err, host.ErrKilled) {
			t.Errorf("%s: %v, want %v", what, err, host.ErrKilled)
		}
	}
	h.Close(nil) // nothing happens
}

func last[T any](_ T, err error) error { return err }

func TestScopeServesAsContext(t *testing.T) {
	h := newHost(t, t.TempDir())
	sc, cancel := h.Root().Child(0)
	if sc.Done() != sc.Done() {
		t.Error("Done gives two channels")
	}
	ctx, stop := context.WithCancel(sc)
	defer stop()
	select {
	case <-sc.Done():
		t.Error("a live scope is done")
	default:
	}
	cancel()
	<-ctx.Done()
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("the context below says %v", ctx.Err())
	}
	<-sc.Done() // asked for after the end

	until := h.Now().Add(2 * time.Millisecond)
	bounded, cancel := h.Root().Child(until)
	defer cancel()
	if at, ok := bounded.Deadline(); !ok || at.Before(time.Now().Add(-time.Minute)) {
		t.Errorf("the deadline is %v, %t", at, ok)
	}
	<-bounded.Done()
	if h.Now() < until || bounded.Err() != host.ErrTimeout {
		t.Errorf("done %v early with %v", until.Sub(h.Now()), bounded.Err())
	}
}

func TestLogTellsTimeMachineAndTask(t *testing.T) {
	var out bytes.Buffer
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Node: "n1", Log: slog.NewTextHandler(&out, nil)})
	if err != nil {
		t.Fatal(err)
	}
	h.Go(nil, "wal.commit", func(sc *host.Scope) {
		child, cancel := sc.Child(0)
		defer cancel()
		h.Log().InfoContext(child, "synced", "bytes", 5)
		h.Log().With("a", 1).Info("no task is known")
	})
	h.Wait()
	h.Close(nil)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d records, want 2:\n%s", len(lines), out.String())
	}
	for i, want := range [][]string{
		{"msg=synced", "machine=n1", "task=wal.commit", "host_ns=", "bytes=5"},
		{"a=1", "machine=n1", "host_ns="},
	} {
		for _, w := range want {
			if !strings.Contains(lines[i], w) {
				t.Errorf("the record lacks %s: %s", w, lines[i])
			}
		}
	}
}

func TestParkingDoesNotAllocate(t *testing.T) {
	h := newHost(t, t.TempDir())
	sc, cancel := h.Root().Child(0)
	defer cancel()
	warm := h.Parker()
	_ = warm.Park(sc, 1)
	warm.Release()
	p := h.Parker()
	defer p.Release()
	_ = p.Park(sc, h.Now().Add(time.Microsecond)) // makes the timer
	for what, fn := range map[string]func(){
		"a permit that is there": func() { p.Unpark(); _ = p.Park(sc, 0) },
		"a deadline":             func() { _ = p.Park(sc, h.Now().Add(time.Microsecond)) },
		"a look at the clock":    func() { h.Now() },
	} {
		if n := testing.AllocsPerRun(50, fn); n != 0 {
			t.Errorf("%s: %v allocations, want none", what, n)
		}
	}
}

func TestVolumeNamesStayBelowTheData(t *testing.T) {
	data := t.TempDir()
	h := newHost(t, filepath.Join(data, "not", "there", "yet"))
	for _, name := range []string{"", ".", "..", "/abs", "../up", "a/../../up"} {
		if _, err := h.Disk().Volume(nil, name); err == nil {
			t.Errorf("Volume %q was attached", name)
		}
	}
	volume(t, h)
	if _, err := os.Stat(filepath.Join(data, "not", "there", "yet", "v0")); err != nil {
		t.Error(err)
	}
	if _, err := oshost.New(oshost.Config{}); err == nil {
		t.Error("a host without a data directory was made")
	}
}

func TestSharedVolumesAreTheSameForEveryHostOfTheMachine(t *testing.T) {
	volumes := t.TempDir()
	for i := range 2 {
		h, err := oshost.New(oshost.Config{Data: t.TempDir(), Volumes: volumes, Log: slog.DiscardHandler})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close(nil); h.Wait() })
		v, err := h.Disk().Volume(nil, "cluster/v1")
		if err != nil {
			t.Fatal(err)
		}
		flag := host.Create
		if i == 1 {
			flag = host.ReadOnly
		}
		if _, err := v.Open("f", flag); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(volumes, "v1", "f")); err != nil {
		t.Fatal(err)
	}
}

func TestSharedVolumesLieBelowTheDataByDefault(t *testing.T) {
	data := t.TempDir()
	if _, err := newHost(t, data).Disk().Volume(nil, "cluster/v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(data, "volumes", "v1")); err != nil {
		t.Fatal(err)
	}
}
