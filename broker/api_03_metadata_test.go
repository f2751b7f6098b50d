package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadataOf asks for topics by name; nil asks for all.
func metadataOf(version int16, create bool, names ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(version)
	req.AllowAutoTopicCreation = create
	for _, n := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(n)
		req.Topics = append(req.Topics, t)
	}
	return req
}

func TestMetadataNamesTheClusterAndABrokerThatIsTheController(t *testing.T) {
	w := newWorld(t)
	var cluster string
	look := func(c *wire) {
		for version := int16(2); version <= 13; version++ {
			got := ask[*kmsg.MetadataResponse](c, metadataOf(version, false))
			c.expect(len(got.Brokers) == 1 && got.Brokers[0].NodeID == got.ControllerID, "v%d: %+v", version, got)
			c.expect(cluster == "" || cluster == *got.ClusterID, "the cluster id stays")
			cluster = *got.ClusterID
		}
		req := kmsg.NewPtrDescribeClusterRequest()
		req.SetVersion(2)
		req.EndpointType = 1
		c.expect(ask[*kmsg.DescribeClusterResponse](c, req).ClusterID == cluster, "DescribeCluster says the same")
		req.EndpointType = 2
		c.expect(ask[*kmsg.DescribeClusterResponse](c, req).ErrorCode == 115, "there is no controller listener")
	}
	w.do(look)
	w.kill()
	w.do(look)
}

func TestMetadataOfAllOfNoneAndOfSome(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic("a", 2)
		c.topic("b", 1)
		none := metadataOf(1, false)
		none.Topics = []kmsg.MetadataRequestTopic{}
		oldest := metadataOf(0, false)
		oldest.Topics = []kmsg.MetadataRequestTopic{}
		for name, k := range map[string]struct {
			req  *kmsg.MetadataRequest
			want int
		}{
			"null": {metadataOf(1, false), 2}, "empty": {none, 0}, "empty in v0": {oldest, 2},
			"named": {metadataOf(9, false, "b"), 1},
		} {
			got := ask[*kmsg.MetadataResponse](c, k.req)
			c.expect(len(got.Topics) == k.want, "%s: %d topics, want %d", name, len(got.Topics), k.want)
		}
		got := ask[*kmsg.MetadataResponse](c, metadataOf(9, false, "a")).Topics[0]
		for i, p := range got.Partitions {
			c.expect(p.Leader == 1 && p.ErrorCode == 0 && len(p.Replicas) == 1 && len(p.ISR) == 1 && len(p.OfflineReplicas) == 0,
				"partition %d has a leader: %+v", i, p)
		}
	})
}

func TestAnUnknownTopicIsCreatedOnlyWhereAllowed(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		code := func(version int16, create bool, name string) int16 {
			return ask[*kmsg.MetadataResponse](c, metadataOf(version, create, name)).Topics[0].ErrorCode
		}
		c.expect(code(9, false, "new") == 3, "not allowed: UNKNOWN_TOPIC_OR_PARTITION")
		c.expect(code(9, true, "new") == 0 && code(9, false, "new") == 0, "allowed: there at once")
		c.expect(code(3, false, "older") == 0, "before v4 it is always allowed")
		for _, bad := range []string{"a b", "..", "", strings.Repeat("x", 250), "a/b"} {
			c.expect(code(9, true, bad) == 17, "%q is INVALID_TOPIC_EXCEPTION", bad)
		}
		c.expect(len(ask[*kmsg.MetadataResponse](c, metadataOf(9, false)).Topics) == 2, "and creates nothing")
	})
}

func TestClientsThatCreateTheSameTopicAtOnceAllGetIt(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		for round := range 5 {
			name := fmt.Sprint("race-", round)
			var others []*wire
			for range 8 {
				o := c.another()
				defer o.close()
				o.send(metadataOf(12, true, name))
				others = append(others, o)
			}
			var id [16]byte
			for i, o := range others {
				resp, err := o.receive()
				c.must(err)
				got := resp.(*kmsg.MetadataResponse).Topics[0]
				c.expect(got.ErrorCode == 0 && len(got.Partitions) == 1 && got.Partitions[0].Leader == 1, "client %d: %+v", i, got)
				c.expect(i == 0 || got.TopicID == id, "it is one topic")
				id = got.TopicID
			}
		}
	})
}

func TestATopicIdIsOfOneIncarnation(t *testing.T) {
	w := newWorld(t)
	byID := func(c *wire, id [16]byte) kmsg.MetadataResponseTopic {
		req := metadataOf(12, false)
		mt := kmsg.NewMetadataRequestTopic()
		mt.TopicID = id
		req.Topics = append(req.Topics, mt)
		return ask[*kmsg.MetadataResponse](c, req).Topics[0]
	}
	var first, second [16]byte
	w.do(func(c *wire) {
		first = c.topic(wireTopic, 1)
		c.values("old")
		c.expect(byID(c, first).ErrorCode == 0 && *byID(c, first).Topic == wireTopic, "found by id")
		c.delete(wireTopic)
		second = c.topic(wireTopic, 1)
		c.expect(first != second, "a new id")
	})
	w.kill()
	w.do(func(c *wire) {
		c.expect(byID(c, first).ErrorCode == 100 && byID(c, second).ErrorCode == 0, "only the new id is known")
		req := fetchOf(0)
		req.SetVersion(13)
		req.Topics[0].TopicID = first
		c.expect(c.fetched(req).ErrorCode == 100, "a fetch by the old id is UNKNOWN_TOPIC_ID")
		req.Topics[0].TopicID = second
		got := c.fetched(req)
		c.expect(got.ErrorCode == 0 && got.HighWatermark == 0, "the new topic is empty: %+v", got)
		p := produceOf(batchOf(plainOptions, "x"))
		p.SetVersion(13)
		p.Topics[0].TopicID = first
		c.expect(c.produced(p).ErrorCode == 100, "so is a produce")
	})
}
