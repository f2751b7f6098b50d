package api

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
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

func forms() []form {
	m := Member{ID: 1 << 60, Node: -2, Addr: "host.example:9092", Voter: true}
	h := Hint{Term: 3, Member: m.ID, Node: m.Node, Addr: m.Addr}
	return []form{
		formOf(m, DecodeMember),
		formOf(h, DecodeHint),
		formOf(ProposeRequest{Term: 9, Command: []byte("command")}, DecodePropose),
		formOf(ReadAnswer{Index: 7, Term: 8}, DecodeRead),
		formOf(HeartbeatRequest{
			Broker: 1, Epoch: 2, Number: 3, Load: 4, Applied: 5, SyncAge: 6, WALs: []WALEnd{{[16]byte{1}, 2}, {[16]byte{3}, 4}},
		}, DecodeHeartbeat),
		formOf(HeartbeatAnswer{Number: 3, Why: 2}, DecodeGrant),
		formOf(StatusAnswer{
			Cluster: [16]byte{5}, Self: m, Applied: 11, Leads: true, Leader: h, Members: []Member{m, {ID: 2}},
			Brokers: []Broker{{
				Node: 1, Epoch: 2, Live: true, Rack: "a", Addr: "b:1", Kafka: "c:2", WALs: 3, Recovering: 4, Open: 5,
				Heard: true, Load: 6, Applied: 7, SyncAge: 8, LeaseLeft: 9,
			}, {Node: 2, Draining: true, Left: true}},
			Sightings: []Sighting{{Node: 1, Roles: 3, State: 2, Since: 4, Addr: "b:1"}}, Gossip: "d:3",
			Lease: 10,
		}, DecodeStatus),
		formOf(StatusRequest{Brokers: true}, func(p []byte) (StatusRequest, error) {
			if len(p) == 0 { // the zero value
				return StatusRequest{}, ErrMalformed
			}
			return DecodeStatusRequest(p)
		}),
		formOf(FollowRequest{After: 1, Wait: 2 * time.Millisecond, MaxBytes: 3, Snapshot: 4, Offset: 5}, DecodeFollow),
		formOf(FollowAnswer{Applied: 4, Entries: []Entry{
			{Index: 3, Term: 1, Kind: EntryCommand, Command: []byte("c")}, {Index: 4, Term: 1, Kind: EntryMembers},
		}}, DecodeFollowed),
		formOf(FollowAnswer{Applied: 4, Part: Part{Index: 4, Total: 9, Offset: 2, Data: []byte("part")}}, DecodeFollowed),
		formOf(SuspectRequest{Broker: 6, Epoch: 7}, DecodeSuspect),
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
	require.True(t, bytes.Equal(want, got), "a message changed: new fields go to the end")
}

func TestMessagesReadBackAndCutOnesAreRefused(t *testing.T) {
	for i, f := range forms() {
		again, err := f.again(f.bytes)
		require.NoError(t, err, "message %d", i)
		require.Equal(t, f.bytes, again)
		for n := range f.bytes {
			_, err := f.again(f.bytes[:n])
			require.ErrorIs(t, err, ErrMalformed, "message %d cut to %d bytes", i, n)
		}
		longer, err := f.again(append(bytes.Clone(f.bytes), 1, 2, 3))
		require.NoError(t, err, "what a newer program adds is passed over")
		require.Equal(t, f.bytes, longer)
	}
}

func TestIDsAndResultsReadBack(t *testing.T) {
	id, err := DecodeID(EncodeID(77))
	require.NoError(t, err)
	require.EqualValues(t, 77, id)
	p, err := EncodeResult(&metadatapb.Result{Index: 5, Detail: "why"})
	require.NoError(t, err)
	r, err := DecodeResult(p)
	require.NoError(t, err)
	require.EqualValues(t, 5, r.GetIndex())
	_, err = DecodeResult([]byte{0xff})
	require.ErrorIs(t, err, ErrMalformed)
}

func TestRefusalsTellWhatIsDefinite(t *testing.T) {
	hint := Hint{Term: 4, Member: 2, Addr: "b:7"}
	got, ok := HintOf(fmt.Errorf("called: %w", NotLeader(hint)))
	require.True(t, ok)
	require.Equal(t, hint, got)
	_, ok = HintOf(rpc.ErrUnknown)
	require.False(t, ok)
	for err, definite := range map[error]bool{
		NotLeader(hint):                     true,
		&rpc.Status{Code: CodeTooLarge}:     true,
		&rpc.Status{Code: CodeGone}:         true,
		&rpc.Status{Code: CodeInvalid}:      true,
		&rpc.Status{Code: CodeUnknown}:      false,
		&rpc.Status{Code: rpc.CodeFailed}:   false,
		&rpc.Status{Code: rpc.CodeStopping}: true,
		rpc.ErrUnreachable:                  true,
		rpc.ErrUnknown:                      false,
		errors.New("anything else"):         false,
	} {
		require.Equal(t, definite, Definite(err), "%v", err)
	}
}

func FuzzMessages(f *testing.F) {
	for i, x := range forms() {
		f.Add(i, x.bytes)
	}
	list := forms()
	f.Fuzz(func(t *testing.T, i int, p []byte) {
		x := list[uint(i)%uint(len(list))]
		once, err := x.again(p)
		if err != nil {
			return
		}
		twice, err := x.again(once)
		require.NoError(t, err)
		require.Equal(t, once, twice)
	})
}
