//go:build integration

package s3store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/s3store"
	"github.com/weirmq/weir/objectstore/storetest"
)

const accessKey, secretKey = "weir-test", "weir-test-secret"

// server is a versitygw process over a temporary directory. It can be killed and started again on its port.
type server struct {
	t    *testing.T
	bin  string
	addr string
	dir  string
	cmd  *exec.Cmd
}

// startServer starts the binary that WEIR_VERSITYGW names, or versitygw from the path.
func startServer(t *testing.T) *server {
	t.Helper()
	bin := os.Getenv("WEIR_VERSITYGW")
	if bin == "" {
		var err error
		bin, err = exec.LookPath("versitygw")
		require.NoError(t, err, "set WEIR_VERSITYGW to the binary of "+
			"go install github.com/versity/versitygw/cmd/versitygw@v1.8.0, or put it in PATH")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{t: t, bin: bin, addr: l.Addr().String(), dir: t.TempDir()}
	require.NoError(t, l.Close())
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.cmd = exec.Command(s.bin, "--port", s.addr, "--access", accessKey, "--secret", secretKey, "--quiet",
		"--keep-alive", "posix", s.dir)
	s.cmd.Stderr = os.Stderr
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, func() bool {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 20*time.Second, 5*time.Millisecond, "versitygw does not listen")
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // its exit is what was asked for
}

// config makes bucket and returns the settings to use it.
func (s *server) config(bucket string) objectstore.S3Config {
	s.t.Helper()
	c, err := minio.New(s.addr, &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, "")})
	require.NoError(s.t, err)
	require.NoError(s.t, c.MakeBucket(s.t.Context(), bucket, minio.MakeBucketOptions{}))
	return objectstore.S3Config{
		Bucket: bucket, Endpoint: s.addr, AccessKey: accessKey, SecretKey: secretKey, Insecure: true,
	}
}

func open(t *testing.T, cfg objectstore.S3Config) *s3store.Store {
	t.Helper()
	s, err := s3store.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestConformsOnARealServer runs the suite behind retries: versitygw makes and removes a directory for each
// part of a key, and answers a put that meets a removal under way with 409.
func TestConformsOnARealServer(t *testing.T) {
	srv, n := startServer(t), 0
	patience := objectstore.Policy{First: time.Millisecond, Max: 20 * time.Millisecond, Total: time.Minute}
	for _, prefix := range []string{"", "a/prefix"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, task storetest.Task) {
				n++
				h := newHost(t)
				s, err := objectstore.WithPrefix(open(t, srv.config(fmt.Sprintf("bucket-%d", n))), prefix)
				require.NoError(t, err)
				require.NoError(t, task(h.Root(), h, objectstore.WithRetry(h, s, patience)))
			})
		})
	}
}

// TestAnInterruptedPutLeavesNothing dies in the middle of a body of every way of sending.
func TestAnInterruptedPutLeavesNothing(t *testing.T) {
	srv := startServer(t)
	h, s := newHost(t), open(t, srv.config("bucket"))
	for _, n := range []int64{1, 1000, 1 << 20, 9 << 20} {
		require.Error(t, s.Put(h.Root(), "k", shortBody{n}))
		require.Error(t, s.PutIfAbsent(h.Root(), "k", shortBody{n}))
		_, err := s.Head(h.Root(), "k")
		require.ErrorIs(t, err, objectstore.ErrNotFound, n)
	}
}

// shortBody has one byte less than it claims.
type shortBody struct{ size int64 }

func (b shortBody) Size() int64                { return b.size }
func (b shortBody) Open(*host.Scope) io.Reader { return bytes.NewReader(make([]byte, b.size-1)) }

func TestWrongSettingsAreTerminalAndNamed(t *testing.T) {
	srv := startServer(t)
	good := srv.config("bucket")
	h := newHost(t)
	for name, change := range map[string]func(*objectstore.S3Config){
		"create the bucket": func(c *objectstore.S3Config) { c.Bucket = "another" },
		"secret_key":        func(c *objectstore.S3Config) { c.SecretKey = "wrong" },
		"access_key":        func(c *objectstore.S3Config) { c.AccessKey = "nobody" },
		"insecure: true":    func(c *objectstore.S3Config) { c.Insecure = false },
	} {
		cfg := good
		change(&cfg)
		s := open(t, cfg)
		err := objectstore.Probe(h.Root(), h, objectstore.WithRetry(h, s, objectstore.Policy{}))
		t.Log(err)
		require.ErrorIs(t, err, objectstore.ErrTerminal, name)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, cfg.Bucket)
		require.ErrorContains(t, err, cfg.Endpoint)
		require.NotContains(t, err.Error(), "\n")
	}
}

// TestRetriesRideThroughKilledServers writes, reads and deletes while the server is killed and started over
// and over. Whatever was acknowledged must be there, and a put-if-absent must not report its own object as
// another's without saying that it may be.
func TestRetriesRideThroughKilledServers(t *testing.T) {
	srv := startServer(t)
	h := newHost(t)
	sc := h.Root()
	s := objectstore.WithRetry(h, open(t, srv.config("bucket")), objectstore.Policy{
		First: 5 * time.Millisecond, Max: 100 * time.Millisecond, Total: time.Minute,
	})
	g := host.NewGroup(h, sc)
	for i := range 4 {
		g.Go("test.writer", func(sc *host.Scope) error {
			return writeThrough(sc, s, i, h.Now().Add(4*time.Second), h)
		})
	}
	for range 8 {
		require.NoError(t, h.Sleep(sc, 300*time.Millisecond))
		srv.kill()
		require.NoError(t, h.Sleep(sc, 50*time.Millisecond))
		srv.start()
	}
	require.NoError(t, g.Wait())
}

func writeThrough(sc *host.Scope, s objectstore.Store, i int, until host.Time, h host.Host) error {
	unknown, n := 0, 0
	for ; h.Now() < until; n++ {
		key := fmt.Sprintf("%02x/cluster/%d/1/%016d", n%16, i, n)
		content := bytes.Repeat([]byte{byte(n), byte(i)}, 1+n*1009%300_000)
		err := s.PutIfAbsent(sc, key, objectstore.BytesBody(content))
		if errors.Is(err, objectstore.ErrExistsUnknown) {
			unknown++
		} else if err != nil {
			return err
		}
		got := make([]byte, len(content))
		if err := s.GetRange(sc, key, 0, got); err != nil {
			return err
		}
		if !bytes.Equal(got, content) {
			return fmt.Errorf("%s holds other bytes than were put", key)
		}
		if n%3 == 0 {
			if err := s.Delete(sc, key); err != nil {
				return err
			}
			if _, err := s.Head(sc, key); !errors.Is(err, objectstore.ErrNotFound) {
				return fmt.Errorf("head %s after delete: %w", key, err)
			}
		}
	}
	if n < 20 {
		return fmt.Errorf("only %d rounds were made", n)
	}
	return nil
}

func TestAFrozenServerDoesNotHangACall(t *testing.T) {
	srv := startServer(t)
	h := newHost(t)
	cfg := srv.config("bucket")
	cfg.HTTP.ResponseHeaderTimeout = 300 * time.Millisecond
	s := open(t, cfg)
	body := objectstore.BytesBody(make([]byte, 8<<20)) // more than the kernel buffers
	require.NoError(t, s.Put(h.Root(), "a", body))
	require.NoError(t, srv.cmd.Process.Signal(syscall.SIGSTOP))
	start := h.Now()
	err := s.Put(h.Root(), "a", body)
	require.Error(t, err)
	require.False(t, objectstore.Definite(err), err)
	require.Error(t, s.GetRange(h.Root(), "a", 0, make([]byte, 10)))
	require.Less(t, h.Now().Sub(start), 10*time.Second)
	require.NoError(t, srv.cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, objectstore.WithRetry(h, s, objectstore.Policy{}).Put(h.Root(), "a", body))
}
