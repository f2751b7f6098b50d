package group

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sampleRecords uses every kind and field of the format.
func sampleRecords() [][]byte {
	return [][]byte{
		encodeOffsets("team", []Offset{
			{Topic: "t", Partition: 1, Offset: 1 << 40, LeaderEpoch: 7, Metadata: "héllo",
				Committed: 1_700_000_000_000},
			{Topic: "t", Partition: 0, Offset: 5, LeaderEpoch: -1, Committed: 1_700_000_000_001},
			{Topic: "u", Partition: 0, Offset: 9, LeaderEpoch: -1, Committed: 1_700_000_000_001},
		}),
		encodeMembership("team", &Membership{
			Since: 1_700_000_000_002, Generation: 3, ProtocolType: "consumer", Protocol: "range", Leader: "a1",
			Members: []StoredMember{
				{ID: "a1", ClientID: "app", ClientHost: "/127.0.0.1", Session: 45 * time.Second,
					Rebalance: 5 * time.Minute, Metadata: []byte{0, 1}, Assignment: []byte{2}},
				{ID: "b1", InstanceID: "i", Session: 10 * time.Second, Rebalance: time.Minute},
			},
		}),
		encodeOffsets("simple", []Offset{{Topic: "t", Offset: 3}}),
		encodeMembership("gone", &Membership{Generation: 1}),
		encodeDropped("team", []Part{{"u", 0}, {"v", 4}}),
		encodeDeleted("gone"),
	}
}

func hexLines(p []byte) []byte {
	var text []byte
	for len(p) > 0 {
		n := min(32, len(p))
		text = append(hex.AppendEncode(text, p[:n]), '\n')
		p = p[n:]
	}
	return text
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func sampleStore(t testing.TB) *Store {
	s := NewStore()
	require.NoError(t, s.Apply(bytes.Join(sampleRecords(), nil)))
	return s
}

func TestRecordAndSnapshotBytesAreGolden(t *testing.T) {
	var text []byte
	for _, r := range sampleRecords() {
		text = append(append(text, hexLines(r)...), '\n')
	}
	golden(t, "testdata/records-v1.hex", text)
	golden(t, "testdata/snapshot-v1.hex", hexLines(sampleStore(t).Snapshot()))
}

func TestStoreHoldsWhatTheRecordsTell(t *testing.T) {
	s := sampleStore(t)
	require.Equal(t, []string{"simple", "team"}, s.Groups())
	o, ok := s.Offset("team", Part{"t", 1})
	require.True(t, ok)
	require.Equal(t, Offset{"t", 1, 1 << 40, 7, "héllo", 1_700_000_000_000}, o)
	_, ok = s.Offset("team", Part{"u", 0})
	require.False(t, ok)
	require.Len(t, s.Offsets("team"), 2)
	require.Equal(t, "i", s.groups["team"].membership.Members[1].InstanceID)
	r, err := Restore(s.Snapshot())
	require.NoError(t, err)
	require.Equal(t, s, r)
}

func TestStoreForgetsASimpleGroupWithItsLastOffset(t *testing.T) {
	s := sampleStore(t)
	require.NoError(t, s.Apply(encodeDropped("simple", []Part{{"t", 0}})))
	require.NoError(t, s.Apply(encodeDropped("never", []Part{{"t", 0}})))
	require.Equal(t, []string{"team"}, s.Groups())
}

func TestApplyIsAllOfARecordOrNothing(t *testing.T) {
	for _, r := range sampleRecords() {
		for i := range r {
			s := NewStore()
			q := append([]byte(nil), r...)
			q[i] ^= 0x20
			require.Error(t, s.Apply(q), "byte %d", i)
			if i > 0 { // no bytes are no records
				require.Error(t, s.Apply(r[:i]), "%d bytes", i)
			}
			require.Empty(t, s.Groups())
		}
	}
	require.ErrorIs(t, NewStore().Apply(seal(9, appendString(nil, "g"))), ErrVersion, "a kind of the future")
}

func TestAShadowFollowsTheLog(t *testing.T) {
	sh, err := NewShadow(NewStore().Snapshot(), 10)
	require.NoError(t, err)
	for i, r := range sampleRecords() {
		sh.Apply(int64(10+i), 1, r)
	}
	require.Equal(t, int64(16), sh.End())
	require.Equal(t, sampleStore(t).Snapshot(), sh.Snapshot())
	require.Panics(t, func() { sh.Apply(3, 1, nil) })
	require.Panics(t, func() { sh.Apply(16, 1, []byte("garbage, and enough of it")) })
}

func TestAnAssignmentThatFitsNoRecordIsRefused(t *testing.T) {
	cfg := DefaultConfig()
	cfg.InitialDelay, cfg.MaxRecordBytes = 0, 300
	now := Now{1, 1}
	c, _ := NewCoordinator(now, cfg, NewStore(), nil)
	c.Step(now, "g", Join{Token: 1, FreshID: "a", SessionTimeout: 10 * time.Second, ProtocolType: "consumer",
		Protocols: []Protocol{{"range", nil}}}, nil)
	out := c.Step(now, "g", Sync{Token: 2, MemberID: "a", Generation: 1,
		Assignments: []Assignment{{"a", make([]byte, 300)}}}, nil)
	require.Contains(t, out, Reply{2, SyncResult{Kind: RecordTooLarge}})
	long := []Offset{{Metadata: string(make([]byte, 300))}}
	out = c.Step(now, "h", Commit{Token: 3, Generation: -1, Offsets: long}, nil)
	require.Contains(t, out, Reply{3, CommitResult{[]Kind{RecordTooLarge}}})
}

func TestAPartitionHoldsABoundedNumberOfGroups(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxGroups = 1
	now := Now{1, 1}
	c, _ := NewCoordinator(now, cfg, NewStore(), nil)
	c.Step(now, "g", Commit{Token: 1, Generation: -1, Offsets: []Offset{{}}}, nil)
	out := c.Step(now, "h", Commit{Token: 2, Generation: -1, Offsets: []Offset{{}}}, nil)
	require.Equal(t, []Effect{Reply{2, CommitResult{[]Kind{NotAvailable}}}}, out)
	out = c.Step(now, "h", Join{Token: 3}, nil)
	require.Equal(t, []Effect{Reply{3, failedJoin(NotAvailable, "")}}, out)
}

func TestARecordDurableOutOfOrderPanics(t *testing.T) {
	now := Now{1, 1}
	c, _ := NewCoordinator(now, DefaultConfig(), NewStore(), nil)
	require.Panics(t, func() { c.Step(now, "g", Persisted{1}, nil) })
}

// FuzzApply: any bytes are refused or leave a store whose snapshot reads back.
func FuzzApply(f *testing.F) {
	for _, r := range sampleRecords() {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		p = append([]byte(nil), p...)
		if n := len(p) - recordTail; n >= recordHead { // let mutations past length and CRC
			binary.BigEndian.PutUint32(p[4:], uint32(n-recordHead))
			binary.BigEndian.PutUint32(p[n:], crc32.Checksum(p[:n], castagnoli))
		}
		s := NewStore()
		if s.Apply(p) == nil {
			roundTrip(t, s)
		}
	})
}

// FuzzRestore: any bytes are refused or give a store whose snapshot reads back.
func FuzzRestore(f *testing.F) {
	f.Add(NewStore().Snapshot())
	f.Add(sampleStore(f).Snapshot())
	f.Fuzz(func(t *testing.T, p []byte) {
		p = append([]byte(nil), p...)
		if n := len(p) - recordTail; n >= storeHead {
			binary.BigEndian.PutUint32(p[n:], crc32.Checksum(p[:n], castagnoli))
		}
		if s, err := Restore(p); err == nil {
			roundTrip(t, s)
		}
	})
}

func roundTrip(t *testing.T, s *Store) {
	snapshot := s.Snapshot()
	r, err := Restore(snapshot)
	if err != nil || !bytes.Equal(r.Snapshot(), snapshot) {
		t.Fatalf("snapshot %x reads back as %v", snapshot, err)
	}
}
