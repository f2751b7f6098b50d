package broker

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// reply is an encoded answer: buffers that leave in one writev, length prefix included, and what to do
// once they have left. The zero reply sends nothing (acks=0).
type reply struct {
	bufs    [][]byte
	release func() // gives back the slabs the buffers point into; nil if none
}

// encode frames a response of c.
func encode(c *call, resp kmsg.Response) reply {
	return encodeAs(c.correlation, c.req.IsFlexible() && c.key != keyAPIVersions, resp)
}

// encodeAs frames resp with its response header: v1 (a tag section) if flexible, else v0.
func encodeAs(correlation int32, flexible bool, resp kmsg.Response) reply {
	buf := make([]byte, 8, 256)
	binary.BigEndian.PutUint32(buf[4:], uint32(correlation))
	if flexible {
		buf = append(buf, 0)
	}
	buf = resp.AppendTo(buf)
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	return reply{bufs: [][]byte{buf}}
}
