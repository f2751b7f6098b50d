//go:build integration

package crashtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

// strace makes the next process of s run under strace with an injection into fdatasync, and returns the file
// of its trace. Injections count per thread.
func strace(t *testing.T, s *server, inject string) string {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	s.wrap = []string{"strace", "-f", "-ttt", "-y", "--seccomp-bpf", "-o", trace,
		"-e", "trace=fdatasync", "-e", "inject=fdatasync:" + inject}
	return trace
}

// TestNoAcknowledgementIsYoungerThanItsSync makes every sync take half a second longer.
func TestNoAcknowledgementIsYoungerThanItsSync(t *testing.T) {
	const delay = 500 * time.Millisecond
	s := newServer(t, "--memory", "256MiB", "--upload-age", "1s")
	s.start()
	l := startLoad(t, s, "events", 4, loadOptions{writers: 8, every: 3 * time.Millisecond, size: 100})
	l.awaitAcks(t, 100, callMax)
	s.kill()
	strace(t, s, "delay_exit=500000")
	s.start()
	l.awaitAcks(t, 100, callMax) // records sent before the restart
	l.times(true)
	l.awaitAcks(t, 3000, callMax)
	_, youngest := l.times(false)
	t.Logf("youngest acknowledgement %s, with every fdatasync %s longer", youngest, delay)
	require.GreaterOrEqual(t, youngest, delay)
	s.kill()
	s.wrap = nil
	s.start()
	l.finish()
	l.judgeAgain(t, l.topic)
}

// A call that others overtook stands on two lines of a trace: where it began, with its file, and where it ended.
var (
	fdatasync = regexp.MustCompile(`^(\d+) +(\d+\.\d+) fdatasync\(\d+<([^>]*)>`)
	resumed   = regexp.MustCompile(`^(\d+) +(\d+\.\d+) <\.\.\. fdatasync resumed>`)
)

// injectedSync returns when a trace's injected error was returned, and for which file; "" if there is none.
func injectedSync(trace string) (at, file string) {
	files := map[string]string{} // of the call that a thread is in
	for line := range strings.Lines(trace) {
		if m := fdatasync.FindStringSubmatch(line); m != nil {
			files[m[1]], at = m[3], m[2]
		} else if m := resumed.FindStringSubmatch(line); m != nil {
			at = m[2]
		}
		if thread, _, _ := strings.Cut(line, " "); strings.Contains(line, "INJECTED") {
			return at, files[thread]
		}
	}
	return "", ""
}

// TestAFailedSyncEndsTheServer fails one fdatasync under load: nothing is acknowledged after it, the process
// says why and ends, and a restart has every acknowledged record.
func TestAFailedSyncEndsTheServer(t *testing.T) {
	for _, c := range []struct {
		name, when, file string // file: the one whose syncs are injected into, or any
		lost             bool   // the WAL volume is lost with it
	}{
		{"the 200th sync of a thread", "when=200", "", false},
		{"the WAL's", "when=20", "wal/ring-*-*-*-*-????????????", false},
		{"the WAL's, and the volume is lost", "when=20", "wal/ring-*-*-*-*-????????????", true},
		{"the metadata log's", "when=8", "meta/raft.wal", false},
	} {
		t.Run(c.name, func(t *testing.T) { failOneSync(t, c.when, c.file, c.lost) })
	}
}

func failOneSync(t *testing.T, when, file string, lost bool) {
	s := newServer(t, "--memory", "256MiB", "--upload-age", "500ms")
	s.start()
	l := startLoad(t, s, "events", 4, modest)
	l.awaitAcks(t, 100, callMax)
	s.kill()
	trace := strace(t, s, "error=EIO:"+when)
	if file != "" {
		found, err := filepath.Glob(filepath.Join(s.data, file))
		require.NoError(t, err)
		require.Len(t, found, 1)
		s.wrap = append(s.wrap, "-P", found[0])
	}
	s.start()
	status := s.exit(60 * time.Second)
	ended := time.Now()
	require.NotZero(t, status, "it ends with an error:\n%s", s.out.now())
	assert.Regexp(t, `(?m)^weir: .*input/output error`, s.out.now(), "it says why")
	raw, err := os.ReadFile(trace)
	require.NoError(t, err)
	stamp, synced := injectedSync(string(raw))
	require.NotEmpty(t, synced, "the trace shows no injected error:\n%s", raw[max(0, len(raw)-2000):])
	done.count(t, fault.SyncError, 1)
	at, err := strconv.ParseFloat(stamp, 64)
	require.NoError(t, err)
	failed := time.UnixMicro(int64(at * 1e6))
	last, _ := l.times(false)
	t.Logf("fdatasync of %s failed; the last acknowledgement came %s after it, the process ended %s after it",
		filepath.Base(synced), last.Sub(failed).Round(time.Millisecond), ended.Sub(failed).Round(time.Millisecond))
	const onItsWay = 50 * time.Millisecond // answers that had left before
	require.Less(t, last.Sub(failed), onItsWay, "acknowledged after the error")
	acked := l.snapshot()
	s.wrap = nil
	if lost { // what was acknowledged had been uploaded from memory before the process ended (rule 15)
		loseVolume(t, s)
		require.Contains(t, giveUp(t, s, s.refused()), " 0 are offline")
	}
	s.start()
	l.judge(t, l.topic, acked)
	l.finish()
	l.judgeAgain(t, l.topic)
}
