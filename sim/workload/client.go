package workload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// wireClient is one Kafka connection that is dialled when needed and dropped after any error.
type wireClient struct {
	h       host.Host
	addr    string
	id      string
	timeout host.Time // of one request, ns

	hopeless    *bool // nobody may ever listen again: dial once
	mixedUp     func(got, want int32)
	slow        host.Time // how long it takes to read an answer
	conn        host.Conn
	correlation int32 // of the last request sent
	answered    int32 // of the last response received
	buf         []byte
}

// errNoAnswer wraps every failure after which the request may or may not have been carried out.
var errNoAnswer = errors.New("no answer")

// errNotSent wraps failures before a byte of the request was sent.
var errNotSent = errors.New("not sent")

// do sends req and returns its response.
func (c *wireClient) do(sc *host.Scope, req kmsg.Request) (kmsg.Response, error) {
	if err := c.send(sc, req); err != nil {
		return nil, err
	}
	return c.receive(sc, req)
}

// send writes req, behind whatever else was sent and not received yet.
func (c *wireClient) send(sc *host.Scope, req kmsg.Request) error {
	if c.conn == nil {
		if err := c.dial(sc); err != nil {
			return fmt.Errorf("%w: dial: %w", errNotSent, err)
		}
	}
	c.correlation++
	deadline := c.h.Now() + c.timeout
	c.conn.SetDeadlines(deadline, deadline)
	c.buf = appendRequest(c.buf[:0], req, c.correlation, c.id)
	if _, err := c.conn.Write(c.buf); err != nil {
		c.drop()
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return nil
}

// redialPause is how long a client waits before it dials again.
const redialPause = 100 * time.Millisecond

// dial connects, again and again within the time of a request.
func (c *wireClient) dial(sc *host.Scope) error {
	until := c.h.Now() + c.timeout
	sc, cancel := sc.Child(until)
	defer cancel()
	for {
		conn, err := c.h.Network().Dial(sc, c.addr)
		if err == nil {
			c.conn, c.answered = conn, c.correlation
			return nil
		}
		if c.hopeless != nil && *c.hopeless || c.h.Now()+host.Time(redialPause) >= until {
			return err
		}
		if c.h.Sleep(sc, redialPause) != nil {
			return err
		}
	}
}

// receive reads the response to req, the oldest that was sent and not received.
func (c *wireClient) receive(sc *host.Scope, req kmsg.Request) (kmsg.Response, error) {
	resp, err := c.read(sc, req)
	if err != nil {
		c.drop()
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return resp, nil
}

func (c *wireClient) read(sc *host.Scope, req kmsg.Request) (kmsg.Response, error) {
	if c.conn == nil {
		return nil, errors.New("the connection broke")
	}
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 4 || size > 64<<20 {
		return nil, fmt.Errorf("response of %d bytes", size)
	}
	if c.slow > 0 {
		if err := c.h.Sleep(sc, c.slow.Sub(0)); err != nil {
			return nil, err
		}
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return nil, err
	}
	c.answered++
	if got := int32(binary.BigEndian.Uint32(body)); got != c.answered {
		c.mixedUp(got, c.answered)
		return nil, fmt.Errorf("response to request %d, want %d", got, c.answered)
	}
	body = body[4:]
	if req.IsFlexible() && req.Key() != 18 {
		if len(body) == 0 || body[0] != 0 {
			return nil, errors.New("response header has tags")
		}
		body = body[1:]
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		return nil, err
	}
	return resp, nil
}

// appendRequest frames req with its header: v2 (with tags) if flexible, else v1.
func appendRequest(buf []byte, req kmsg.Request, correlation int32, clientID string) []byte {
	buf = append(buf, 0, 0, 0, 0)
	buf = binary.BigEndian.AppendUint16(buf, uint16(req.Key()))
	buf = binary.BigEndian.AppendUint16(buf, uint16(req.GetVersion()))
	buf = binary.BigEndian.AppendUint32(buf, uint32(correlation))
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(clientID)))
	buf = append(buf, clientID...)
	if req.IsFlexible() {
		buf = append(buf, 0)
	}
	buf = req.AppendTo(buf)
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	return buf
}

func (c *wireClient) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
