package oshost

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirmq/weir/host"
)

func testHost(t *testing.T) *Host {
	t.Helper()
	h, err := New(Config{Data: t.TempDir(), Log: slog.DiscardHandler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(nil); h.Wait() })
	return h
}

func TestFailedSyncIsFinal(t *testing.T) {
	h := testHost(t)
	dev, err := os.OpenFile("/dev/full", os.O_RDWR, 0) // fdatasync fails on it
	if err != nil {
		t.Fatal(err)
	}
	f := &file{h: h, f: dev, name: "full", align: 1}
	buf := make([]byte, 1)
	if _, err := f.ReadAt(buf, 0); err != nil {
		t.Fatalf("ReadAt before: %v", err)
	}
	if _, err := f.WriteAt(buf, 0); !errors.Is(err, host.ErrNoSpace) {
		t.Errorf("WriteAt to a full device: %v", err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := f.Sync(); !errors.Is(err, host.ErrIO) {
				t.Errorf("Sync: %v", err)
			}
		})
	}
	all.Wait()
	_, rerr := f.ReadAt(buf, 0)
	_, werr := f.WriteAt(buf, 0)
	_, serr := f.Size()
	for what, err := range map[string]error{
		"ReadAt": rerr, "WriteAt": werr, "Size": serr, "Resize": f.Resize(0), "Sync": f.Sync(), "Close": f.Close(),
	} {
		if !errors.Is(err, host.ErrIO) {
			t.Errorf("%s after a failed Sync: %v, want %v", what, err, host.ErrIO)
		}
	}
	if dev.Close() == nil {
		t.Error("Close left the descriptor open")
	}
}

func TestErrorsOfTheSystemGetTheirSentinels(t *testing.T) {
	h := testHost(t)
	for _, tt := range []struct {
		err  error
		want error
	}{
		{unix.ENOSPC, host.ErrNoSpace}, {unix.EDQUOT, host.ErrNoSpace}, {unix.EIO, host.ErrIO},
		{unix.ENOENT, host.ErrNotExist}, {unix.EEXIST, host.ErrExist}, {unix.EWOULDBLOCK, host.ErrLocked},
		{unix.ECONNRESET, host.ErrReset}, {unix.EPIPE, host.ErrReset}, {unix.ECONNREFUSED, host.ErrRefused},
		{unix.EADDRINUSE, host.ErrInUse}, {os.ErrDeadlineExceeded, host.ErrTimeout}, {os.ErrClosed, host.ErrClosed},
	} {
		got := h.fail(&os.PathError{Op: "op", Path: "p", Err: tt.err})
		if !errors.Is(got, tt.want) || !errors.Is(got, tt.err) {
			t.Errorf("%v became %v, want both it and %v", tt.err, got, tt.want)
		}
	}
	if got := h.fail(unix.EPERM); got != unix.EPERM {
		t.Errorf("EPERM became %v", got)
	}
}

func TestDescriptorsAreNotInherited(t *testing.T) {
	h := testHost(t)
	v, err := h.Disk().Volume(nil, "v")
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Open("f", host.Create|host.Direct)
	if err != nil {
		t.Fatal(err)
	}
	l, err := v.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	for _, open := range []*os.File{f.(*file).f, l.(*fileLock).f} {
		err := control(open, func(fd int) error {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if err == nil && flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s is inherited by child processes", open.Name())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestDirectFallsBackWhereItIsRefused(t *testing.T) {
	h := testHost(t)
	// proc has no direct I/O: its open fails with EINVAL.
	f, err := openFile(h, "/proc/self/comm", "comm", host.Direct|host.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	if f.Align() != 1 {
		t.Errorf("alignment is %d, want 1", f.Align())
	}
	if n, err := f.ReadAt(make([]byte, 3), 0); n != 3 {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestAcceptWaitsForDescriptors(t *testing.T) {
	warned := &tell{Handler: slog.DiscardHandler, said: make(chan string, 100)}
	h, err := New(Config{Data: t.TempDir(), Log: warned})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Wait()
	defer h.Close(nil)
	l, err := h.Network().Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Network().Dial(nil, l.Addr()); err != nil {
		t.Fatal(err)
	}
	free, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := errors.Join(unix.Close(free), unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)); err != nil {
		t.Fatal(err)
	}
	short := unix.Rlimit{Cur: uint64(free), Max: limit.Max} // the lowest free number is one too high
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &short); err != nil {
		t.Fatal(err)
	}
	h.Go(nil, "accept", func(sc *host.Scope) {
		if _, err := l.Accept(sc); err != nil {
			t.Errorf("Accept: %v", err)
		}
	})
	said := <-warned.said
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said, "raise the limit") {
		t.Errorf("the log says %q", said)
	}
	h.tasks.Wait() // the connection was waiting all the time
}

// tell passes messages to a test.
type tell struct {
	slog.Handler
	said chan string
}

func (h *tell) Enabled(context.Context, slog.Level) bool { return true }

func (h *tell) Handle(_ context.Context, r slog.Record) error {
	h.said <- r.Message
	return nil
}

func TestNetworkFileSystemsAreNamed(t *testing.T) {
	if name, is, err := NetworkFS(t.TempDir()); err != nil || is {
		t.Errorf("the test's directory is on %q, network %t, %v", name, is, err)
	}
	if _, _, err := NetworkFS(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing path has a file system")
	}
	if netFS[unix.NFS_SUPER_MAGIC] != "nfs" || netFS[unix.SMB2_SUPER_MAGIC] != "smb2" {
		t.Error("nfs and smb are not named")
	}
}

func TestClockSurvivesStepsAndSuspends(t *testing.T) {
	var c clock
	if err := c.init(); err != nil {
		t.Fatal(err)
	}
	boot, err := boottime()
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Duration(c.Now()) - boot; d < -time.Millisecond || d > time.Second {
		t.Errorf("Now is %v from the boot clock", d)
	}
	exact := *c.cal.Load()
	for _, tt := range []struct {
		name       string
		boot, wall time.Duration // what the last calibration is made to have seen
		jumps      time.Duration
	}{
		{"wall clock set forward", exact.boot, exact.wall - time.Hour, 0},
		{"wall clock set back", exact.boot, exact.wall + time.Hour, 0},
		{"an hour of suspend", exact.boot - time.Hour, exact.wall - time.Hour, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.cal.Store(&calibration{boot: tt.boot, wall: tt.wall})
			before := time.Since(c.born) + tt.boot
			got := time.Duration(c.Now())
			if got < before+tt.jumps {
				t.Errorf("Now is %v, before it was %v, want %v more", got, before, tt.jumps)
			}
			if kept := c.cal.Load().boot; tt.jumps == 0 && kept != tt.boot {
				t.Errorf("the boot clock's distance moved by %v without a suspend", kept-tt.boot)
			}
			truth, _ := boottime()
			if d := truth - got; d < -step || d > time.Second {
				t.Errorf("Now is %v behind the boot clock", d)
			}
			again := time.Duration(c.Now())
			if again < got {
				t.Errorf("Now went back by %v", got-again)
			}
		})
	}
}

// TestAFileThatGrowsHasItsRoomOnTheMedium: a ring is as large as it says from its birth on, and a full disk is found
// out then.
func TestAFileThatGrowsHasItsRoomOnTheMedium(t *testing.T) {
	h := testHost(t)
	v, err := h.Disk().Volume(nil, "v")
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Open("f", host.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int64{1 << 20, 3 << 20, 2 << 20} {
		if err := f.Resize(size); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(int(f.(*file).f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		if st.Size != size || st.Blocks*512 < size {
			t.Errorf("after a resize to %d the size is %d, and %d bytes are on the medium", size, st.Size, st.Blocks*512)
		}
	}
	if err := f.Resize(1 << 62); !errors.Is(err, host.ErrNoSpace) && !errors.Is(err, unix.EFBIG) {
		t.Errorf("resize to what no disk holds: %v", err)
	}
	if size, err := f.Size(); err != nil || size != 2<<20 {
		t.Errorf("the size after that is %d, %v, want what it was", size, err)
	}
}
