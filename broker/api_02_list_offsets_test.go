package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// listed asks for one timestamp in partition 0 of wireTopic.
func (c *wire) listed(version int16, timestamp int64, committed bool) kmsg.ListOffsetsResponseTopicPartition {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(version)
	if committed {
		req.IsolationLevel = 1
	}
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = wireTopic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp, p.CurrentLeaderEpoch = timestamp, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.ListOffsetsResponse](c, req).Topics[0].Partitions[0]
}

func TestOffsetsByTimestampAreTheFirstAtOrAfterIt(t *testing.T) {
	w := newWorld(t)
	cases := []struct{ at, offset, timestamp int64 }{
		{0, 0, 1000}, {1000, 0, 1000}, {1001, 1, 2000}, {2500, 2, 3000}, {3000, 2, 3000}, {3001, -1, -1},
		{-1, 5, -1}, {-2, 0, -1}, {-3, 2, 3000}, {-4, 0, -1}, {-5, -1, -1}, {-6, 0, -1},
	}
	check := func(c *wire, when string) {
		for _, k := range cases {
			for _, committed := range []bool{false, true} {
				got := c.listed(11, k.at, committed)
				c.expect(got.ErrorCode == 0 && got.Offset == k.offset && got.Timestamp == k.timestamp,
					"%s: %d is offset %d with time %d: %+v", when, k.at, k.offset, k.timestamp, got)
			}
		}
	}
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		for at, want := range map[int64]int64{-1: 0, -2: 0, -3: -1, 0: -1} {
			got := c.listed(11, at, false)
			c.expect(got.ErrorCode == 0 && got.Offset == want, "of an empty log, %d is %d: %+v", at, want, got)
		}
		packed := batchOf(zstdOptions(), "a", "b", "c")
		c.expect(c.produced(produceOf(packed)).ErrorCode == 0, "appended")
		c.values("d", "e") // times 1000 and 2000 again: the clock went back
		check(c, "before the restart")
	})
	w.kill()
	w.do(func(c *wire) {
		check(c, "after the restart")
		for version := int16(1); version <= 11; version++ {
			got := c.listed(version, 1001, false)
			c.expect(got.ErrorCode == 0 && got.Offset == 1, "v%d: %+v", version, got)
		}
		c.expect(c.listed(6, -3, false).ErrorCode == 35, "-3 came with version 7")
	})
}

// TestABrokerThatHasLostItsFenceEndsAtOnceWithoutAnUpload: what it owes is another's now, and its clients have to
// look for that one.
func TestABrokerThatHasLostItsFenceEndsAtOnceWithoutAnUpload(t *testing.T) {
	w := newWorld(t)
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a", "b")
	})
	objects := len(w.w.Objects())
	w.usurp()
	w.do(func(c *wire) { c.expect(c.listed(11, -1, false).ErrorCode == 6, "the end is not told") })
	require.NoError(t, w.w.Run(func() bool { return w.ended != nil }))
	require.ErrorIs(t, w.ended, wal.ErrFenced)
	require.Len(t, w.w.Objects(), objects)
}

// TestABrokerThatCannotReadItsFenceUploadsWhatItHas: the volume may be dying, and memory has the only copy then (rule
// 15). Nobody else is known to hold it.
func TestABrokerThatCannotReadItsFenceUploadsWhatItHas(t *testing.T) {
	w := newWorld(t)
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a")
		c.must(w.node.Broker().Engine().Flush(c.sc)) // the state that its records follow is in the log
		c.values("b")
	})
	objects := len(w.w.Objects())
	w.m.SetFaults(&sim.Faults{ReadError: sim.Always})
	w.do(func(c *wire) { c.expect(c.listed(11, -1, false).ErrorCode == 6, "the end is not told") })
	require.NoError(t, w.w.Run(func() bool { return w.ended != nil }))
	require.ErrorIs(t, w.ended, host.ErrIO)
	require.Greater(t, len(w.w.Objects()), objects)
}

// TestAnEndIsNotToldByABrokerThatHasLostItsFence: somebody else may have moved it on (PROTOCOL rule 28). And the
// broker ends, although nobody produces to it.
func TestAnEndIsNotToldByABrokerThatHasLostItsFence(t *testing.T) {
	for name, ask := range map[string]func(*wire){
		"the end": func(c *wire) {
			got := c.listed(11, -1, false)
			c.expect(got.ErrorCode == 6 && got.Offset == -1, "it is not told: %+v", got)
		},
		"the latest time": func(c *wire) {
			got := c.listed(11, -3, false)
			c.expect(got.ErrorCode == 6 && got.Offset == -1, "it is not told: %+v", got)
		},
		"a committed offset": func(c *wire) {
			offset, _, code := c.offsetOf(7, "g", [16]byte{})
			c.expect(code == 16 && offset == -1, "it is not told: %d, code %d", offset, code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.do(func(c *wire) {
				c.topic(wireTopic, 1)
				c.values("a", "b")
				c.coordinated(3, "g")
				c.expect(c.committed(commitOf(7, "g", "", -1, 1, "")) == 0, "the offset is committed")
			})
			w.usurp()
			w.do(func(c *wire) {
				got := c.listed(11, -2, false)
				c.expect(got.ErrorCode == 0 && got.Offset == 0, "where the log begins stays true: %+v", got)
				ask(c)
			})
			require.NoError(t, w.w.Run(func() bool { return w.ended != nil }))
			require.ErrorIs(t, w.ended, wal.ErrFenced)
		})
	}
}

// usurp writes another generation into the fence words of the node's WAL volume, as whoever takes over does.
func (r *world) usurp() {
	r.t.Helper()
	require.NoError(r.t, r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "wal")
		if err != nil {
			return err
		}
		names, err := vol.List("")
		if err != nil {
			return err
		}
		for _, e := range names {
			if !strings.HasSuffix(e.Name, ".fence") {
				continue
			}
			f, err := vol.Open(e.Name, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{0xff}, 33); err != nil {
				return err
			}
			return f.Sync()
		}
		return errors.New("no fence word")
	}))
}
