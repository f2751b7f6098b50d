package broker

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/metadata"
)

// Each response we encode by hand must be byte for byte what kmsg encodes, in every version.

func TestProduceResponseIsEncodedAsKmsgDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for version := int16(3); version <= 13; version++ {
		for range 200 {
			topics, leaders := randomProduced(rng, version), []neighbour(nil)
			want := kmsg.NewPtrProduceResponse()
			want.SetVersion(version)
			if version >= produceHint {
				leaders = randomLeaders(rng)
			}
			for _, n := range leaders {
				wn := kmsg.NewProduceResponseBroker()
				wn.NodeID, wn.Host, wn.Port, wn.Rack = n.id, n.host, n.port, n.rack
				want.Brokers = append(want.Brokers, wn)
			}
			for i := range topics {
				wt := kmsg.NewProduceResponseTopic()
				wt.Topic, wt.TopicID = topics[i].name, topics[i].id
				for j := range topics[i].items {
					it := &topics[i].items[j]
					wp := kmsg.NewProduceResponseTopicPartition()
					wp.Partition, wp.ErrorCode, wp.BaseOffset = it.partition, int16(it.code), it.base
					wp.LogAppendTime, wp.LogStartOffset = it.appendTime, it.logStart
					if it.hint.known {
						wp.CurrentLeader.LeaderID, wp.CurrentLeader.LeaderEpoch = it.hint.leader, it.hint.epoch
					}
					if it.text != "" {
						wp.ErrorMessage = kmsg.StringPtr(it.text)
					}
					wt.Partitions = append(wt.Partitions, wp)
				}
				want.Topics = append(want.Topics, wt)
			}
			expected := encodeAs(77, want.IsFlexible(), want).bufs[0]
			require.Equal(t, expected, encodeProduce(nil, version, 77, topics, leaders), "version %d", version)
		}
	}
}

// randomHint is nothing now and then.
func randomHint(rng *rand.Rand) hint {
	if rng.IntN(2) == 0 {
		return hint{}
	}
	return hint{known: true, leader: rng.Int32(), epoch: rng.Int32()}
}

func randomLeaders(rng *rand.Rand) []neighbour {
	list := make([]neighbour, rng.IntN(4))
	for i := range list {
		list[i] = neighbour{id: rng.Int32(), host: randomName(rng), port: rng.Int32N(1 << 16)}
		if rng.IntN(2) == 0 {
			rack := randomName(rng)
			list[i].rack = &rack
		}
	}
	return list
}

func randomProduced(rng *rand.Rand, version int16) []producedTopic {
	topics := make([]producedTopic, rng.IntN(4))
	for i := range topics {
		topics[i] = producedTopic{name: randomName(rng), id: randomUUID(rng), items: make([]produceItem, rng.IntN(5))}
		for j := range topics[i].items {
			topics[i].items[j] = produceItem{
				partition: rng.Int32(), code: Code(rng.IntN(90)), text: randomName(rng)[1:],
				base: rng.Int64(), appendTime: rng.Int64(), logStart: rng.Int64(),
			}
			if version >= produceHint {
				topics[i].items[j].hint = randomHint(rng)
			}
		}
	}
	return topics
}

func TestFetchResponseIsEncodedAsKmsgDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for version := int16(4); version <= 18; version++ {
		for range 200 {
			topics, leaders := randomFetched(rng, version), []neighbour(nil)
			want := kmsg.NewPtrFetchResponse()
			want.SetVersion(version)
			if version >= fetchEndpoints {
				leaders = randomLeaders(rng)
			}
			for _, n := range leaders {
				wn := kmsg.NewFetchResponseBroker()
				wn.NodeID, wn.Host, wn.Port, wn.Rack = n.id, n.host, n.port, n.rack
				want.Brokers = append(want.Brokers, wn)
			}
			for i := range topics {
				wt := kmsg.NewFetchResponseTopic()
				wt.Topic, wt.TopicID = topics[i].name, topics[i].id
				for _, p := range topics[i].parts {
					wp := kmsg.NewFetchResponseTopicPartition()
					wp.Partition, wp.ErrorCode, wp.HighWatermark = p.partition, int16(p.code), p.highWatermark
					wp.LastStableOffset, wp.LogStartOffset = p.lastStable, p.logStart
					if p.hint.known {
						wp.CurrentLeader.LeaderID, wp.CurrentLeader.LeaderEpoch = p.hint.leader, p.hint.epoch
					}
					wp.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
					wp.RecordBatches = bytes.Join(p.records, nil)
					if wp.RecordBatches == nil {
						wp.RecordBatches = []byte{}
					}
					wt.Partitions = append(wt.Partitions, wp)
				}
				want.Topics = append(want.Topics, wt)
			}
			expected := encodeAs(78, want.IsFlexible(), want).bufs[0]
			got := bytes.Join(encodeFetch(nil, version, 78, topics, leaders), nil)
			require.Equal(t, expected, got, "version %d", version)
		}
	}
}

func randomFetched(rng *rand.Rand, version int16) []fetchedTopic {
	topics := make([]fetchedTopic, rng.IntN(4))
	for i := range topics {
		topics[i] = fetchedTopic{name: randomName(rng), id: randomUUID(rng), parts: make([]fetchedPart, rng.IntN(5))}
		for j := range topics[i].parts {
			p := fetchedPart{partition: rng.Int32(), code: Code(rng.IntN(90)), highWatermark: rng.Int64(),
				lastStable: rng.Int64(), logStart: rng.Int64()}
			if version >= fetchFlexible {
				p.hint = randomHint(rng)
			}
			for range rng.IntN(4) {
				b := make([]byte, 1+rng.IntN(300))
				for k := range b {
					b[k] = byte(rng.Uint32())
				}
				p.records = append(p.records, b)
				p.size += len(b)
			}
			topics[i].parts[j] = p
		}
	}
	return topics
}

func randomName(rng *rand.Rand) string {
	b := make([]byte, 1+rng.IntN(20))
	for i := range b {
		b[i] = byte('a' + rng.IntN(26))
	}
	return string(b)
}

func randomUUID(rng *rand.Rand) (id metadata.UUID) {
	for i := range id {
		id[i] = byte(rng.Uint32())
	}
	return id
}

// FuzzRequestHeader: no bytes from a socket may panic the decoder.
func FuzzRequestHeader(f *testing.F) {
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 3, 'a', 'b', 'c', 0, 1, 1, 0})
	f.Add([]byte{0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0})
	b := &Broker{apis: apis}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < requestBytesMin || len(frame) > 1<<16 {
			return
		}
		var c call
		body, err := b.decodeHeader(frame, &c)
		if err == nil && !c.done {
			if c.decode(body) == nil {
				c.req.AppendTo(nil)
			}
		}
	})
}
