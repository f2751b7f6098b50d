//go:build integration

package clients

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestClientsThatCreateOneTopicAtOnceLoseNothing(t *testing.T) {
	s := startServer(t)
	const each = 100
	var all sync.WaitGroup
	var want []string
	for _, c := range clients {
		values := numbered(c.name(), each)
		want = append(want, values...)
		all.Go(func() { c.produce(t, s.addr, "common", "", values) })
	}
	all.Wait()
	got := franz{}.consume(t, s.addr, "common", len(want))
	slices.Sort(got)
	slices.Sort(want)
	sameValues(t, got, want)
}

// A topic made again under its name is a new one: empty, and unknown to the groups of the old one.
func TestAGroupStartsAfreshOnATopicMadeAgain(t *testing.T) {
	eachClient(t, func(t *testing.T, c client) {
		s := startServer(t)
		old, fresh := numbered("old", 20), numbered("fresh", 10)
		s.mustWeir("", "topic", "create", "again", "-p", "4")
		spread(t, s.addr, "again", old)
		before := newCrowd()
		one := c.join(t, s.addr, "again", "team", before)
		before.await(t, "it has read the old topic", func() bool { return slices.Equal(before.values(), old) })
		one.stop()

		s.mustWeir("", "topic", "delete", "again")
		s.mustWeir("", "topic", "create", "again", "-p", "4")
		spread(t, s.addr, "again", fresh)
		after := newCrowd()
		two := c.join(t, s.addr, "again", "team", after)
		after.await(t, "it has read the new topic", func() bool { return len(after.values()) >= len(fresh) })
		two.stop()
		sameValues(t, after.values(), fresh)
	})
}

func TestSIGTERMEndsInSecondsWithClientsInTheMiddle(t *testing.T) {
	s := startServer(t)
	s.mustWeir("", "topic", "create", "busy", "-p", "4")
	spread(t, s.addr, "busy", numbered("a", 40))
	members := newCrowd()
	var joined []*member
	for _, c := range clients {
		joined = append(joined, c.join(t, s.addr, "busy", "team-of-"+c.name(), members))
	}
	members.await(t, "everyone has read everything", func() bool { return len(members.values()) == 40*len(clients) })
	producer := newFranz(t, s.addr, kgo.ProduceRequestTimeout(time.Second))
	ended := make(chan struct{})
	var producing sync.WaitGroup
	producing.Go(func() {
		for ctx := patient(t); ; {
			select {
			case <-ended:
				return
			default:
				producer.Produce(ctx, &kgo.Record{Topic: "busy", Value: []byte(strings.Repeat("x", 1000))}, nil)
			}
		}
	})
	took := s.stop()
	close(ended)
	producing.Wait()
	s.start() // everyone finds it again and leaves in order
	var leaving sync.WaitGroup
	for _, m := range joined {
		leaving.Go(m.stop)
	}
	leaving.Wait()
	t.Logf("stopped in %s", took)
	if took > 5*time.Second {
		t.Errorf("SIGTERM took %s", took)
	}
}
