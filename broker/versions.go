package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// finish answers a decoded request. It runs in the connection's responder task, after the answers of
// all requests before it, and may block. A nil reply closes the connection.
type finish func(b *Broker, sc *host.Scope, c *call) (reply, error)

// begin starts a request in the connection's reader task, before the next request is read. What it
// aliases of the request's bytes must be used up when it returns.
type begin func(b *Broker, sc *host.Scope, c *call) error

// api is one supported request kind: the version range this broker serves (exactly Apache Kafka 4.2's)
// and its handler.
type api struct {
	key       int16
	min, max  int16 // served; inclusive
	advertise int16 // lowest version in the ApiVersions answer: min, but 0 for Produce (KAFKA-18659)
	begin     begin // nil for all but Produce
	finish    finish
}

// apis lists every key this broker serves, by key. It is read only.
var apis = []api{
	{key: 0, min: 3, max: 13, advertise: 0, begin: beginProduce, finish: finishProduce},
	{key: 1, min: 4, max: 18, advertise: 4, finish: handleFetch},
	{key: 2, min: 1, max: 11, advertise: 1, finish: handleListOffsets},
	{key: 3, min: 0, max: 13, advertise: 0, finish: handleMetadata},
	{key: 8, min: 2, max: 10, advertise: 2, finish: handleOffsetCommit},
	{key: 9, min: 1, max: 10, advertise: 1, finish: handleOffsetFetch},
	{key: 10, min: 0, max: 6, advertise: 0, finish: handleFindCoordinator},
	{key: 11, min: 0, max: 9, advertise: 0, finish: handleJoinGroup},
	{key: 12, min: 0, max: 4, advertise: 0, finish: handleHeartbeat},
	{key: 13, min: 0, max: 5, advertise: 0, finish: handleLeaveGroup},
	{key: 14, min: 0, max: 5, advertise: 0, finish: handleSyncGroup},
	{key: 15, min: 0, max: 6, advertise: 0, finish: handleDescribeGroups},
	{key: 16, min: 0, max: 5, advertise: 0, finish: handleListGroups},
	{key: 18, min: 0, max: 4, advertise: 0, finish: handleAPIVersions},
	{key: 19, min: 2, max: 7, advertise: 2, finish: handleCreateTopics},
	{key: 20, min: 1, max: 6, advertise: 1, finish: handleDeleteTopics},
	{key: 22, min: 0, max: 5, advertise: 0, finish: handleInitProducerID},
	{key: 23, min: 2, max: 4, advertise: 2, finish: handleOffsetForLeaderEpoch},
	{key: 32, min: 1, max: 4, advertise: 1, finish: handleDescribeConfigs},
	{key: 37, min: 0, max: 3, advertise: 0, finish: handleCreatePartitions},
	{key: 42, min: 0, max: 2, advertise: 0, finish: handleDeleteGroups},
	{key: 43, min: 0, max: 2, advertise: 0, finish: handleElectLeaders},
	{key: 45, min: 0, max: 1, advertise: 0, finish: handleAlterReassignments},
	{key: 46, min: 0, max: 0, advertise: 0, finish: handleListReassignments},
	{key: 60, min: 0, max: 2, advertise: 0, finish: handleDescribeCluster},
}

// apiFor returns the served kind with that key, or nil.
func (b *Broker) apiFor(key int16) *api {
	for i := range b.apis {
		if b.apis[i].key == key {
			return &b.apis[i]
		}
	}
	return nil
}

const keyAPIVersions = 18

// newRequest returns a request of the kind at that version, or nil if the broker does not serve it.
func (a *api) newRequest(version int16) kmsg.Request {
	if version < a.min || version > a.max {
		return nil
	}
	req := kmsg.RequestForKey(a.key)
	if req != nil {
		req.SetVersion(version)
	}
	return req
}
