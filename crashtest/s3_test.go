//go:build integration

package crashtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

// gateway is an S3 server over a folder; it can be stopped and started again on its port.
type gateway struct {
	t       *testing.T
	program string
	addr    string
	dir     string
	cmd     *exec.Cmd
	away    bool // it was there before
}

const accessKey, secretKey, bucket = "weir-test", "weir-test-secret", "bucket"

// startGateway starts the program that WEIR_VERSITYGW names, or versitygw from the path, with one bucket.
func startGateway(t *testing.T) *gateway {
	t.Helper()
	program := os.Getenv("WEIR_VERSITYGW")
	if program == "" {
		var err error
		program, err = exec.LookPath("versitygw")
		require.NoError(t, err, "set WEIR_VERSITYGW, or run make integration")
	}
	g := &gateway{t: t, program: program, addr: freePort(t), dir: t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(g.dir, bucket), 0o755))
	g.start()
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) start() {
	g.t.Helper()
	if g.away {
		done.count(g.t, fault.StoreOutage, 1)
	}
	g.away = true
	g.cmd = exec.Command(g.program, "--port", g.addr, "--access", accessKey, "--secret", secretKey, "--quiet",
		"--keep-alive", "posix", g.dir)
	require.NoError(g.t, g.cmd.Start())
	require.Eventually(g.t, func() bool {
		c, err := net.Dial("tcp", g.addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 20*time.Second, 5*time.Millisecond, "the S3 server does not listen")
}

func (g *gateway) stop() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait() // its exit is what was asked for
}

// config writes the file for --objstore-config.
func (g *gateway) config() string {
	g.t.Helper()
	file := filepath.Join(g.t.TempDir(), "objstore.yaml")
	const form = "type: S3\nconfig:\n  bucket: %s\n  endpoint: %s\n  access_key: %s\n  secret_key: %s\n  insecure: true\n"
	text := fmt.Sprintf(form, bucket, g.addr, accessKey, secretKey)
	require.NoError(g.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// TestKillUnderLoadWithObjectsInS3 kills the server over and over with its objects on an S3 server.
func TestKillUnderLoadWithObjectsInS3(t *testing.T) {
	g := startGateway(t)
	s := newServer(t, "--objstore-config", g.config(), "--wal-size", "128MiB", "--memory", "256MiB",
		"--upload-age", "300ms")
	s.start()
	killRounds(t, s, max(3, *rounds/2))
}

// TestAStoppedStoreStopsProduceOnlyWhenTheWALIsFull takes the store away under load until the WAL is full and
// produce waits, and then gives it back.
func TestAStoppedStoreStopsProduceOnlyWhenTheWALIsFull(t *testing.T) {
	away := 10 * time.Second
	if *long {
		away = 60 * time.Second
	}
	g := startGateway(t)
	s := newServer(t, "--objstore-config", g.config(), "--wal-size", "64MiB", "--memory", "512MiB",
		"--upload-age", "500ms")
	s.start()
	l := startLoad(t, s, "events", 4, loadOptions{writers: 4, every: time.Millisecond, size: 20_000, plain: true})
	idle := newTopic(t, s, "idle")
	idle.add(value("idle", "0"))
	l.awaitAcks(t, 100, callMax)
	g.stop()
	stopped, before := time.Now(), l.total()
	full := s.awaitFull(l, away)
	at := l.total()
	t.Logf("the WAL was full %s after the store stopped, with %d records more; weir_wal_used_bytes %.0f of %.0f",
		full.Sub(stopped).Round(time.Millisecond), at-before, s.metric("weir_wal_used_bytes"),
		s.metric("weir_wal_capacity_bytes"))
	require.Greater(t, at-before, 1000, "produce goes on from the WAL")
	idle.whole()
	time.Sleep(time.Until(stopped.Add(away)))
	require.Equal(t, at, l.total(), "produce waits")
	g.start()
	back := time.Now()
	l.awaitAcks(t, 1000, callMax)
	t.Logf("the store was away for %s; 1000 records were acknowledged %s after it came back",
		back.Sub(stopped).Round(time.Millisecond), time.Since(back).Round(time.Millisecond))
	l.finish()
	l.judgeAgain(t, l.topic)
	s.kill()
	s.start()
	l.judgeAgain(t, l.topic)
	s.stop()
}

// awaitFull waits until no acknowledgement has come for a second and returns when the last one came.
func (s *server) awaitFull(l *load, limit time.Duration) time.Time {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		last, _ := l.times(false)
		return time.Since(last) > time.Second
	}, limit, 20*time.Millisecond, "the WAL does not fill")
	last, _ := l.times(false)
	return last
}
