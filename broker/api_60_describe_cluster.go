package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// DescribeCluster (key 60), v0–2.
//
// Behavior: the cluster id and its live brokers. EndpointType (v1+) 1 asks for brokers, 2 for controllers,
// which have no listener of their own here: UNSUPPORTED_ENDPOINT_TYPE is answered for it.
func handleDescribeCluster(b *Broker, _ *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.DescribeClusterRequest)
	resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	resp.ClusterID = b.cluster.Base64()
	live := b.neighbours()
	resp.ControllerID = spokesman(live)
	resp.EndpointType = req.EndpointType
	if c.version >= 1 && req.EndpointType != 1 {
		resp.ErrorCode = int16(codeUnsupportedEndpointType)
		return encode(c, resp), nil
	}
	for _, n := range live {
		broker := kmsg.NewDescribeClusterResponseBroker()
		broker.NodeID, broker.Host, broker.Port, broker.Rack = n.id, n.host, n.port, n.rack
		resp.Brokers = append(resp.Brokers, broker)
	}
	return encode(c, resp), nil
}
