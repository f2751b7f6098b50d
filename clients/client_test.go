//go:build integration

package clients

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// codecs are all compression codecs of the protocol, as clients name them.
var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// client is one implementation of the Kafka protocol with its default settings.
type client interface {
	name() string
	// produce sends values in order to the topic's partitions as the client likes, and returns when all
	// are acknowledged. The codec "" is the client's default.
	produce(t *testing.T, addr, topic, codec string, values []string)
	// consume reads n values from the beginning of partition 0, without a group.
	consume(t *testing.T, addr, topic string, n int) []string
	// join starts a member of a group that begins at the earliest offset.
	join(t *testing.T, addr, topic, group string, to *crowd) *member
}

// clients are the implementations that every test of this package runs with.
var clients = []client{kcat{}, franz{}, saramaClient{}, confluent{}, python, java}

// eachClient runs one subtest a client, side by side.
func eachClient(t *testing.T, fn func(t *testing.T, c client)) {
	for _, c := range clients {
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			fn(t, c)
		})
	}
}

// numbered returns n values with a prefix of their own.
func numbered(prefix string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%s-%06d", prefix, i)
	}
	return values
}

// crowd is what the members of one group have told so far.
type crowd struct {
	mu      sync.Mutex
	changed *sync.Cond
	late    bool
	members []*member
}

// member is one running member of a group.
type member struct {
	crowd    *crowd
	assigned map[int32]bool // guarded by crowd.mu
	values   []string       // guarded by crowd.mu
	stop     func()         // commits, leaves the group and returns when that is done
}

func newCrowd() *crowd {
	c := &crowd{}
	c.changed = sync.NewCond(&c.mu)
	return c
}

func (c *crowd) newMember() *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &member{crowd: c, assigned: map[int32]bool{}}
	c.members = append(c.members, m)
	return m
}

// await waits until the claim about the members holds.
func (c *crowd) await(t *testing.T, claim string, holds func() bool) {
	t.Helper()
	timer := time.AfterFunc(patience, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.late = true
		c.changed.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !holds() {
		if c.late {
			for i, m := range c.members {
				t.Logf("member %d has partitions %v and %d values", i, m.assigned, len(m.values))
			}
			t.Fatalf("after %s it is not so that %s", patience, claim)
		}
		c.changed.Wait()
	}
}

// values returns everything that the members read, sorted; the crowd is locked.
func (c *crowd) values() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.values...)
	}
	slices.Sort(all)
	return all
}

func (m *member) assign(partitions ...int32) {
	m.tell(func() {
		for _, p := range partitions {
			m.assigned[p] = true
		}
	})
}

func (m *member) revoke(partitions ...int32) {
	m.tell(func() {
		for _, p := range partitions {
			delete(m.assigned, p)
		}
	})
}

func (m *member) read(value string) { m.tell(func() { m.values = append(m.values, value) }) }

func (m *member) tell(change func()) {
	m.crowd.mu.Lock()
	defer m.crowd.mu.Unlock()
	change()
	m.crowd.changed.Broadcast()
}
