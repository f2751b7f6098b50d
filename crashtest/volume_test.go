//go:build integration

package crashtest

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirmq/weir/fault"
)

// written is a topic of one partition and the values in it, in order.
type written struct {
	*reader
	values []string
	client *kgo.Client
}

func newTopic(t *testing.T, s *server, topic string) *written {
	t.Helper()
	return &written{reader: createTopic(t, s, topic, 1), client: newClient(t, s, kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))}
}

// add produces one record and waits for its acknowledgement, so that it has a frame of its own.
func (w *written) add(value string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), callMax)
	defer cancel()
	require.NoError(w.t, w.client.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(), "produce to %s", w.topic)
	w.values = append(w.values, value)
}

// whole reads the topic and requires every value.
func (w *written) whole() {
	w.t.Helper()
	require.Equal(w.t, w.values, w.readFrom(0, 0), "topic %s", w.topic)
}

// refusedFrom requires that the first n values are served, and an error behind them instead of an end.
func (w *written) refusedFrom(n int) {
	w.t.Helper()
	var got []string
	for {
		values, _, err := w.fetch(0, int64(len(got)))
		if err != nil {
			assert.Equal(w.t, n, len(got), "topic %s: values served before %v", w.topic, err)
			break
		}
		require.NotEmpty(w.t, values, "topic %s is served short: it ends at offset %d", w.topic, len(got))
		got = append(got, values...)
	}
	require.LessOrEqual(w.t, len(got), len(w.values))
	for i, v := range got {
		require.Equal(w.t, w.values[i], v)
	}
}

func value(topic string, n string) string { return topic + "-" + n + " " + strings.Repeat("v", 200) }

// loseVolume removes the WAL volume.
func loseVolume(t *testing.T, s *server) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filepath.Join(s.data, "wal")))
	done.count(t, fault.Wipe, 1)
}

var recoverHint = regexp.MustCompile(`weir (recover --abandon-wal [0-9a-f-]{36}(?: --data \S+)?)`)

// giveUp runs the command that a refusal gives and returns what it printed.
func giveUp(t *testing.T, s *server, line string) string {
	t.Helper()
	hint := recoverHint.FindStringSubmatch(line)
	require.NotNil(t, hint, "the refusal gives the command: %s", line)
	args := strings.Fields(hint[1])
	if !strings.Contains(hint[1], "--data") {
		args = append(args, "--data", s.data)
	}
	out, status := weir(t, args...)
	require.Zero(t, status, out)
	t.Logf("weir %s\n%s", strings.Join(args, " "), out)
	return out
}

// TestACleanStopLeavesEverythingInObjects stops in order, loses the volume and has every record again.
func TestACleanStopLeavesEverythingInObjects(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--upload-age", "24h")
	s.start()
	l := startLoad(t, s, "events", 4, modest)
	g := startGroup(t, s, "readers", "events")
	l.awaitAcks(t, 1000, callMax)
	require.Eventually(t, func() bool { return len(g.acknowledged()) > 0 }, callMax, time.Millisecond)
	l.finish()
	g.stop()
	g.done.Wait()
	t.Logf("stopped in %s", s.stop().Round(time.Millisecond))
	loseVolume(t, s)
	before := checksums(t, s.data)
	line := s.refused()
	require.Contains(t, line, "WAL")
	s.refused()
	giveUp(t, s, line)
	requireKept(t, before, checksums(t, s.data), "store")
	s.start()
	l.judgeAgain(t, l.topic)
	g.judge(s, g.acknowledged())
	after := newTopic(t, s, "after")
	after.add(value("after", "0"))
	after.whole()
	more := newClient(t, s)
	rec := &kgo.Record{Topic: "events", Value: []byte("late-1 ")}
	require.NoError(t, more.ProduceSync(t.Context(), rec).FirstErr(), "the partitions take records again")
	s.stop()
	s.start()
	l.judgeAgain(t, l.topic)
	after.whole()
}

// TestAVolumeLostWithRecordsTakesItsPartitionsOffline kills, loses the volume and must serve nothing short.
func TestAVolumeLostWithRecordsTakesItsPartitionsOffline(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--upload-age", "300ms")
	s.start()
	sealed := newTopic(t, s, "sealed") // closed by a clean stop, untouched afterwards
	sealed.add(value("sealed", "0"))
	s.stop()
	s.args = append(s.args, "--upload-age", "24h")
	s.start()
	young := newTopic(t, s, "young")
	for _, n := range []string{"0", "1", "2"} {
		young.add(value("young", n))
	}
	s.kill()
	loseVolume(t, s)
	out := giveUp(t, s, s.refused())
	require.Contains(t, out, "young")
	s.start()
	young.refusedFrom(0)
	sealed.refusedFrom(1) // nobody knows whether the lost WAL held more of it
	described, _ := weir(t, "topic", "describe", "young", "--broker", s.kafka)
	t.Logf("described:\n%s", described)
	after := newTopic(t, s, "after")
	after.add(value("after", "0"))
	after.whole()
	s.kill()
	s.start()
	young.refusedFrom(0)
	sealed.refusedFrom(1)
	after.whole()
	s.says("a partition is offline.* topic=young")
}
