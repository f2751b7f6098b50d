//go:build integration

package crashtest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// interleaved is a killed server with four topics whose records, one a frame, lie in its WAL only, and idle
// long enough before its death that the last frame is known durable (rule 16).
func interleaved(t *testing.T) (*server, []*written) {
	t.Helper()
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB", "--upload-age", "24h")
	s.start()
	var topics []*written
	for i := range 4 {
		topics = append(topics, newTopic(t, s, fmt.Sprint("topic", i)))
	}
	for n := range 5 {
		for _, w := range topics {
			w.add(value(w.topic, fmt.Sprint(n)))
		}
	}
	time.Sleep(200 * time.Millisecond)
	s.kill()
	return s, topics
}

// TestOneChangedByteOfALiveFrameIsRefused flips a byte of each part of a frame, in the middle of the log and
// at its end: it is named, its partition refuses to serve, and the others go on.
func TestOneChangedByteOfALiveFrameIsRefused(t *testing.T) {
	parts := []struct {
		name string
		at   func(raw []byte, f frameAt) int
	}{
		{"header: magic", func(_ []byte, f frameAt) int { return f.at }},
		{"header: position", func(_ []byte, f frameAt) int { return f.at + 41 }},
		{"header: chain", func(_ []byte, f frameAt) int { return f.at + 60 }},
		{"header: checksum", func(_ []byte, f frameAt) int { return f.at + 124 }},
		{"body", func(_ []byte, f frameAt) int { return f.at + 128 + 100 }},
		{"trailer: table", func(_ []byte, f frameAt) int { return f.trailer + 3 }},
		{"trailer: checksums", func(_ []byte, f frameAt) int { return f.trailer + f.trailerN - 2 }},
		{"padding", func(_ []byte, f frameAt) int { return f.at + f.length - 10 }},
	}
	for _, c := range parts {
		for _, last := range []bool{false, true} {
			where := map[bool]string{false: "middle", true: "last"}[last]
			t.Run(where+" frame, "+c.name, func(t *testing.T) {
				s, topics := interleaved(t)
				hit, served := topics[1], 2
				text := value(hit.topic, "2")
				if last {
					hit, served = topics[3], 4
					text = value(hit.topic, "4")
				}
				file := walFile(t, s.data)
				raw, err := os.ReadFile(file)
				require.NoError(t, err)
				f := frameOf(t, raw, text)
				require.Equal(t, 1, f.entries, "the record has a frame of its own")
				require.Equal(t, f.trailer+f.trailerN <= f.at+f.length-10, true, "there is padding")
				flip(t, file, c.at(raw, f))
				s.start()
				s.says("the WAL is damaged")
				s.says("DAMAGED")
				s.says("a partition is offline.* topic=" + hit.topic)
				hit.refusedFrom(served)
				refusedToo := 0
				for _, w := range topics {
					if w == hit {
						continue
					}
					if _, err := w.tryFrom(0, 0); err != nil {
						t.Logf("%s is refused as well: %v", w.topic, err)
						refusedToo++
						continue
					}
					w.whole()
					w.add(value(w.topic, "5"))
					w.whole()
				}
				assert.Zero(t, refusedToo, "only the damaged frame's partition is refused")
			})
		}
	}
}

// TestOneDamagedSuperblockIsWarnedOf and served; two are refused.
func TestOneDamagedSuperblockIsWarnedOfTwoAreRefused(t *testing.T) {
	for i, name := range []string{"first", "last"} {
		t.Run(name, func(t *testing.T) {
			s, topics := interleaved(t)
			file := walFile(t, s.data)
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			flip(t, file, slots(raw)[i]+130)
			s.start()
			s.says(`level=WARN.*superblock`)
			for _, w := range topics {
				w.whole()
				w.add(value(w.topic, "5"))
			}
			s.kill()
			s.start() // the slot was written again
			require.NotContains(t, s.out.now(), "superblock")
			for _, w := range topics {
				w.whole()
			}
		})
	}
	s, _ := interleaved(t)
	file := walFile(t, s.data)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, at := range slots(raw) {
		flip(t, file, at+130)
	}
	require.Contains(t, s.refused(), "superblock")
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, at := range slots(raw) {
		flip(t, file, at+130)
		require.NotEqual(t, raw[at+130], again[at+130])
	}
	s.start()
}

// TestAChangedByteInDeadSpaceHasNoEffect flips bytes that hold nothing: between the slots and the ring, far
// ahead of the log, and below its trim position.
func TestAChangedByteInDeadSpaceHasNoEffect(t *testing.T) {
	s, topics := interleaved(t)
	s.args = append(s.args, "--upload-age", "50ms")
	s.start()
	require.Eventually(t, func() bool { return s.metric("weir_wal_used_bytes") < 8*blockBytes }, callMax,
		50*time.Millisecond, "the log is trimmed")
	for _, w := range topics {
		w.add(value(w.topic, "5"))
	}
	s.kill()
	file := walFile(t, s.data)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	r := readRing(t, raw)
	require.Positive(t, r.trim)
	flip(t, file, blockBytes+7)
	flip(t, file, len(raw)-blockBytes-7)
	flip(t, file, r.offset(r.trim)-3)
	flip(t, file, r.offset(0)+50)
	flip(t, file, r.offset(r.trim+r.capacity/2)+99)
	s.start()
	require.NotContains(t, s.out.now(), "level=", "nothing to say")
	for _, w := range topics {
		w.whole()
	}
}
