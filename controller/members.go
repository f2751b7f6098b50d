package controller

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/controller/api"
)

// member is what the log says of one member besides its vote.
type member struct {
	id   uint64
	node int32
	addr string
}

// addrMax is the longest address that is taken: a name of 253 bytes, a colon and a port.
const addrMax = 260

// encodeMember returns the context of a change of membership.
func encodeMember(m member) []byte {
	p := binary.LittleEndian.AppendUint32([]byte{recordVersion}, uint32(m.node))
	return append(p, m.addr...)
}

// decodeMember reads the context of a change that concerns member id.
func decodeMember(id uint64, p []byte) (member, error) {
	if len(p) < 5 || len(p) > 5+addrMax || p[0] == 0 {
		return member{}, fmt.Errorf("member %x of %d bytes: %w", id, len(p), ErrDamaged)
	}
	if p[0] > recordVersion {
		return member{}, fmt.Errorf("member %x of version %d, this program knows %d: %w", id, p[0], recordVersion,
			ErrNewer)
	}
	return member{id: id, node: int32(binary.LittleEndian.Uint32(p[1:])), addr: string(p[5:])}, nil
}

// appendRoll appends a list of members.
func appendRoll(p []byte, list []member) []byte {
	p = binary.LittleEndian.AppendUint16(p, uint16(len(list)))
	for _, m := range list {
		p = binary.LittleEndian.AppendUint64(p, m.id)
		p = binary.LittleEndian.AppendUint32(p, uint32(m.node))
		p = binary.LittleEndian.AppendUint16(p, uint16(len(m.addr)))
		p = append(p, m.addr...)
	}
	return p
}

func (r *reader) roll() []member {
	var list []member
	for n := r.u16(); n > 0 && !r.bad; n-- {
		m := member{id: r.u64(), node: int32(r.u32())}
		m.addr = string(r.take(uint64(r.u16())))
		r.bad = r.bad || len(list) > 0 && list[len(list)-1].id >= m.id
		list = append(list, m)
	}
	return list
}

// Raft's snapshots between members: the roll, then the state.
func joinSnapshot(list []member, state []byte) []byte {
	return append(appendRoll(make([]byte, 0, 64+len(state)), list), state...)
}

func splitSnapshot(p []byte) ([]member, []byte, error) {
	r := &reader{p: p}
	list := r.roll()
	if r.bad {
		return nil, nil, fmt.Errorf("a snapshot of %d bytes has no members: %w", len(p), ErrDamaged)
	}
	return list, r.p, nil
}

func findMember(list []member, id uint64) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(m member, id uint64) int { return cmp.Compare(m.id, id) })
}

// withMember returns list with m in it, and without what it said of that member before. list stays as it is.
func withMember(list []member, m member) []member {
	i, known := findMember(list, m.id)
	if known {
		list = slices.Clone(list)
		list[i] = m
		return list
	}
	return slices.Insert(slices.Clone(list), i, m)
}

// pruned returns those of list that conf still knows.
func pruned(list []member, conf *raftpb.ConfState) []member {
	var left []member
	for _, m := range list {
		if inConf(conf, m.id) {
			left = append(left, m)
		}
	}
	return left
}

func inConf(c *raftpb.ConfState, id uint64) bool {
	return slices.Contains(c.GetVoters(), id) || slices.Contains(c.GetLearners(), id) ||
		slices.Contains(c.GetVotersOutgoing(), id) || slices.Contains(c.GetLearnersNext(), id)
}

// joint reports whether c is between two memberships.
func joint(c *raftpb.ConfState) bool { return len(c.GetVotersOutgoing()) > 0 }

// changed returns the members after a change that led to conf.
func changed(list []member, cc *raftpb.ConfChangeV2, conf *raftpb.ConfState) ([]member, error) {
	if len(cc.GetContext()) > 0 && len(cc.GetChanges()) == 1 {
		m, err := decodeMember(cc.GetChanges()[0].GetNodeId(), cc.GetContext())
		if err != nil {
			return nil, err
		}
		list = withMember(list, m)
	}
	return pruned(list, conf), nil
}

// membersOf is the roll with everybody's vote, by id; who has no address yet is in it, too.
func membersOf(list []member, conf *raftpb.ConfState) []api.Member {
	var ids []uint64
	for _, l := range [][]uint64{conf.GetVoters(), conf.GetLearners(), conf.GetVotersOutgoing(), conf.GetLearnersNext()} {
		ids = append(ids, l...)
	}
	slices.Sort(ids)
	var out []api.Member
	for _, id := range slices.Compact(ids) {
		// Between two memberships both have to agree: whoever joins counts for the next one alone, and one that others
		// see as a voter of three may be lost.
		settled := !joint(conf) || slices.Contains(conf.GetVotersOutgoing(), id)
		m := api.Member{ID: id, Voter: slices.Contains(conf.GetVoters(), id) && settled}
		if i, known := findMember(list, id); known {
			m.Node, m.Addr = list[i].node, list[i].addr
		}
		out = append(out, m)
	}
	return out
}
