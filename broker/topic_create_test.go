package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// vanishing is metadata in which a topic of every name is there when one is created, as often as refusals says, and
// gone when it is looked up.
type vanishing struct {
	metadata.Service
	refusals, asked int
}

func (v *vanishing) Propose(*host.Scope, *metadatapb.Command) (*metadatapb.Result, error) {
	if v.asked++; v.asked <= v.refusals {
		return &metadatapb.Result{Refusal: metadatapb.Refusal_REFUSAL_TOPIC_EXISTS}, nil
	}
	return &metadatapb.Result{}, nil
}

func (v *vanishing) Read(fn func(*metadata.State)) { fn(metadata.NewState()) }

// TestATopicThatVanishesBetweenTheRefusalAndTheLookDoesNotExist: its name is asked for again, as often as that happens.
func TestATopicThatVanishesBetweenTheRefusalAndTheLookDoesNotExist(t *testing.T) {
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Node: "n"})
	require.NoError(t, err)
	for refusals := range 4 {
		b := &Broker{h: h, meta: &vanishing{refusals: refusals}}
		res, err := b.proposeTopic(nil, &metadatapb.CreateTopic{Name: "orders"}, true)
		require.NoError(t, err)
		require.Zero(t, res.GetRefusal(), "%d refusals", refusals)
	}
}
