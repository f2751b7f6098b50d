package workload

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim"
)

// Draw returns what a seed decides before anything runs. Every seed is another kind of run: other clients, sizes,
// latencies, and a subset of the faults with weights of their own. What is the same in all runs is found once; what
// only happens when most faults are off, or one buffer is tiny, is found by nothing else.
func Draw(seed uint64) Settings {
	rng := stream(seed, "settings", 0)
	s := Plain()
	s.Duration = time.Duration(9+rng.IntN(14)) * time.Second
	s.Partitions = 1 + rng.Int32N(6)
	s.Freeze = pick(rng, "", "", FreezePaused, FreezeCut, FreezeDeaf, FreezeMute)
	s.drawNode(rng)
	s.drawClients(rng)
	s.drawLatencies(rng)
	s.drawRates(rng)
	s.Nemesis = drawNemesis(stream(seed, "nemesis", 0), s.Duration)
	s.Crash = CrashSettings{Count: rng.IntN(5), Recovery: rng.IntN(4), Loop: rng.IntN(8)}
	more := stream(seed, "more settings", 0)
	s.Node.StorePut = pick(more, 0, between(more, 100*time.Millisecond, 3*time.Second))
	for range more.IntN(3) {
		s.Crash.Stops = append(s.Crash.Stops, time.Duration(more.Int64N(int64(s.Duration))))
	}
	if rng.IntN(4) == 0 {
		s.Beyond = drawBeyond(rng, s.Duration)
		s.Crash.Count = max(3, s.Crash.Count) // much happens to a disk while its machine is down
	}
	s.drawRare(stream(seed, "rare", 0))
	s.drawHabits(stream(seed, "habits", 0))
	s.drawTrouble(stream(seed, "trouble", 0))
	if put := &s.Node.StorePut; *put > 0 { // or a store that is only slow fails every put for ever
		*put = max(*put, 20*max(s.Store.Latency.Max, 15*time.Millisecond))
		if *put < time.Second && s.Node.StoreCall == 0 { // who gives a put up early meets the one that lands late
			s.raise(fault.StoreLate, 300_000)
		}
	}
	if call := &s.Node.StoreCall; *call > 0 { // … or every other call
		*call = max(*call, 20*max(s.Store.Latency.Max, 15*time.Millisecond), 5*s.Store.Latency.Worst/2)
	}
	return s
}

// raise makes a kind's rate at least rate.
func (s *Settings) raise(k fault.Kind, rate sim.Rate) {
	for i := range s.Rates {
		if s.Rates[i].Kind == k {
			s.Rates[i].Rate = max(s.Rates[i].Rate, rate)
			return
		}
	}
	s.Rates = append(s.Rates, FaultRate{k, rate})
}

// drawRare draws what has to come together for some mistakes to show: frames of many blocks, a WAL taken over within a
// commit, damage of exactly what only the WAL holds.
func (s *Settings) drawRare(rng *rand.Rand) {
	if rng.IntN(3) == 0 { // batches about as large as they may be
		for range 2 {
			if c := &s.Clients[rng.IntN(len(s.Clients))]; c.Role == RoleProducer || c.Role == RoleExactly {
				c.Records = 4 + rng.IntN(13)
				c.Bytes = s.Node.SlabBytes / 4 / c.Records
			}
		}
	}
	if rng.IntN(3) == 0 {
		s.Crash.Usurps = append(s.Crash.Usurps, time.Duration(rng.Int64N(int64(s.Duration))))
	}
	if rng.IntN(7) > 0 {
		return
	}
	s.Beyond = nil // one damage may hide another
	for range 1 + rng.IntN(2) {
		at := s.Duration/3 + time.Duration(rng.Int64N(int64(s.Duration)*2/3))
		s.Ring = append(s.Ring, RingDamage{at, rng.Uint64()})
	}
	slices.SortFunc(s.Ring, func(a, b RingDamage) int { return cmp.Compare(a.At, b.At) })
	s.Node.UploadAge = between(rng, time.Second, 4*time.Second)
	s.Node.UploadBytes = s.Node.WALCapacity / 4
}

// drawHabits draws what clients do besides, some of them.
func (s *Settings) drawHabits(rng *rand.Rand) {
	for i := range s.Clients {
		c := &s.Clients[i]
		c.ByID, c.Codecs = rng.IntN(3) == 0, rng.IntN(3) == 0
		c.Unheard, c.Broken = rng.IntN(4) == 0, rng.IntN(4) == 0
		if c.Role == RoleExactly && rng.IntN(3) == 0 {
			c.First = 1<<31 - 1 - rng.Int64N(60)
		}
	}
}

// pick draws one of the values.
func pick[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// between draws a duration, of all orders of magnitude alike.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	for d := least; ; d *= 2 {
		if d >= most {
			return most
		}
		if rng.IntN(3) == 0 {
			return d + time.Duration(rng.Int64N(int64(d)))
		}
	}
}

func (s *Settings) drawNode(rng *rand.Rand) {
	n := &s.Node
	n.SlabBytes = pick(rng, 64<<10, 128<<10, 256<<10, 256<<10, 512<<10)
	n.Memory = int64(n.SlabBytes) * 2 * int64(4+rng.IntN(13))
	n.WALCapacity = int64(n.SlabBytes) * int64(4+rng.IntN(9))
	n.MetaBytes = pick[int64](rng, 512<<10, 1<<20, 1<<20)
	n.UploadAge = between(rng, 50*time.Millisecond, 2*time.Second)
	n.UploadBytes = min(pick[int64](rng, 8<<10, 64<<10, 128<<10, 256<<10), n.WALCapacity/4)
	n.ObjectBytes = pick[int64](rng, 16<<10, 128<<10, 512<<10)
	n.CollectEvery = between(rng, 200*time.Millisecond, 1500*time.Millisecond)
	n.CollectGrace = pick(rng, between(rng, 5*time.Millisecond, 50*time.Millisecond),
		between(rng, 200*time.Millisecond, 2*time.Second))
	n.CollectSweep = between(rng, 300*time.Millisecond, 8*time.Second)
	n.CollectFirst = between(rng, time.Second, 5*time.Second)
	n.GroupInitialDelay = between(rng, 5*time.Millisecond, 200*time.Millisecond)
	s.Tiny = n.SlabBytes == 64<<10 || n.ObjectBytes == 16<<10 || n.UploadBytes == 8<<10
}

// drawClients draws the mix. Its operations come to between opsLeast and half as many again, not counting those that a
// trouble for ever may leave undone.
func (s *Settings) drawClients(rng *rand.Rand) {
	s.Clients = nil
	records := pick(rng, 1, 3, 5, 5, 20)
	bytes := min(pick(rng, 10, 300, 3000, 3000, 12_000), s.Node.SlabBytes/4/records)
	hasty, far := rng.IntN(3), rng.IntN(4)
	add := func(role Role, id int32, n int, weight float64) {
		for i := range int32(n) {
			c := Client{ID: id + i, Role: role, Machine: coreClients, Records: records, Bytes: bytes,
				Wait: between(rng, time.Millisecond, 500*time.Millisecond), Hasty: hasty}
			if i > 0 && rng.IntN(4) < far { // the first of each kind is at the core
				c.Machine = farClients
			}
			c.Think = time.Duration(float64(s.Duration) / weight)
			s.Clients = append(s.Clients, c)
		}
	}
	add(RoleProducer, 1, 1+rng.IntN(2), 1)
	add(RoleExactly, 3, 1+rng.IntN(4), 1)
	add(RoleReader, 11, 1+rng.IntN(4), 0.8)
	add(RoleCommitter, 21, rng.IntN(3), 0.8)
	add(RoleMember, 31, pick(rng, 0, 2, 2, 3), 0.5)
	add(RoleAdmin, adminID, min(1, rng.IntN(5)), 0.6)
	total := 0.0
	for _, c := range s.Clients {
		share := float64(s.Duration) / float64(c.Think)
		if c.Machine == farClients && s.Freeze != "" {
			share = 0
		}
		total += share
	}
	want := float64(opsLeast) * (1.25 + 0.3*rng.Float64())
	for i := range s.Clients {
		c := &s.Clients[i]
		c.Think = time.Duration(float64(c.Think) * total / want)
	}
}

func (s *Settings) drawLatencies(rng *rand.Rand) {
	ms := time.Millisecond
	s.Disk.Sync = pick(rng,
		sim.Latency{Min: ms / 5, Max: 2 * ms, Tail: 10_000, Worst: time.Second},
		sim.Latency{Min: ms / 20, Max: ms / 5},
		sim.Latency{Min: 2 * ms, Max: 20 * ms, Tail: 2_000, Worst: 2 * time.Second})
	s.Net.Latency = pick(rng, sim.Latency{}, sim.Latency{Min: 20 * time.Microsecond, Max: 50 * time.Microsecond},
		sim.Latency{Min: ms / 2, Max: 5 * ms})
	s.Store.Latency = pick(rng, sim.Latency{}, sim.Latency{Min: ms, Max: 4 * ms},
		sim.Latency{Min: 10 * ms, Max: 80 * ms, Tail: 20_000, Worst: time.Second})
	s.Store.PartSize = pick[int64](rng, 0, 16<<10, 64<<10)
}

// drawRates turns a drawn share of the faults off and bends the rates of the others by up to four either way.
func (s *Settings) drawRates(rng *rand.Rand) {
	s.Rates = nil
	off := rng.IntN(9) // of 10; 8 of 10 at the most
	for _, u := range usual {
		skip, bend := rng.IntN(10) < off, rng.IntN(5)
		if skip {
			continue
		}
		u.Rate = min(sim.Always, max(1, u.Rate<<bend>>2))
		s.Rates = append(s.Rates, u)
	}
}
