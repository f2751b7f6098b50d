package broker

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafka42 is validVersions of Apache Kafka 4.2 for the keys that are served here.
var kafka42 = map[int16][2]int16{
	0: {3, 13}, 1: {4, 18}, 2: {1, 11}, 3: {0, 13}, 8: {2, 10}, 9: {1, 10}, 10: {0, 6}, 11: {0, 9}, 12: {0, 4},
	13: {0, 5}, 14: {0, 5}, 15: {0, 6}, 16: {0, 5}, 18: {0, 4}, 19: {2, 7}, 20: {1, 6}, 22: {0, 5}, 23: {2, 4},
	32: {1, 4}, 37: {0, 3}, 42: {0, 2}, 43: {0, 2},
	45: {0, 1}, 46: {0, 0}, 60: {0, 2},
}

func TestServedVersionsAreKafka42s(t *testing.T) {
	require.Len(t, apis, len(kafka42))
	for _, a := range apis {
		want, ok := kafka42[a.key]
		require.True(t, ok, "key %d", a.key)
		require.Equal(t, want, [2]int16{a.min, a.max}, "key %d", a.key)
	}
}

func TestAPIVersionsAnswersTheTableWithProduceFromZero(t *testing.T) {
	b := &Broker{apis: apis}
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(4)
	r, err := handleAPIVersions(b, nil, &call{req: req, key: keyAPIVersions})
	require.NoError(t, err)
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(4)
	require.NoError(t, resp.ReadFrom(r.bufs[0][8:]), "the response header is v0 whatever the version")
	require.Len(t, resp.ApiKeys, len(apis))
	for _, k := range resp.ApiKeys {
		want := kafka42[k.ApiKey]
		if k.ApiKey == 0 {
			want[0] = 0 // KAFKA-18659: librdkafka would stop compressing
		}
		require.Equal(t, want, [2]int16{k.MinVersion, k.MaxVersion}, "key %d", k.ApiKey)
	}
	require.Empty(t, resp.SupportedFeatures, "no feature is served, so none is advertised")
}

func TestUnknownAPIVersionsVersionIsAnsweredInV0WithTheTable(t *testing.T) {
	b := &Broker{apis: apis}
	frame := []byte{0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff}
	var c call
	_, err := b.decodeHeader(frame, &c)
	require.NoError(t, err)
	require.True(t, c.done)
	resp := kmsg.NewPtrApiVersionsResponse()
	require.NoError(t, resp.ReadFrom(c.refused.bufs[0][8:]))
	require.EqualValues(t, codeUnsupportedVersion, resp.ErrorCode)
	require.Len(t, resp.ApiKeys, len(apis))
}

func TestUnservedKeysAndVersionsHangUp(t *testing.T) {
	b := &Broker{apis: apis}
	for name, frame := range map[string][]byte{
		"unknown key":     {0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
		"produce v2":      {0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff},
		"fetch v19":       {0, 1, 0, 19, 0, 0, 0, 1, 0xff, 0xff},
		"half a header":   {0, 3, 0, 1, 0, 0, 0, 1, 0},
		"long client id":  {0, 3, 0, 1, 0, 0, 0, 1, 0x10, 0, 'x'},
		"damaged tags":    {0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0xff},
		"negative string": {0, 3, 0, 1, 0, 0, 0, 1, 0x80, 0, 'x'},
	} {
		_, err := b.decodeHeader(frame, &call{})
		require.ErrorIs(t, err, errHangUp, name)
	}
}
