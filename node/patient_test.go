package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

// TestAnUploadHasABoundOfItsOwn: calls that are given up soon make no upload end sooner than its own default.
func TestAnUploadHasABoundOfItsOwn(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1, Faults: sim.Faults{StoreError: sim.Always}})
	require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		for _, put := range []time.Duration{0, 20 * time.Second} {
			n := &Node{h: h, store: objectstore.WithMeter(h, w.Store(h)), cfg: Config{StoreCall: 5 * time.Second, StorePut: put}}
			p, from := n.patient(), h.Now()
			require.Error(t, p.Put(sc, "k", objectstore.BytesBody(nil)))
			took := h.Now().Sub(from)
			require.Greater(t, took, 10*time.Second)
			require.Equal(t, put == 0, took > time.Minute)
			_, err := p.Head(sc, "k")
			require.Error(t, err)
			require.Less(t, h.Now().Sub(from)-took, 10*time.Second)
		}
		return nil
	}))
	require.NoError(t, w.Close())
}
