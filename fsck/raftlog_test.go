package fsck

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A snapshot may lie behind where its successor let the log be trimmed to, and still be in the log.
func TestASnapshotThatTheNextOneOutlivedIsPassedOver(t *testing.T) {
	var l raftLog
	two := []raftEntry{{index: 118, term: 1}, {index: 119, term: 1}}
	require.NoError(t, l.add(raftRecord{kind: raftBatch, term: 1, entries: two}, 48))
	old := raftRecord{kind: raftChunk, index: 113, term: 1, total: 3, data: []byte("old")}
	require.NoError(t, l.add(old, 50))
	require.Nil(t, l.snap, "it says nothing of 114 to 117")
	require.NoError(t, l.add(raftRecord{kind: raftChunk, index: 118, term: 1, total: 3, data: []byte("new")}, 60))
	require.Equal(t, []uint64{118, 119}, []uint64{l.base, l.last()})
	require.ErrorContains(t, l.add(old, 70), "begin at 119", "behind a newer one it is damage")
}
