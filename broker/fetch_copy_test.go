package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/stream"
)

// Answers that clients are slow to take are copied, so that they keep no slabs; but the copies of all clients together
// have a bound too. Beyond it an answer is its first batch, or a little more.
func TestCopiesInAnswersAreBounded(t *testing.T) {
	b := &Broker{}
	b.copies.most = 100 << 10
	read := func(sizes ...int) *stream.Read {
		r := &stream.Read{}
		for _, n := range sizes {
			r.Chunks = append(r.Chunks, stream.Chunk{Data: make([]byte, n)})
			r.Bytes += n
		}
		return r
	}
	answers := make([]*fetchCall, 20)
	got := make([]int, len(answers))
	for i := range answers {
		answers[i] = &fetchCall{b: b}
		got[i] = len(answers[i].copy(read(8<<10, 8<<10, 30<<10)))
	}
	require.Equal(t, []int{46 << 10, 46 << 10, 16 << 10, 16 << 10}, got[:4])
	require.True(t, answers[2].cut)
	require.EqualValues(t, 92<<10, b.copies.held.Load())
	one := &fetchCall{b: b}
	require.Len(t, one.copy(read(40<<10, 1)), 40<<10, "a batch comes, however large")
	for _, f := range answers {
		f.release()
	}
	require.Zero(t, b.copies.held.Load())
}
