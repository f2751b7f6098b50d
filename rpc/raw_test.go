package rpc_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/rpc"
)

// What follows writes the format from its drawing, not through the package's own code.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// hello is alpha's.
func hello(class rpc.Class) []byte {
	p := append([]byte("weir-rpc\x01\x00\x01\x00"), cluster[:]...)
	p = append(p, 1, 0, 0, 0, 1, 0, 0, 0, byte(class), 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p, castagnoli))
}

func frame(kind byte, m rpc.Method, id uint64, payload string) []byte {
	p := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(payload)))
	p = append(p, kind, 0)
	p = binary.LittleEndian.AppendUint16(p, uint16(m))
	p = binary.LittleEndian.AppendUint64(p, id)
	p = append(append(p, 0, 0, 0, 0), payload...)
	binary.LittleEndian.PutUint32(p, crc32.Checksum(p[4:], castagnoli))
	return p
}

// greet opens a connection to the server by hand.
func greet(t *testing.T, r *rig, class rpc.Class) host.Conn {
	t.Helper()
	nc, err := r.h.Network().Dial(r.sc, addr)
	assert.NoError(t, err)
	_, err = nc.Write(hello(class))
	assert.NoError(t, err)
	p := make([]byte, 48)
	_, err = io.ReadFull(nc, p)
	assert.NoError(t, err)
	assert.Equal(t, "weir-rpc", string(p[:8]))
	assert.Equal(t, byte(0), p[37], "welcome")
	return nc
}
