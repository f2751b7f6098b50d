//go:build integration

package crashtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fsckClean demands that weir fsck finds nothing wrong.
func fsckClean(t *testing.T, s *server, args ...string) string {
	t.Helper()
	out, status := weir(t, append([]string{"fsck", "--data", s.data}, args...)...)
	require.Zero(t, status, out)
	require.Contains(t, out, "clean")
	return out
}

// fsckSays demands that weir fsck finds something and says all of want.
func fsckSays(t *testing.T, s *server, want ...string) {
	t.Helper()
	out, status := weir(t, "fsck", "--data", s.data)
	require.Equal(t, 1, status, out)
	for _, w := range want {
		require.Contains(t, out, w)
	}
	require.Contains(t, out, "do: ", "it says what to do")
}

// TestFsckIsCleanAfterEachKill kills the server under load, with a topic deleted in the middle, and after an
// orderly stop.
func TestFsckIsCleanAfterEachKill(t *testing.T) {
	s := newServer(t, "--wal-size", "64MiB", "--memory", "256MiB", "--upload-age", "300ms")
	s.start()
	out, status := weir(t, "fsck", "--data", s.data)
	require.Equal(t, 1, status, out)
	require.Contains(t, out, "in use by a running weir")
	l := startLoad(t, s, "events", 6, modest)
	g := startGroup(t, s, "readers", "events")
	for round := range min(*rounds, 5) {
		w := newTopic(t, s, fmt.Sprint("gone", round))
		w.add(value(w.topic, "0"))
		l.awaitAcks(t, 100, callMax)
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		if round%2 == 0 {
			out, status := weir(t, "topic", "delete", w.topic, "--broker", s.kafka)
			require.Zero(t, status, out)
		}
		s.kill()
		fsckClean(t, s)
		s.start()
	}
	l.finish()
	g.stop()
	g.done.Wait()
	s.stop()
	t.Log(fsckClean(t, s, "--stopped"))
}

// TestFsckNamesDamage spoils one thing at a time in the data of a killed server, and puts it right again.
func TestFsckNamesDamage(t *testing.T) {
	s, _ := uploaded(t)
	s.args = append(s.args, "--upload-age", "24h")
	s.start()
	w := newTopic(t, s, "tail")
	for i := range 3 {
		w.add(value("tail", fmt.Sprint(i)))
	}
	time.Sleep(200 * time.Millisecond)
	s.kill()
	fsckClean(t, s)

	object, at := objectWith(t, s.data, value("a", "early1"))
	require.NotEmpty(t, object)
	name := filepath.Base(object)
	flip(t, object, at)
	fsckSays(t, s, "object", name, "topic a partition 0 offsets 0 to 3", "checksum")
	flip(t, object, at)

	require.NoError(t, os.Rename(object, object+"-away"))
	fsckSays(t, s, "missing-object", name, "topic a partition 0 offsets 0 to 3", "topic b partition 0")
	require.NoError(t, os.Rename(object+"-away", object))

	file := walFile(t, s.data)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	f := frameOf(t, raw, value("tail", "1"))
	flip(t, file, f.at+200)
	fsckSays(t, s, "frame", filepath.Base(file), "topic tail partition 0 offsets 1 to 2", "nowhere")
	flip(t, file, f.at+200)

	slot := slots(raw)
	flip(t, file, slot[0]+130)
	fsckSays(t, s, "superblock first")
	flip(t, file, slot[1]+130)
	fsckSays(t, s, "no superblock can be believed")
	flip(t, file, slot[0]+130)
	flip(t, file, slot[1]+130)

	meta := filepath.Join(s.data, "meta", "raft.wal")
	log, err := os.ReadFile(meta)
	require.NoError(t, err)
	at = bytes.Index(log, []byte("tail"))
	require.Positive(t, at)
	flip(t, meta, at)
	fsckSays(t, s, "meta/raft.wal position", "one changed byte explains it")
	flip(t, meta, at)

	identity := filepath.Join(s.data, "node", "identity")
	flip(t, identity, 20)
	fsckSays(t, s, "node/identity")
	flip(t, identity, 20)

	fence := file + ".fence"
	flip(t, fence, 33)
	fsckSays(t, s, "fence")
	flip(t, fence, 33)

	out := fsckClean(t, s)
	require.False(t, strings.Contains(out, "BAD"))
	s.start()
	w.whole()
}

// TestFsckRefusesAFolderWithoutData: what is not there is said in one line, and nothing is made.
func TestFsckRefusesAFolderWithoutData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	out, status := weir(t, "fsck", "--data", dir)
	require.Equal(t, 1, status)
	require.Contains(t, out, "there is no weir data")
	_, err := os.Stat(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
}
