package workload

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
)

const (
	requestTimeout = host.Time(3 * time.Second)
	// absentPartition is one that the topic does not have: its refusal is known before anything is appended.
	absentPartition = 99
	// retriesMax is how often an idempotent producer sends a batch again before it gives up.
	retriesMax = 11
	// inFlightMax is how many batches of a partition an idempotent producer has under way at once: so many are
	// remembered by the broker.
	inFlightMax = 5
)

// stream returns the generator of one named thing in a seed. Execution never draws from it.
func stream(seed uint64, name string, n int32) *rand.Rand {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return rand.New(rand.NewPCG(seed, h+uint64(uint32(n))*0x9E3779B97F4A7C15))
}

// drawer draws the operations of one client.
type drawer struct {
	rng   *rand.Rand
	c     *Client
	s     *Settings
	phase int // of a client whose operations follow each other
}

// drawOps draws every operation of every client: each client from a stream of its own, before anything runs.
func drawOps(seed uint64, s *Settings) []Op {
	var ops []Op
	for i := range s.Clients {
		d := &drawer{rng: stream(seed, "client", s.Clients[i].ID), c: &s.Clients[i], s: s}
		ops = d.all(ops)
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.At, b.At) })
	return ops
}

func (d *drawer) all(ops []Op) []Op {
	for at := host.Time(0); ; {
		at += 1 + d.upTo(2*d.c.Think)
		if d.c.Role == RoleMember && d.oneIn(25) {
			at += d.upTo(4 * rebalanceTime)
		}
		if at >= host.Time(d.s.Duration) {
			return ops
		}
		op := d.one()
		op.Client, op.At = d.c.ID, at
		ops = append(ops, op)
	}
}

func (d *drawer) one() Op {
	switch d.c.Role {
	case RoleProducer:
		return d.produce()
	case RoleExactly:
		return d.exactly()
	case RoleReader:
		return d.read()
	case RoleCommitter:
		return d.offsets()
	case RoleMember:
		return d.member()
	case RoleAdmin:
		return d.admin()
	}
	panic("workload: a client of role " + string(d.c.Role))
}

func (d *drawer) partition() int32 { return d.rng.Int32N(d.s.Partitions) }

// upTo draws a time below most.
func (d *drawer) upTo(most time.Duration) host.Time {
	return host.Time(d.rng.Int64N(max(1, int64(most))))
}

// one of n.
func (d *drawer) oneIn(n int) bool { return d.rng.IntN(n) == 0 }

// patience is how long a client waits for an answer: mostly long enough, sometimes not for a slow sync.
func (d *drawer) patience() host.Time {
	if d.rng.IntN(4) < d.c.Hasty {
		return host.Time(20*time.Millisecond) + d.upTo(200*time.Millisecond)
	}
	return requestTimeout
}

// pause is how long a client waits before it sends again: mostly a while, sometimes not at all.
func (d *drawer) pause() host.Time {
	if d.oneIn(3) {
		return d.upTo(2 * time.Millisecond)
	}
	return d.upTo(400 * time.Millisecond)
}

func (d *drawer) batch(p int32) Batch {
	b := Batch{Partition: p, Records: make([]int, 1+d.rng.IntN(d.c.Records))}
	for i := range b.Records {
		b.Records[i] = d.rng.IntN(d.c.Bytes + 1)
	}
	if d.c.Codecs && d.oneIn(2) {
		b.Codec = 1 + int8(d.rng.IntN(codecs))
	}
	return b
}

// produce is a request with one batch; or with one for each of several partitions, often with one that does not
// exist.
func (d *drawer) produce() Op {
	op := Op{Kind: OpProduce, Patience: d.patience(), Partition: d.partition()}
	if !d.oneIn(3) {
		op.Batches = []Batch{d.batch(op.Partition)}
		op.Unheard = d.c.Unheard && d.oneIn(8)
		op.Broken = d.c.Broken && !op.Unheard && d.oneIn(12)
		return op
	}
	if d.oneIn(2) {
		op.Batches = append(op.Batches, d.batch(absentPartition))
	}
	for i := range 1 + d.rng.Int32N(d.s.Partitions) {
		op.Batches = append(op.Batches, d.batch((op.Partition+i)%d.s.Partitions))
	}
	return op
}

// exactly is one batch of an idempotent producer, or up to five that are sent before the first is answered.
func (d *drawer) exactly() Op {
	op := Op{Kind: OpProduce, Idempotent: true, Patience: d.patience(), Pause: d.pause(), Partition: d.partition()}
	switch d.rng.IntN(60) {
	case 0:
		return Op{Kind: OpInitAgain, Patience: requestTimeout}
	case 1:
		return Op{Kind: OpEpochBump, Patience: requestTimeout}
	}
	if d.c.Restless && d.oneIn(6) {
		return Op{Kind: OpInitAgain, Patience: requestTimeout}
	}
	op.Retries, op.Again = retriesMax, d.oneIn(12)
	n := 1
	if d.oneIn(5) {
		n = 2 + d.rng.IntN(inFlightMax-1)
	}
	for range n {
		op.Batches = append(op.Batches, d.batch(op.Partition))
	}
	return op
}

// member is an operation of a group's member. Now and then it sleeps through a rebalance, and commits with the
// generation that it knows.
func (d *drawer) member() Op {
	op := Op{Kind: OpHeartbeat, Partition: d.partition(), Patience: requestTimeout}
	switch n := d.rng.IntN(24); {
	case n == 0:
		op.Kind = OpJoin
	case n == 1:
		op.Kind = OpLeave
	case n < 9:
		op.Kind = OpMemberCommit
	case n < 12:
		op.Kind = OpFetchCommitted
	}
	return op
}

func (d *drawer) read() Op {
	op := Op{Kind: OpFetch, Partition: d.partition(), Patience: requestTimeout}
	if d.oneIn(6) {
		op.Kind = OpListEnd
		return op
	}
	op.Rewind = d.oneIn(40)
	op.MaxBytes = 1 << (10 + d.rng.IntN(8))
	op.Wait = d.upTo(d.c.Wait)
	if d.oneIn(30) {
		op.Slow = d.upTo(300 * time.Millisecond)
	}
	return op
}

func (d *drawer) offsets() Op {
	op := Op{Kind: OpCommit, Partition: d.partition(), Patience: requestTimeout}
	if d.oneIn(3) {
		op.Kind = OpFetchCommitted
	}
	return op
}

// admin creates a topic, fills it until it has objects of its own, and deletes it, over and over: deleted topics
// must free what they held, and nothing of theirs may show in a topic of the same name.
func (d *drawer) admin() Op {
	op := Op{Kind: OpFillTopic, Partition: d.rng.Int32N(adminPartitions + 1), Patience: requestTimeout}
	switch {
	case d.phase == 0:
		op.Kind = OpCreateTopic
		d.phase = 6 + d.rng.IntN(20)
	case d.phase == 1:
		op.Kind = OpDeleteTopic
	case d.oneIn(6):
		op.Kind = OpDescribeTopic
	case d.oneIn(12):
		op.Kind = OpOldTopic
	case d.oneIn(12):
		op.Kind, op.Partition = OpGrowTopic, adminPartitions+d.rng.Int32N(3)
	case d.oneIn(5):
		op.Kind = OpReadTopic
	default:
		op.Batches = []Batch{{Partition: op.Partition, Records: []int{500 + d.rng.IntN(d.c.Bytes+1)}}}
	}
	d.phase--
	return op
}
