package sim_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

// everything is a rate for each kind that has one.
func everything(rate sim.Rate) sim.Faults {
	var f sim.Faults
	for _, k := range fault.Kinds() {
		if r := f.Of(k); r != nil {
			*r = rate
		}
	}
	for _, often := range []*sim.Rate{
		&f.LostWrites,
		&f.TornSector, &f.Wipe, &f.SwapVolumes, &f.FileMissing, &f.Truncate, &f.StaleChunk, &f.HalfOpen, &f.Usurp,
		&f.PartLost, &f.PartUnknown, &f.GhostGet, &f.PartialList, &f.WrongRange,
		&f.BodyFlipped, &f.StaleList,
	} {
		*often = 300_000
	}
	f.Crash, f.CrashLoop, f.DiskStall, f.Buggify = 300, 50, 500, 100_000
	return f
}

// troubles are faults that last, on machines a, b and c.
func troubles(seed uint64) fault.Plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	second := host.Time(time.Second)
	p := fault.Plan{
		{At: second / 2, Target: "a>b", Kind: fault.Partition, For: time.Second, Arg: rng.Uint64()},
		{At: second, Target: "b>c", Kind: fault.CutOneWay, For: time.Second, Arg: rng.Uint64()},
		{At: second, Target: "c>store", Kind: fault.Partition, For: time.Second, Arg: rng.Uint64()},
		{At: 2 * second, Target: "c>a", Kind: fault.SlowLink, For: time.Second, Arg: rng.Uint64()},
		{At: 3 * second, Target: "store", Kind: fault.StoreOutage, For: 2 * time.Second, Arg: rng.Uint64()},
		{At: 4 * second, Target: "a", Kind: fault.Pause, For: time.Second, Arg: rng.Uint64()},
		{At: 4 * second, Target: "b", Kind: fault.ClockDrift, For: time.Second, Arg: rng.Uint64()},
		{At: 4 * second, Target: "c", Kind: fault.ClockStep, Arg: rng.Uint64()},
		{At: 5 * second, Target: "b", Kind: fault.ClockSkew, For: time.Second, Arg: rng.Uint64()},
		{At: 5 * second, Target: "c", Kind: fault.ClockStrobe, For: time.Second, Arg: rng.Uint64()},
		{At: 6 * second, Target: "*", Kind: fault.Pause, For: 100 * time.Millisecond, Arg: rng.Uint64()},
		{At: 6 * second, Nth: 3, Target: "b", Kind: fault.Crash, Arg: sim.CrashArg(sim.AfterEffect, sim.KeepUnsynced, 1)},
	}
	return append(p, sim.Swizzle(rng, []string{"a>b", "b>a", "a>c"}, 7*second, time.Second)...)
}

// toil uses every call of a host that a fault can strike.
func toil(w *sim.World, h host.Host, sc *host.Scope, next string) {
	loop := func(name string, fn func(sc *host.Scope, r *rand.Rand)) {
		h.Go(sc, name, func(sc *host.Scope) {
			r := h.Rand(name)
			for h.Sleep(sc, time.Duration(r.IntN(int(5*time.Millisecond)))) == nil {
				fn(sc, r)
			}
		})
	}
	for i := range 2 {
		loop(fmt.Sprintf("disk.%d", i), func(sc *host.Scope, r *rand.Rand) { toilOnDisk(h, sc, r, i) })
	}
	loop("store", func(sc *host.Scope, r *rand.Rand) { toilOnStore(w.Store(h), sc, r) })
	loop("dial", func(sc *host.Scope, r *rand.Rand) {
		c, err := h.Network().Dial(sc, next+":1")
		if err != nil {
			return
		}
		defer c.Close()
		for range 3 {
			if host.Buggify(h, "toil.long") {
				h.Sleep(sc, time.Millisecond)
			}
			c.SetDeadlines(h.Now().Add(time.Second), 0)
			p := make([]byte, 1+r.IntN(2000))
			if _, err := c.Write(p); err != nil {
				return
			}
			if _, err := io.ReadFull(c, p); err != nil {
				return
			}
		}
	})
	l, err := h.Network().Listen(":1")
	for err == nil {
		var c host.Conn
		if c, err = l.Accept(sc); err == nil {
			h.Go(sc, "echo", func(*host.Scope) { io.Copy(c, c) })
		}
	}
}

func toilOnDisk(h host.Host, sc *host.Scope, r *rand.Rand, i int) {
	name := fmt.Sprintf("vol%d", i)
	v, err := h.Disk().Volume(sc, name)
	if err != nil {
		return
	}
	f, err := v.Open(fmt.Sprintf("d/f%d", r.IntN(3)), host.Create)
	if err != nil {
		return
	}
	defer f.Close()
	for range 4 {
		p := make([]byte, 512*(1+r.IntN(8)))
		for j := range p {
			p[j] = byte(r.Uint32())
		}
		f.WriteAt(p, 512*r.Int64N(40))
		f.ReadAt(p, 512*r.Int64N(40))
	}
	f.Sync()
	v.SyncDir("d")
	v.SyncDir("")
	if r.IntN(4) == 0 {
		v.Rename("d/f0", "d/f1")
		f.Resize(r.Int64N(20_000))
	}
}

func toilOnStore(s objectstore.Store, sc *host.Scope, r *rand.Rand) {
	key := string('a' + rune(r.IntN(5)))
	switch r.IntN(6) {
	case 0:
		s.Put(sc, key, objectstore.BytesBody(make([]byte, 1000+r.IntN(300_000))))
	case 1:
		s.PutIfAbsent(sc, key, objectstore.BytesBody(make([]byte, 1000)))
	case 2:
		s.GetRange(sc, key, 100, make([]byte, 500))
	case 3:
		s.Head(sc, key)
	case 4:
		s.List(sc, "", "", 10)
	case 5:
		s.Delete(sc, key)
	}
}

// drudgery runs three machines that toil, and start again when they die, and returns the world and the faults.
func drudgery(t *testing.T, cfg sim.Config) (*sim.World, fault.Plan) {
	t.Helper()
	var fired fault.Plan
	var w *sim.World
	cfg.OnFault = func(s fault.Step) { fired = append(fired, s) }
	cfg.Usurp = func(m *sim.Machine, s fault.Step) bool {
		return m.Volume("vol0").Overwrite("d/f0", 8, []byte("somebody"))
	}
	names := []string{"a", "b", "c"}
	life := func(i int) func(host.Host, *host.Scope) {
		return func(h host.Host, sc *host.Scope) { toil(w, h, sc, names[(i+1)%len(names)]) }
	}
	cfg.OnKill = func(m *sim.Machine) {
		w.After(host.Time(20*time.Millisecond), func() { m.Boot(life(strings.Index("abc", m.Name()))) })
	}
	cfg.Store.Timeout, cfg.Store.LateMax = time.Second, 2*time.Second
	w = newWorld(t, cfg)
	for i, name := range names {
		w.Machine(name).Boot(life(i))
	}
	must(t, w.RunUntil(host.Time(10*time.Second)))
	return w, fired
}

func TestTheStepsOfARunAsAPlanGiveTheSameRun(t *testing.T) {
	fired := map[fault.Kind]uint64{}
	for seed := range uint64(4) {
		first, steps := drudgery(t, sim.Config{Seed: seed, Faults: everything(3_000), Plan: troubles(seed)})
		again, replayed := drudgery(t, sim.Config{Seed: seed, Plan: steps})
		if first.Hash() != again.Hash() || first.Events() != again.Events() {
			t.Fatalf("seed %d: %d events, hash %016x; replayed %d, %016x; steps %d and %d",
				seed, first.Events(), first.Hash(), again.Events(), again.Hash(), len(steps), len(replayed))
		}
		if fmt.Sprint(steps) != fmt.Sprint(replayed) || len(again.Unfired()) > 0 {
			t.Errorf("seed %d: the replay's steps differ from those it was given; not fired: %v", seed, again.Unfired())
		}
		text, err := fault.Parse(steps.String())
		if err != nil || fmt.Sprint(text) != fmt.Sprint(steps) {
			t.Errorf("seed %d: the steps do not survive being printed: %v", seed, err)
		}
		for i, c := range first.Fired() {
			fired[c.Fault] += c.Count
			if c != again.Fired()[i] {
				t.Errorf("seed %d: %v fired %d times, then %d", seed, c.Fault, c.Count, again.Fired()[i].Count)
			}
		}
		first.Close()
		again.Close()
	}
	for _, k := range fault.Kinds() {
		if !of(k, fault.Misaligned, fault.TinySettings, fault.Backpressure) && !strings.HasPrefix(k.String(), "K1") &&
			fired[k] == 0 {
			t.Errorf("%v never fired", k)
		}
	}
}

func TestTheNumberOfProcessorsDecidesNothing(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	hashes := map[uint64]bool{}
	for _, n := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(n)
		w, _ := drudgery(t, sim.Config{Seed: 9, Faults: everything(3_000), Plan: troubles(9)})
		hashes[w.Hash()] = true
		w.Close()
	}
	if len(hashes) != 1 {
		t.Errorf("%d hashes", len(hashes))
	}
}

func of(k fault.Kind, list ...fault.Kind) bool {
	for _, x := range list {
		if x == k {
			return true
		}
	}
	return false
}
