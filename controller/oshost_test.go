package controller_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
)

func TestARealMachineKeepsItsClusterAcrossStarts(t *testing.T) {
	data := t.TempDir()
	var cluster metadata.UUID
	r := &run{acked: map[int]int64{}}
	for life := range 3 {
		h, err := oshost.New(oshost.Config{Data: data, Log: slog.DiscardHandler})
		require.NoError(t, err)
		c, err := controller.Open(h.Root(), h, small)
		require.NoError(t, err)
		_, err = controller.Open(h.Root(), h, small)
		require.ErrorIs(t, err, controller.ErrInUse)
		leads, term := c.Leads()
		require.True(t, leads)
		require.EqualValues(t, life+1, term)
		c.Read(func(s *metadata.State) {
			id, _ := s.Cluster()
			require.False(t, id.IsZero())
			require.True(t, life == 0 || id == cluster)
			cluster = id
		})
		e, err := setUp(h.Root(), c)
		require.NoError(t, err)
		r.total += 80
		g := host.NewGroup(h, h.Root())
		got := make([][]int64, 8)
		for k := range 8 {
			g.Go("client", func(sc *host.Scope) error {
				for n := range 10 {
					first, err := block(sc, c, e, life*80+k*10+n)
					if err != nil {
						return err
					}
					got[k] = append(got[k], first)
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		for k, list := range got {
			for n, first := range list {
				r.acked[life*80+k*10+n] = first
			}
		}
		require.NoError(t, r.verify(c))
		index, err := c.Wait(h.Root(), 0, 0)
		require.NoError(t, err)
		_, err = c.Wait(h.Root(), index, h.Now()+1)
		require.ErrorIs(t, err, host.ErrTimeout)
		if life != 1 { // the second life ends without a Close
			require.NoError(t, c.Close(h.Root()))
			_, err = block(h.Root(), c, e, 0)
			require.True(t, errors.Is(err, controller.ErrClosed))
		}
		h.Close(nil)
	}
	require.Len(t, r.acked, 240)
}
