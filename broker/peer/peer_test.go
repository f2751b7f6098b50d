package peer

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/rpc"
)

var update = flag.Bool("update", false, "write the golden files")

// form is one message: its bytes, and a reader that gives them back.
type form struct {
	bytes []byte
	again func(p []byte) ([]byte, error)
}

type encoder interface{ Encode() []byte }

func formOf[T encoder](m T, decode func([]byte) (T, error)) form {
	return form{m.Encode(), func(p []byte) ([]byte, error) {
		x, err := decode(p)
		return x.Encode(), err
	}}
}

var asked = ReadOwed{Stream: 7, LeaderEpoch: 3, WAL: [16]byte{1, 15: 2}, From: 101, Limit: 110, MaxBytes: ReadMax}

func decodeOwed(p []byte) (Owed, error) { return DecodeOwed(p, asked) }

func forms() []form {
	return []form{
		formOf(HandOver{From: 2, FromEpoch: 9, Stream: 7, LeaderEpoch: 3, End: 110, State: []byte("state")}, DecodeHandOver),
		formOf(StateAt{Stream: 7, LeaderEpoch: 3, End: 110, WAL: [16]byte{1, 15: 2}}, DecodeStateAt),
		{EncodeState([]byte("state")), func(p []byte) ([]byte, error) {
			s, err := DecodeState(p)
			return EncodeState(s), err
		}},
		formOf(asked, DecodeReadOwed),
		formOf(Owed{GoneAt: 12}, decodeOwed),
		formOf(Owed{Entries: []Entry{{100, 4, 9, []byte("abcd")}, {104, 6, -1, []byte("ef")}}}, decodeOwed),
	}
}

func TestBytesArePinned(t *testing.T) {
	var got []byte
	for _, f := range forms() {
		got = fmt.Appendf(got, "%x\n", f.bytes)
	}
	const path = "testdata/messages.v1"
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "a message changed: give new fields new numbers")
	for i, f := range forms() {
		again, err := f.again(f.bytes)
		require.NoError(t, err, "message %d", i)
		require.Equal(t, f.bytes, again, "message %d", i)
	}
}

func TestWhatBreaksALimitIsRefused(t *testing.T) {
	hand := HandOver{Stream: 1, LeaderEpoch: 0, End: 0, State: []byte{1}}
	for name, change := range map[string]func(*HandOver){
		"no stream":       func(m *HandOver) { m.Stream = 0 },
		"epoch below 0":   func(m *HandOver) { m.LeaderEpoch = -1 },
		"end below 0":     func(m *HandOver) { m.End = -1 },
		"no state":        func(m *HandOver) { m.State = nil },
		"state too large": func(m *HandOver) { m.State = make([]byte, EntryMax+1) },
	} {
		m := hand
		change(&m)
		_, err := DecodeHandOver(m.Encode())
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	for name, change := range map[string]func(*ReadOwed){
		"no stream":      func(m *ReadOwed) { m.Stream = 0 },
		"nothing to ask": func(m *ReadOwed) { m.Limit = m.From },
		"below 0":        func(m *ReadOwed) { m.From = -1 },
		"too much":       func(m *ReadOwed) { m.MaxBytes = ReadMax + 1 },
	} {
		m := asked
		change(&m)
		_, err := DecodeReadOwed(m.Encode())
		require.ErrorIs(t, err, ErrMalformed, name)
	}
}

func TestOwedEntriesOutOfPlaceAreRefused(t *testing.T) {
	for name, m := range map[string]Owed{
		"nothing":              {},
		"gone and there":       {GoneAt: 1, Entries: []Entry{{101, 1, 0, nil}}},
		"begins above":         {Entries: []Entry{{102, 1, 0, nil}}},
		"ends below":           {Entries: []Entry{{99, 2, 0, nil}}},
		"a gap":                {Entries: []Entry{{101, 1, 0, nil}, {103, 1, 0, nil}}},
		"an overlap":           {Entries: []Entry{{101, 2, 0, nil}, {102, 1, 0, nil}}},
		"past the limit":       {Entries: []Entry{{101, 10, 0, nil}}},
		"no records":           {Entries: []Entry{{101, 0, 0, nil}}},
		"below the first one":  {Entries: []Entry{{101, 1, 0, nil}, {100, 1, 0, nil}}},
		"past the last offset": {Entries: []Entry{{1<<63 - 1, 1, 0, nil}}},
	} {
		_, err := decodeOwed(m.Encode())
		require.ErrorIs(t, err, ErrMalformed, name)
	}
}

func TestRefusalsAreToldApart(t *testing.T) {
	err := fmt.Errorf("ask: %w", Refuse(CodeFull, "no room for %d bytes", 3))
	require.True(t, Refused(err, CodeFull))
	require.False(t, Refused(err, CodeLost))
	require.False(t, Refused(rpc.ErrUnknown, CodeFull))
}

func FuzzMessages(f *testing.F) {
	for _, m := range forms() {
		f.Add(m.bytes)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for i, m := range forms() {
			again, err := m.again(p)
			if err != nil {
				continue
			}
			twice, err := m.again(again)
			require.NoError(t, err, "message %d", i)
			require.Equal(t, again, twice, "message %d", i)
		}
	})
}
