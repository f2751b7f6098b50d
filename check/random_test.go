package check

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// world runs a right log with concurrent clients under a seed and records what
// they see: the histories that must always pass.
type world struct {
	r    *rand.Rand
	h    History
	now  int64
	seqs [10]uint32
}

// randomHistory has about n operations of 8 clients on one partition.
func randomHistory(seed uint64, n int) *History {
	w := &world{r: rand.New(rand.NewPCG(seed, 1))}
	log := Log{Partition: orders}
	free := [9]int64{} // when each client may call again
	for len(w.h.Ops) < n {
		w.now += 1 + w.r.Int64N(20)
		client := 1 + w.r.Int32N(8)
		// The effect is at w.now, somewhere inside the operation's interval.
		call := max(free[client], w.now-w.r.Int64N(100))
		if call > w.now {
			continue
		}
		ret := w.now + w.r.Int64N(100)
		free[client] = ret + 1
		if w.r.IntN(4) == 0 {
			w.read(&log, client, call, ret)
		} else {
			w.produce(&log, client, call, ret)
		}
	}
	w.h.Logs = []Log{log}
	return &w.h
}

func (w *world) produce(log *Log, client int32, call, ret int64) {
	var seqs []uint32
	for range 1 + w.r.IntN(3) {
		w.seqs[client]++
		seqs = append(seqs, w.seqs[client])
	}
	op := put(client, call, ret, log.End(), seqs...)
	switch w.r.IntN(20) {
	case 0:
		op.Outcome = Failed
		op.Offset = 0
	case 1:
		op.Outcome, op.Offset = Unknown, 0
		op.Return = w.now - 1 // the client gave up before the effect
		if op.Return < call {
			op.Return = call
		}
		if w.r.IntN(2) == 0 {
			log.Values = append(log.Values, op.Values...)
		}
	default:
		log.Values = append(log.Values, op.Values...)
	}
	w.h.Ops = append(w.h.Ops, op)
}

func (w *world) read(log *Log, client int32, call, ret int64) {
	if w.r.IntN(4) == 0 {
		op := listEnd(call, ret, log.End())
		op.Client = client
		w.h.Ops = append(w.h.Ops, op)
		return
	}
	from := w.r.Int64N(log.End() + 1)
	to := from + w.r.Int64N(min(50, log.End()-from)+1)
	op := get(call, ret, from, log.Values[from:to]...)
	op.Client = client
	w.h.Ops = append(w.h.Ops, op)
}

func TestHistoriesOfARightLogPass(t *testing.T) {
	for seed := range uint64(100) {
		h := randomHistory(seed, 300)
		v := Judge(h, Counts{Acked: 100, ReadRecords: 100, ListEnds: 1, Unknown: 1, Failed: 1})
		require.True(t, v.OK(), "seed %d: %s", seed, v)
		require.True(t, Linear(h).OK(), "seed %d", seed)
	}
}

// breakages change one thing of a right history. Each returns false where the
// history has nothing to break that way.
var breakages = []struct {
	name string
	do   func(r *rand.Rand, h *History) bool
}{
	{"drop an acknowledged record from the log", func(r *rand.Rand, h *History) bool {
		op := pick(r, h, func(op *Op) bool { return op.Kind == Produce && op.Outcome == OK })
		h.Logs[0].Values = slices.Delete(h.Logs[0].Values, int(op.Offset), int(op.Offset)+1)
		return true
	}},
	{"drop the log's tail", func(r *rand.Rand, h *History) bool {
		op := pick(r, h, func(op *Op) bool { return op.Kind == Produce && op.Outcome == OK })
		h.Logs[0].Values = h.Logs[0].Values[:op.Offset]
		return true
	}},
	{"append a record again", func(r *rand.Rand, h *History) bool {
		op := pick(r, h, func(op *Op) bool { return op.Kind == Produce && op.Outcome == OK })
		h.Logs[0].Values = append(h.Logs[0].Values, op.Values[0])
		return true
	}},
	{"let a failure stand", func(r *rand.Rand, h *History) bool {
		op := pick(r, h, func(op *Op) bool { return op.Kind == Produce && op.Outcome == Failed })
		h.Logs[0].Values = append(h.Logs[0].Values, op.Values...)
		return true
	}},
	{"answer another offset", func(r *rand.Rand, h *History) bool {
		pick(r, h, func(op *Op) bool { return op.Kind == Produce && op.Outcome == OK }).Offset++
		return true
	}},
	{"swap two neighbours in the log", func(r *rand.Rand, h *History) bool {
		values := h.Logs[0].Values
		i := r.IntN(len(values) - 1)
		values[i], values[i+1] = values[i+1], values[i]
		one, other := producerOf(h, values[i]), producerOf(h, values[i+1])
		return one.Outcome == OK || other.Outcome == OK
	}},
	{"read another record", func(r *rand.Rand, h *History) bool {
		op := pick(r, h, func(op *Op) bool { return op.Kind == Fetch && len(op.Records) > 1 })
		op.Records[0].Value, op.Records[1].Value = op.Records[1].Value, op.Records[0].Value
		return true
	}},
	{"list an end that an earlier answer was above", func(r *rand.Rand, h *History) bool {
		op := pick(r, h, func(op *Op) bool { return op.Kind == ListEnd && op.Offset > 0 })
		for i := range h.Ops {
			if p := &h.Ops[i]; p.Kind == Produce && p.Outcome == OK && p.Return < op.Call && p.Offset < op.Offset {
				op.Offset = p.Offset
				return true
			}
		}
		return false
	}},
	{"move an operation after one that saw it", func(r *rand.Rand, h *History) bool {
		op := pick(r, h, func(op *Op) bool { return op.Kind == Fetch && len(op.Records) > 0 })
		p := producerOf(h, op.Records[0].Value)
		p.Call, p.Return = op.Return+1, op.Return+2
		return true
	}},
}

func pick(r *rand.Rand, h *History, fits func(*Op) bool) *Op {
	var found []*Op
	for i := range h.Ops {
		if fits(&h.Ops[i]) {
			found = append(found, &h.Ops[i])
		}
	}
	return found[r.IntN(len(found))]
}

func producerOf(h *History, value Value) *Op {
	for i := range h.Ops {
		if slices.Contains(h.Ops[i].Values, value) {
			return &h.Ops[i]
		}
	}
	return nil
}

func TestEveryBreakageOfARightHistoryIsFound(t *testing.T) {
	for _, breakage := range breakages {
		t.Run(breakage.name, func(t *testing.T) {
			tried := 0
			for seed := range uint64(60) {
				h := randomHistory(seed, 200)
				if !breakage.do(rand.New(rand.NewPCG(seed, 2)), h) {
					continue
				}
				tried++
				v := Sweep(h)
				require.False(t, v.OK(), "seed %d: not found", seed)
			}
			require.Greater(t, tried, 20)
		})
	}
}

func TestLongHistoriesAreCutIntoWindows(t *testing.T) {
	h := randomHistory(7, 2*windowOpsMax+500)
	v := Judge(h, Counts{Linearized: windowOpsMax + 1})
	require.True(t, v.OK(), v.String())
}

// randomRegister runs a right register with overlapping commits and reads.
func randomRegister(seed uint64, n int) *History {
	r := rand.New(rand.NewPCG(seed, 3))
	h := &History{Logs: []Log{{Partition: orders}}}
	now, value := int64(0), int64(noOffset)
	for range n {
		now += 1 + r.Int64N(20)
		call, ret := now-r.Int64N(40), now+r.Int64N(40)
		if r.IntN(2) == 0 {
			h.Ops = append(h.Ops, committed(call, ret, value))
			continue
		}
		op := commit(call, ret, r.Int64N(30))
		switch r.IntN(10) {
		case 0:
			op.Outcome = Failed
		case 1:
			op.Outcome = Unknown
			if r.IntN(2) == 0 {
				value = op.Offset
			}
		default:
			value = op.Offset
		}
		h.Ops = append(h.Ops, op)
	}
	return h
}

func TestHistoriesOfARightRegisterPass(t *testing.T) {
	for seed := range uint64(50) {
		v := Judge(randomRegister(seed, 300), Counts{Commits: 50, CommitsRead: 50})
		require.True(t, v.OK(), "seed %d: %s", seed, v)
	}
}

func TestARegisterThatForgetsIsFound(t *testing.T) {
	for seed := range uint64(50) {
		h := randomRegister(seed, 100)
		last := h.Ops[len(h.Ops)-1].Call + 1000
		h.Ops = append(h.Ops, commit(last, last+10, 100), committed(last+20, last+30, 99))
		require.Equal(t, StaleOffset, Offsets(h).Violations[0].Kind, "seed %d", seed)
	}
}

func BenchmarkSweep(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		h := randomHistory(3, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Sweep(h)
			}
		})
	}
}

// BenchmarkJudge is what a run of the simulator pays for its verdict.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{5_000, 50_000} {
		h := randomHistory(3, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Judge(h, Counts{})
			}
		})
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 4)) }
