package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinated makes sure that the coordinator is there, as every client does first.
func (c *wire) coordinated(version int16, group string) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(version)
	req.CoordinatorKey, req.CoordinatorKeys = group, []string{group}
	got := ask[*kmsg.FindCoordinatorResponse](c, req)
	code, node := got.ErrorCode, got.NodeID
	if version >= 4 {
		code, node = got.Coordinators[0].ErrorCode, got.Coordinators[0].NodeID
	}
	c.expect(code == 0 && node == 1, "find coordinator v%d: %+v", version, got)
}

func joinOf(version int16, group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.SetVersion(version)
	req.Group, req.MemberID, req.ProtocolType = group, member, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 20_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte("subscription")
	req.Protocols = append(req.Protocols, p)
	return req
}

// joined joins as the only member and brings its own assignment.
func (c *wire) joined(version int16, group string) (string, int32) {
	got := ask[*kmsg.JoinGroupResponse](c, joinOf(version, group, ""))
	if version >= 4 {
		c.expect(got.ErrorCode == 79 && got.MemberID != "", "a first join is MEMBER_ID_REQUIRED with the id: %+v", got)
		got = ask[*kmsg.JoinGroupResponse](c, joinOf(version, group, got.MemberID))
	}
	c.expect(got.ErrorCode == 0 && got.LeaderID == got.MemberID && len(got.Members) == 1 && *got.Protocol == "range",
		"join v%d: %+v", version, got)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.SetVersion(min(version, 5))
	sync.Group, sync.MemberID, sync.Generation = group, got.MemberID, got.Generation
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = got.MemberID, []byte("assignment")
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	synced := ask[*kmsg.SyncGroupResponse](c, sync)
	c.expect(synced.ErrorCode == 0 && string(synced.MemberAssignment) == "assignment", "sync: %+v", synced)
	return got.MemberID, got.Generation
}

func (c *wire) heartbeat(version int16, group, member string, generation int32) int16 {
	req := kmsg.NewPtrHeartbeatRequest()
	req.SetVersion(version)
	req.Group, req.MemberID, req.Generation = group, member, generation
	return ask[*kmsg.HeartbeatResponse](c, req).ErrorCode
}

func commitOf(version int16, group, member string, generation int32, offset int64,
	note string) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(version)
	req.Group, req.MemberID, req.Generation = group, member, generation
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = wireTopic
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset, p.Metadata = offset, &note
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func (c *wire) committed(req *kmsg.OffsetCommitRequest) int16 {
	return ask[*kmsg.OffsetCommitResponse](c, req).Topics[0].Partitions[0].ErrorCode
}

// offsetOf fetches a group's offset of partition 0 of wireTopic, in the shape of the version.
func (c *wire) offsetOf(version int16, group string, id [16]byte) (int64, string, int16) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(version)
	if version < 8 {
		req.Group = group
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = wireTopic, []int32{0}
		req.Topics = append(req.Topics, t)
		got := ask[*kmsg.OffsetFetchResponse](c, req)
		p := got.Topics[0].Partitions[0]
		return p.Offset, *p.Metadata, got.ErrorCode | p.ErrorCode
	}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.MemberEpoch = group, -1
	t := kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, t.TopicID, t.Partitions = wireTopic, id, []int32{0}
	g.Topics = append(g.Topics, t)
	req.Groups = append(req.Groups, g)
	got := ask[*kmsg.OffsetFetchResponse](c, req).Groups[0]
	p := got.Topics[0].Partitions[0]
	return p.Offset, *p.Metadata, got.ErrorCode | p.ErrorCode
}

func TestAMembersLifeInEveryVersion(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		id := c.topic(wireTopic, 1)
		for version := int16(0); version <= 9; version++ {
			group := fmt.Sprint("team-", version)
			c.coordinated(min(version, 6), group)
			member, generation := c.joined(version, group)
			c.expect(c.heartbeat(min(version, 4), group, member, generation) == 0, "heartbeat v%d", version)
			commit := commitOf(min(version+2, 10), group, member, generation, int64(version), "note")
			commit.Topics[0].TopicID = id
			c.expect(c.committed(commit) == 0, "commit v%d", version)
			offset, note, code := c.offsetOf(version+1, group, id)
			c.expect(offset == int64(version) && note == "note" && code == 0,
				"offset fetch v%d: %d %q %d", version+1, offset, note, code)
			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.SetVersion(min(version, 5))
			leave.Group, leave.MemberID = group, member
			leave.Members = append(leave.Members, kmsg.LeaveGroupRequestMember{MemberID: member})
			left := ask[*kmsg.LeaveGroupResponse](c, leave)
			c.expect(left.ErrorCode == 0, "leave v%d: %+v", version, left)
			c.expect(c.heartbeat(0, group, member, generation) == 25, "who left is UNKNOWN_MEMBER_ID")
		}
	})
}

func TestAnUnknownGroupHasNoOffsetsAndThatIsNoError(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		id := c.topic(wireTopic, 1)
		c.coordinated(4, "nobody")
		for version := int16(1); version <= 10; version++ {
			offset, note, code := c.offsetOf(version, "nobody", id)
			c.expect(offset == -1 && note == "" && code == 0, "v%d: %d %q %d", version, offset, note, code)
		}
	})
}

func TestCommitsAreJudgedByMembership(t *testing.T) {
	w := newWorld(t)
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.coordinated(4, "team")
		c.expect(c.committed(commitOf(8, "team", "", -1, 5, "simple")) == 0, "a simple commit to an empty group")
		member, generation := c.joined(9, "team")
		for name, k := range map[string]struct {
			member     string
			generation int32
			note       string
			code       int16
		}{
			"of the member":        {member, generation, "ok", 0},
			"of the last one":      {member, generation - 1, "", 22},
			"of a stranger":        {"stranger", generation, "", 25},
			"simple while in use":  {"", -1, "", 25},
			"with too long a note": {member, generation, strings.Repeat("x", 5000), 12},
		} {
			got := c.committed(commitOf(8, "team", k.member, k.generation, 6, k.note))
			c.expect(got == k.code, "a commit %s: code %d, want %d", name, got, k.code)
		}
		// A second member makes the first one's commits fail until it has joined again.
		other := c.another()
		defer other.close()
		first := ask[*kmsg.JoinGroupResponse](other, joinOf(9, "team", ""))
		other.send(joinOf(9, "team", first.MemberID))
		c.must(c.h.Sleep(c.sc, time.Second))
		c.expect(c.heartbeat(4, "team", member, generation) == 27, "REBALANCE_IN_PROGRESS")
		rejoin := ask[*kmsg.JoinGroupResponse](c, joinOf(9, "team", member))
		c.expect(rejoin.ErrorCode == 0 && rejoin.Generation == generation+1 && len(rejoin.Members) == 2,
			"rejoined: %+v", rejoin)
		resp, err := other.receive()
		c.must(err)
		follower := resp.(*kmsg.JoinGroupResponse)
		c.expect(follower.LeaderID == member && len(follower.Members) == 0, "only the leader sees the members: %+v", follower)
		c.expect(c.committed(commitOf(8, "team", member, generation+1, 6, "")) == 27, "no commit before the assignment")
	})
	w.kill()
	w.do(func(c *wire) {
		offset, note, code := c.offsetOf(7, "team", [16]byte{})
		c.expect(offset == 6 && note == "ok" && code == 0, "the offset survives: %d %q %d", offset, note, code)
	})
}

func TestGroupsAreListedDescribedAndDeleted(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.coordinated(4, "team")
		member, _ := c.joined(9, "team")
		c.expect(c.committed(commitOf(8, "idle", "", -1, 1, "")) == 0, "a group of offsets only")
		list := kmsg.NewPtrListGroupsRequest()
		list.SetVersion(5)
		got := ask[*kmsg.ListGroupsResponse](c, list).Groups
		c.expect(len(got) == 2 && got[0].GroupState == "Empty" && got[1].GroupState == "Stable" &&
			got[1].GroupType == "classic", "listed: %+v", got)
		list.StatesFilter = []string{"Stable"}
		got = ask[*kmsg.ListGroupsResponse](c, list).Groups
		c.expect(len(got) == 1 && got[0].Group == "team", "by state: %+v", got)
		list.TypesFilter = []string{"consumer"}
		c.expect(len(ask[*kmsg.ListGroupsResponse](c, list).Groups) == 0, "none of the other type")

		describe := kmsg.NewPtrDescribeGroupsRequest()
		describe.Groups = []string{"team", "nobody"}
		for version, code := range map[int16]int16{0: 0, 5: 0, 6: 69} {
			describe.SetVersion(version)
			d := ask[*kmsg.DescribeGroupsResponse](c, describe).Groups
			c.expect(d[0].State == "Stable" && d[0].Protocol == "range" && d[0].Members[0].MemberID == member &&
				string(d[0].Members[0].MemberAssignment) == "assignment", "v%d: %+v", version, d[0])
			c.expect(d[1].State == "Dead" && d[1].ErrorCode == code, "v%d: an unknown group: %+v", version, d[1])
		}
		del := kmsg.NewPtrDeleteGroupsRequest()
		del.SetVersion(2)
		del.Groups = []string{"team", "idle", "nobody"}
		gone := ask[*kmsg.DeleteGroupsResponse](c, del).Groups
		c.expect(gone[0].ErrorCode == 68 && gone[1].ErrorCode == 0 && gone[2].ErrorCode == 69, "deleted: %+v", gone)
		c.must(c.h.Sleep(c.sc, 11*time.Second)) // the session ends
		gone = ask[*kmsg.DeleteGroupsResponse](c, del).Groups
		c.expect(gone[0].ErrorCode == 0, "a group whose members are gone can be deleted: %+v", gone)
	})
}

func TestOffsetsGoWithTheirTopic(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.coordinated(4, "team")
		c.expect(c.committed(commitOf(8, "team", "", -1, 5, "")) == 0, "committed")
		c.delete(wireTopic)
		id := c.topic(wireTopic, 1)
		offset, _, code := c.offsetOf(10, "team", id)
		c.expect(offset == -1 && code == 0, "the new topic has no committed offset: %d, code %d", offset, code)
	})
}
