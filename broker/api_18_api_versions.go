package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// ApiVersions (key 18), v0–4.
//
// Behavior: lists exactly the ranges of [apis]. The response header is always v0, whatever the request's
// version (KIP-511). An unsupported request version is answered in v0 encoding with UNSUPPORTED_VERSION
// and the whole list, so that the client can come again; see unsupportedAPIVersions.
//
// Version notes: v3 client software name and version, tagged features (none are advertised: a client
// reads transaction.version or group.version there and would use what is not served).
func handleAPIVersions(b *Broker, _ *host.Scope, c *call) (reply, error) {
	resp := c.req.ResponseKind().(*kmsg.ApiVersionsResponse)
	b.fillAPIVersions(resp)
	return encode(c, resp), nil
}

func (b *Broker) fillAPIVersions(resp *kmsg.ApiVersionsResponse) {
	resp.ApiKeys = make([]kmsg.ApiVersionsResponseApiKey, 0, len(b.apis))
	for i := range b.apis {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = b.apis[i].key, b.apis[i].advertise, b.apis[i].max
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
}

// unsupportedAPIVersions answers an ApiVersions request of a version this broker does not know.
func (b *Broker) unsupportedAPIVersions(correlation int32) reply {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(0)
	resp.ErrorCode = int16(codeUnsupportedVersion)
	b.fillAPIVersions(resp)
	return encodeAs(correlation, false, resp)
}
