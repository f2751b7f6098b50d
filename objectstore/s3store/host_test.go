package s3store_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host/oshost"
)

func newHost(t *testing.T) *oshost.Host {
	t.Helper()
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Log: slog.DiscardHandler})
	require.NoError(t, err)
	t.Cleanup(func() { h.Close(nil) })
	return h
}
