package node_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/sim"
)

// commitRequest commits an offset of a topic's partition 0 outside group management.
func commitRequest(group, topic string, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(8)
	req.Group, req.Generation = group, -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// commit sends such a request and returns the answer's code.
func (c *client) commit(group, topic string, offset int64) (int16, error) {
	resp, err := c.do(commitRequest(group, topic, offset))
	if err != nil {
		return 0, err
	}
	return resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode, nil
}

// committed returns what a group committed for a topic's partition 0.
func (c *client) committed(group, topic string) (int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(7)
	req.Group = group
	rt := kmsg.NewOffsetFetchRequestTopic()
	rt.Topic, rt.Partitions = topic, []int32{0}
	req.Topics = append(req.Topics, rt)
	resp, err := c.do(req)
	if err != nil {
		return 0, err
	}
	r := resp.(*kmsg.OffsetFetchResponse)
	return r.Topics[0].Partitions[0].Offset, answered(r.ErrorCode)
}

// coordinator makes the coordinator's topic.
func (c *client) coordinator(group string) error {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(2)
	req.CoordinatorKey = group
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	return answered(resp.(*kmsg.FindCoordinatorResponse).ErrorCode)
}

func TestOffsetsOfATopicThatDoesNotExistAreNotKept(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 9})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.coordinator("billing"); err != nil {
			return err
		}
		code, err := c.commit("billing", testTopic, 7)
		if err != nil {
			return err
		}
		assert.EqualValues(t, 3, code)
		if err := c.createTopic(testTopic, 1); err != nil {
			return err
		}
		offset, err := c.committed("billing", testTopic)
		assert.EqualValues(t, -1, offset)
		return err
	})
	require.NoError(t, r.stop())
}

// Who deletes a topic and creates it anew finds no committed offsets, whatever happens in between.
func TestADeletedTopicsOffsetsDoNotComeBack(t *testing.T) {
	for seed := range uint64(20) {
		r := newRig(t, sim.Config{Seed: 100 + seed})
		require.NoError(t, r.boot())
		r.client(func(c *client) error {
			if err := errors.Join(c.coordinator("billing"), c.createTopic(testTopic, 1)); err != nil {
				return err
			}
			if code, err := c.commit("billing", testTopic, 7); err != nil || code != 0 {
				return errors.Join(err, answered(code))
			}
			return c.deleteTopic(testTopic)
		})
		if seed%2 == 0 {
			r.m.KillWith(sim.LoseUnsynced)
			require.NoError(t, r.boot())
		}
		r.client(func(c *client) error {
			if err := c.createTopic(testTopic, 1); err != nil {
				return err
			}
			offset, err := c.committed("billing", testTopic)
			assert.EqualValues(t, -1, offset, "seed %d", seed)
			return err
		})
		require.NoError(t, r.stop())
	}
}
