//go:build integration

package clients

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const groupTopicPartitions = 4

// spread produces values to the topic's partitions in turn.
func spread(t *testing.T, addr, topic string, values []string) {
	t.Helper()
	client := newFranz(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i % groupTopicPartitions), Value: []byte(v)}
	}
	if err := client.ProduceSync(patient(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestTwoMembersShareAGroupThatResumesAfterKill9(t *testing.T) {
	eachClient(t, func(t *testing.T, c client) {
		s := startServer(t)
		s.mustWeir("", "topic", "create", "shared", "-p", "4")
		first, second, third := numbered("a", 40), numbered("b", 40), numbered("c", 40)
		spread(t, s.addr, "shared", first)

		members, start := newCrowd(), time.Now()
		one := c.join(t, s.addr, "shared", "team", members)
		members.await(t, "the only member has all partitions", func() bool { return has(one, 4) })
		t.Logf("alone in the group after %s", time.Since(start))
		members.await(t, "it has read what was there", func() bool { return slices.Equal(members.values(), first) })

		start = time.Now()
		two := c.join(t, s.addr, "shared", "team", members)
		members.await(t, "two members have two partitions each", func() bool { return has(one, 2) && has(two, 2) })
		t.Logf("shared after %s", time.Since(start))
		spread(t, s.addr, "shared", second)
		want := slices.Concat(first, second)
		members.await(t, "every value was read once", func() bool { return slices.Equal(members.values(), want) })

		start = time.Now()
		two.stop()
		members.await(t, "who stays has all partitions", func() bool { return has(one, 4) })
		t.Logf("taken over after %s", time.Since(start))
		one.stop()

		s.kill()
		s.start()
		spread(t, s.addr, "shared", third)
		later := newCrowd()
		last := c.join(t, s.addr, "shared", "team", later)
		later.await(t, "it goes on where the group was", func() bool { return len(later.values()) >= len(third) })
		last.stop()
		sameValues(t, later.values(), third)
	})
}

// has reports whether the member has n partitions; the crowd is locked.
func has(m *member, n int) bool { return len(m.assigned) == n }

func TestMembersGoOnWhenTheServerComesBack(t *testing.T) {
	eachClient(t, func(t *testing.T, c client) {
		s := startServer(t)
		s.mustWeir("", "topic", "create", "steady", "-p", "4")
		first, second := numbered("a", 20), numbered("b", 20)
		spread(t, s.addr, "steady", first)
		members := newCrowd()
		one := c.join(t, s.addr, "steady", "team", members)
		members.await(t, "it has read what was there", func() bool { return slices.Equal(members.values(), first) })

		s.kill()
		s.start()
		spread(t, s.addr, "steady", second)
		start := time.Now()
		members.await(t, "it has read what came after", func() bool {
			return slices.Contains(one.values, second[len(second)-1]) && containsAll(members.values(), second)
		})
		t.Logf("went on after %s", time.Since(start))
		one.stop()
	})
}

func containsAll(sorted, want []string) bool {
	for _, v := range want {
		if _, ok := slices.BinarySearch(sorted, v); !ok {
			return false
		}
	}
	return true
}
