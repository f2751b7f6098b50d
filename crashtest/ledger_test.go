//go:build integration

package crashtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ledger is what the clients of one topic were told: which records were acknowledged where. Values are
// unique: "<writer>-<number> …", with numbers that rise within a writer and partition.
type ledger struct {
	mu       sync.Mutex
	acked    []map[int64]string // by partition and offset
	failures []error
	count    int
	lastAck  time.Time
	youngest time.Duration // the shortest time between a send and its acknowledgement
	seen     []prefix      // by partition: what reads have shown so far; used by one goroutine
}

// prefix is the log of a partition as far as it was read and judged.
type prefix struct {
	end    int64
	last   map[string]int64 // writer → its highest number
	values map[int64]string // by offset
}

func newLedger(partitions int) *ledger {
	l := &ledger{}
	for range partitions {
		l.acked = append(l.acked, map[int64]string{})
		l.seen = append(l.seen, newPrefix())
	}
	return l
}

func newPrefix() prefix { return prefix{last: map[string]int64{}, values: map[int64]string{}} }

func (l *ledger) ack(partition int32, offset int64, value string, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastAck = time.Now()
	if took := l.lastAck.Sub(sent); l.youngest == 0 || took < l.youngest {
		l.youngest = took
	}
	if old, ok := l.acked[partition][offset]; ok {
		l.failures = append(l.failures, fmt.Errorf("partition %d offset %d was acknowledged for %s and %s",
			partition, offset, name(old), name(value)))
	}
	l.acked[partition][offset] = value
	l.count++
}

func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, err)
}

// times returns when the last acknowledgement came, and the shortest time that one took; forget starts the
// latter anew.
func (l *ledger) times(forget bool) (last time.Time, youngest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, youngest = l.lastAck, l.youngest
	if forget {
		l.youngest = 0
	}
	return last, youngest
}

// total is the number of acknowledged records.
func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// snapshot copies what is acknowledged now.
func (l *ledger) snapshot() []map[int64]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]map[int64]string, len(l.acked))
	for i, m := range l.acked {
		out[i] = maps.Clone(m)
	}
	return out
}

// name shortens a value to what identifies it.
func name(value string) string {
	head, _, _ := strings.Cut(value, " ")
	return head
}

// judge reads what is new in each partition and holds it against the acknowledgements in known: each of
// them is there, at its offset; nothing is there twice, out of its writer's order or with a gap before it.
func (l *ledger) judge(t *testing.T, topic *reader, known []map[int64]string) {
	t.Helper()
	for p := range l.seen {
		seen := &l.seen[p]
		values := topic.readFrom(int32(p), seen.end)
		for i, v := range values {
			seen.values[seen.end+int64(i)] = v
			seen.add(t, p, v)
		}
		seen.end += int64(len(values))
		missing := 0
		for _, offset := range slices.Sorted(maps.Keys(known[p])) {
			if got, ok := seen.values[offset]; !ok || got != known[p][offset] {
				missing++
				if missing <= 5 {
					t.Errorf("partition %d offset %d: acknowledged %s, read %q (log end %d)",
						p, offset, name(known[p][offset]), name(got), seen.end)
				}
			}
		}
		require.Zero(t, missing, "acknowledged records of partition %d that are not there", p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.failures, "produce requests that failed for good")
}

// judgeAgain reads everything from the start once more: what was shown must not have changed.
func (l *ledger) judgeAgain(t *testing.T, topic *reader) {
	t.Helper()
	before := l.seen
	l.seen = make([]prefix, len(before))
	for p := range l.seen {
		l.seen[p] = newPrefix()
	}
	l.judge(t, topic, l.snapshot())
	for p := range before {
		for offset, value := range before[p].values {
			require.Equal(t, name(value), name(l.seen[p].values[offset]), "partition %d offset %d changed", p, offset)
		}
	}
}

func (s *prefix) add(t *testing.T, partition int, value string) {
	t.Helper()
	at := strings.LastIndexByte(name(value), '-')
	require.Positive(t, at, "partition %d holds a record of nobody: %q", partition, name(value))
	var n int64
	_, err := fmt.Sscan(name(value)[at+1:], &n)
	require.NoError(t, err)
	writer := name(value)[:at]
	if last, ok := s.last[writer]; ok {
		require.Greater(t, n, last, "partition %d: writer %s is out of order or doubled", partition, writer)
	}
	s.last[writer] = n
}
