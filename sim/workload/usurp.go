package workload

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim"
)

// The fence word, docs/format/wal.md.
const (
	fenceMagic      = "WEIRFENC"
	fenceBytes      = 64
	fenceGeneration = 32
	fenceSum        = 60
)

// usurp takes the WAL over from the node while it is paused, as somebody else would who was told that the node is
// dead: it writes the next generation into the fence word. What the node makes durable from then on it may not
// acknowledge.
func (r *run) usurp(m *sim.Machine, _ fault.Step) bool {
	if m != r.m || r.node == nil || r.usurped > 0 { // one usurper for each start: it takes the next generation
		return false
	}
	v := m.Volume(walVolume)
	for _, path := range v.Files() {
		word, ok := v.Current(path)
		if !ok || len(word) < fenceBytes || !strings.HasPrefix(string(word), fenceMagic) {
			continue
		}
		word = slices.Clone(word[:fenceBytes])
		generation := binary.LittleEndian.Uint64(word[fenceGeneration:])
		binary.LittleEndian.PutUint64(word[fenceGeneration:], generation+1)
		sum := crc32.Checksum(word[:fenceSum], crc32.MakeTable(crc32.Castagnoli))
		binary.LittleEndian.PutUint32(word[fenceSum:], sum)
		if v.Overwrite(path, 0, word) {
			r.usurped, r.ahead = max(1, r.w.Now()), true
			return true
		}
	}
	return false
}

// repeats tells whether a message of a client may arrive twice without anybody having asked for it twice: it reads,
// or it is an idempotent produce. Twice the same commit may well undo a later one; that is Kafka's protocol, not weir.
func (c *Crowd) repeats(from, _ string, message []byte) bool {
	if from != coreClients && from != farClients || len(message) < 14 {
		return false
	}
	if c.lead != nil && message[4]|message[5] == 0 {
		return false // the first was refused for good, and the second arrives when the node leads
	}
	name := message[14:min(len(message), 14+int(binary.BigEndian.Uint16(message[12:])))]
	id, digits := int32(0), strings.TrimPrefix(string(name), "sim-")
	for i := range len(digits) {
		id = id*10 + int32(digits[i]-'0')
	}
	switch binary.BigEndian.Uint16(message[4:]) {
	case 0:
		return slices.ContainsFunc(c.settings.Clients, func(k Client) bool { return k.ID == id && k.Role == RoleExactly })
	case 1, 2, 3, 9, 10, 22:
		return true
	}
	return false
}
