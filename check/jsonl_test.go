package check

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample has every kind of operation that version 1 knew, and every field.
func sample() *History {
	return &History{
		Ops: []Op{
			retried(3, true, put(1, 0, 10, 0, 1, 2)),
			with(Unknown, put(2, 5, NoReturn, 0, 1)),
			with(Failed, put(2, 20, 30, 0, 2)),
			get(20, 30, 0, a(1), a(2)),
			listEnd(40, 50, 2),
			commit(60, 70, 2),
			committed(80, 90, -1),
		},
		Logs: []Log{
			{Partition: orders, Values: []Value{a(1), a(2)}},
			{Partition: Partition{"orders", 1}, Start: 7, Values: []Value{}, Deleted: []Span{{0, 7}}},
		},
	}
}

// sample2 adds what came with version 2.
func sample2() *History {
	h := sample()
	shown := get(20, 30, 0, a(1))
	shown.HighWatermark, shown.LogStart, shown.LastStable, shown.ReadCommitted = 2, 0, 1, true
	shown.Session, shown.Group = 3, "g"
	sent := put(3, 20, 30, 2, 1)
	sent.ProducerID, sent.ProducerEpoch, sent.NextSequence, sent.Txn = 1001, 2, 7, 5
	fenced := with(Failed, commit(60, 70, 2))
	fenced.Generation, fenced.Member, fenced.Code = 4, "m-1", 22
	at := func(kind Kind, op Op) Op {
		op.Kind, op.Outcome, op.Client, op.Call, op.Return = kind, OK, 5, 100, 110
		return op
	}
	h.Ops = append(h.Ops, shown, sent, fenced,
		at(Assign, Op{Session: 4}),
		at(Join, Op{Group: "g", Generation: 5, Member: "m-1", Leader: "m-2"}),
		at(Sync, Op{Group: "g", Generation: 5, Member: "m-1"}),
		at(InitProducer, Op{ProducerID: 1001, ProducerEpoch: 2}),
		at(CreateTopic, Op{Partition: Partition{Topic: "t"}, Partitions: 3}),
		at(DescribeTopic, Op{Partition: Partition{Topic: "t"}, Partitions: 3}),
		at(DeleteTopic, Op{Partition: Partition{Topic: "t"}}),
		at(DeleteRecords, Op{Partition: orders, Offset: 0}),
		at(WriteKey, Op{Partition: Partition{Topic: "retention of t"}, Offset: 7}),
		at(ReadKey, Op{Partition: Partition{Topic: "retention of t"}, Offset: 7}),
		at(TxnEnd, Op{Txn: 5, Abort: true}),
	)
	h.Logs[0].Offline = []Span{{5, 9}}
	h.Ops[4].LeaderEpoch = 3
	h.Logs[0].Epochs = []EpochStart{{2, 0}, {3, 1}}
	h.DurableAt = []Durable{{a(1), 3}, {a(2), 4}}
	h.Recoveries = []int64{15}
	h.Beyond = true
	return h
}

// TestHistoryFileIsStable: files written by any version stay readable, and the
// bytes of a history do not change by accident.
func TestHistoryFileIsStable(t *testing.T) {
	old, err := os.ReadFile("testdata/history.v1.jsonl")
	require.NoError(t, err)
	h, err := Decode(bytes.NewReader(old))
	require.NoError(t, err)
	require.Equal(t, sample(), h)

	golden, err := os.ReadFile("testdata/history.v2.jsonl")
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, Encode(&out, sample2()))
	require.Equal(t, string(golden), out.String())
	h, err = Decode(bytes.NewReader(golden))
	require.NoError(t, err)
	require.Equal(t, sample2(), h)
}

func TestDamagedHistoryFilesAreRefusedByLine(t *testing.T) {
	const head = `{"format":"weir-history","version":1}` + "\n"
	for name, c := range map[string]struct{ file, want string }{
		"empty":               {"", "empty file"},
		"no header":           {`{"op":"fetch"}`, "line 1"},
		"newer version":       {`{"format":"weir-history","version":3}`, "version 3"},
		"another format":      {`{"format":"jepsen","version":1}`, `"jepsen"`},
		"torn line":           {head + `{"op":"fet`, "line 2"},
		"neither":             {head + `{}`, "line 2"},
		"both":                {head + `{"op":"fetch","log":[]}`, "line 2"},
		"unknown field":       {head + `{"op":"fetch","outcome":"ok","ofset":3}`, "ofset"},
		"unknown operation":   {head + `{"op":"peek","outcome":"ok"}`, `"peek"`},
		"unknown outcome":     {head + `{"op":"fetch","outcome":"maybe"}`, `"maybe"`},
		"record of three":     {head + `{"op":"fetch","outcome":"ok","records":[[1,2,3]]}`, "3 numbers"},
		"produce of nothing":  {head + `{"op":"produce","outcome":"ok"}`, "without values"},
		"time turned around":  {head + `{"op":"fetch","outcome":"ok","call":5,"return":4}`, "before its call"},
		"offset too high":     {head + `{"op":"fetch","outcome":"ok","offset":2305843009213693952}`, "offset 23058"},
		"record below zero":   {head + `{"op":"fetch","outcome":"ok","records":[[-1,3]]}`, "offset -1"},
		"log below zero":      {head + `{"topic":"t","log":[],"start":-1}`, "starts at -1"},
		"mark below none":     {head + `{"op":"fetch","outcome":"ok","log_start":-2}`, "mark at -2"},
		"mark of a produce":   {head + `{"op":"produce","outcome":"ok","values":[1],"log_start":1}`, "marks of a produce"},
		"span of one":         {head + `{"topic":"t","log":[],"offline":[[1]]}`, "1 numbers"},
		"span turned around":  {head + `{"topic":"t","log":[],"deleted":[[3,1]]}`, "deleted offsets [3, 1)"},
		"epochs out of order": {head + `{"topic":"t","log":[],"epochs":[[2,0],[1,5]]}`, "epoch 1 from 5"},
		"topic of no name":    {head + `{"op":"create-topic","outcome":"ok"}`, "without a topic"},
		"end of no txn":       {head + `{"op":"txn-end","outcome":"ok"}`, "no transaction"},
		"commit of no group":  {head + `{"op":"commit","outcome":"ok"}`, "without a group"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(strings.NewReader(c.file))
			require.ErrorIs(t, err, ErrFormat)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// FuzzDecode: no bytes panic the decoder or a checker, and what decodes encodes to
// something that decodes to the same.
func FuzzDecode(f *testing.F) {
	var out bytes.Buffer
	require.NoError(f, Encode(&out, sample2()))
	f.Add(out.Bytes())
	f.Add([]byte(`{"format":"weir-history","version":1}` + "\n" + `{"topic":"t","partition":0,"start":-9,"log":[1,1,0]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := Decode(bytes.NewReader(file))
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		require.NoError(t, Encode(&first, h))
		again, err := Decode(bytes.NewReader(first.Bytes()))
		require.NoError(t, err)
		require.NoError(t, Encode(&second, again))
		require.Equal(t, first.String(), second.String())
		Judge(h, Counts{})
	})
}
