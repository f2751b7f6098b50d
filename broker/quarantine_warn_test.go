package broker

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// What a start waits for is tried twice a second, and said when it is news.
func TestAQuarantineThatWaitsSaysWhyNowAndThen(t *testing.T) {
	var log bytes.Buffer
	w := sim.New(sim.Config{Seed: 1, Log: &log})
	defer func() { require.NoError(t, w.Close()) }()
	require.NoError(t, w.Do(w.Machine("m"), func(h host.Host, sc *host.Scope) error {
		q := &quarantine{b: &Broker{h: h}}
		for i := range 60 { // half a minute
			why := errors.New("no answer")
			if i >= 50 {
				why = errors.New("denied")
			}
			q.warn("not yet", why, "stream", 7)
			if err := h.Sleep(sc, quarantineStart); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Equal(t, 3, strings.Count(log.String(), `error="no answer"`), log.String())
	require.Equal(t, 1, strings.Count(log.String(), "error=denied"), log.String())
}
