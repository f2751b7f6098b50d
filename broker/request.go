package broker

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// Limits on what a client may send, in bytes. A produce request carries at most a few maximal batches;
// every other request is small, and decoding one allocates up to a hundred times its size.
const (
	requestBytesMin        = 8 // key, version, correlation id
	requestBytesMax        = 4 << 20
	produceRequestBytesMax = 64 << 20
)

// errHangUp ends a connection whose client cannot be answered; the text says why.
var errHangUp = errors.New("broker: connection closed")

func hangUp(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errHangUp, fmt.Sprintf(format, args...))
}

// call is one request on its way through a connection.
type call struct {
	conn        *conn
	api         *api
	key         int16
	version     int16
	correlation int32
	clientID    string
	req         kmsg.Request
	received    host.Time
	bytes       int64 // units held of Broker.requestMemory until answered

	produce *produceCall // what beginProduce left for finishProduce
	refused reply        // an answer that is ready before the request was decoded
	done    bool         // refused holds the answer
	one     [1][]byte    // for a reply of one buffer
	own     *ownCall     // what it is part of, nil for most
}

// newCall is for every request but Produce, which is pooled.
func newCall() *call { return &call{} }

// newRequest returns what to decode the request into, or nil if its version is not served.
func (c *call) newRequest() kmsg.Request {
	if c.own == nil || c.version < c.api.min || c.version > c.api.max {
		return c.api.newRequest(c.version)
	}
	c.own.req.SetVersion(c.version)
	return &c.own.req
}

// decodeHeader reads the request header (v1, v2) from frame and returns the body behind it.
func (b *Broker) decodeHeader(frame []byte, c *call) ([]byte, error) {
	c.key = int16(binary.BigEndian.Uint16(frame))
	c.version = int16(binary.BigEndian.Uint16(frame[2:]))
	c.correlation = int32(binary.BigEndian.Uint32(frame[4:]))
	c.api = b.apiFor(c.key)
	if c.api == nil {
		return nil, hangUp("request key %d is not served", c.key)
	}
	c.req = c.newRequest()
	if c.req == nil {
		if c.key == keyAPIVersions {
			c.refused, c.done = b.unsupportedAPIVersions(c.correlation), true
			return nil, nil
		}
		return nil, hangUp("%s v%d is not served, only v%d to v%d",
			kmsg.NameForKey(c.key), c.version, c.api.min, c.api.max)
	}
	body := frame[8:]
	if len(body) < 2 {
		return nil, hangUp("%s request ends inside its header", kmsg.NameForKey(c.key))
	}
	n := int(int16(binary.BigEndian.Uint16(body)))
	body = body[2:]
	if n > len(body) || n < -1 {
		return nil, hangUp("%s request has a client id of %d bytes", kmsg.NameForKey(c.key), n)
	}
	if n > 0 {
		c.clientID, body = c.conn.clientID(body[:n]), body[n:]
	}
	if c.req.IsFlexible() {
		var ok bool
		if body, ok = skipTags(body); !ok {
			return nil, hangUp("%s request has damaged header tags", kmsg.NameForKey(c.key))
		}
	}
	return body, nil
}

// decode reads the request's body. kmsg answers damaged input with an error, and the structs alias body.
func (c *call) decode(body []byte) error {
	if err := c.req.ReadFrom(body); err != nil {
		return hangUp("%s v%d request cannot be decoded: %v", kmsg.NameForKey(c.key), c.version, err)
	}
	return nil
}

// skipTags steps over a KIP-482 tag section.
func skipTags(b []byte) ([]byte, bool) {
	num, n := binary.Uvarint(b)
	if n <= 0 || num > uint64(len(b)) {
		return nil, false
	}
	b = b[n:]
	for ; num > 0; num-- {
		if _, n = binary.Uvarint(b); n <= 0 {
			return nil, false
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, false
		}
		b = b[n+int(size):]
	}
	return b, true
}
