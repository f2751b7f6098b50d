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

// wireClient is the Kafka connections of a client: one where one node runs, one a node in a cluster. Each is dialled
// when needed and dropped after any error.
type wireClient struct {
	h       host.Host
	addr    string // of the node, if there is but one
	guide   *guide // to the nodes of a cluster; nil = there is one
	id      string
	timeout host.Time // of one request, ns

	hopeless *bool // nobody may ever listen again: dial once
	mixedUp  func(got, want int32)
	slow     host.Time // how long it takes to read an answer
	line     *line     // of the last request
	lines    []*line
	buf      []byte
}

// line is a connection with one node.
type line struct {
	addr        string
	conn        host.Conn
	correlation int32 // of the last request sent
	answered    int32 // of the last response received
}

// owed tells whether a response is still to come.
func (l *line) owed() bool { return l != nil && l.conn != nil && l.correlation != l.answered }

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
	if err := c.connect(sc, req); err != nil {
		return fmt.Errorf("%w: dial: %w", errNotSent, err)
	}
	return c.write(req)
}

func (c *wireClient) write(req kmsg.Request) error {
	l := c.line
	l.correlation++
	deadline := c.h.Now() + c.timeout
	l.conn.SetDeadlines(deadline, deadline)
	c.buf = appendRequest(c.buf[:0], req, l.correlation, c.id)
	if _, err := l.conn.Write(c.buf); err != nil {
		c.dropLine()
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return nil
}

// redialPause is how long a client waits before it dials again.
const redialPause = 100 * time.Millisecond

// connect makes sure that there is a connection with the node that req is for, and dials again and again within the
// time of a request.
func (c *wireClient) connect(sc *host.Scope, req kmsg.Request) error {
	until := c.h.Now() + c.timeout
	sc, cancel := sc.Child(until)
	defer cancel()
	for {
		c.line = c.lineTo(c.whereTo(sc, req))
		if c.line.conn != nil {
			return nil
		}
		err := c.dial(sc)
		if err == nil {
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

// dial dials the node of the line once.
func (c *wireClient) dial(sc *host.Scope) error {
	if c.guide != nil { // another node may well be there
		child, cancel := sc.Child(c.h.Now() + host.Time(time.Second))
		defer cancel()
		sc = child
	}
	conn, err := c.h.Network().Dial(sc, c.line.addr)
	if err != nil {
		c.guide.lost(c.line.addr)
		return err
	}
	c.line.conn, c.line.answered = conn, c.line.correlation
	return nil
}

// whereTo is the address of the node that a request is for.
func (c *wireClient) whereTo(sc *host.Scope, req kmsg.Request) string {
	switch {
	case c.guide == nil:
		return c.addr
	case c.line.owed():
		return c.line.addr // what is sent before the first answer goes one way
	}
	return c.lead(sc, req)
}

func (c *wireClient) lineTo(addr string) *line {
	for _, l := range c.lines {
		if l.addr == addr {
			return l
		}
	}
	l := &line{addr: addr}
	c.lines = append(c.lines, l)
	return l
}

// receive reads the response to req, the oldest that was sent and not received.
func (c *wireClient) receive(sc *host.Scope, req kmsg.Request) (kmsg.Response, error) {
	resp, err := c.read(sc, req)
	if err != nil {
		c.dropLine()
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	c.guide.heed(req, resp)
	return resp, nil
}

func (c *wireClient) read(sc *host.Scope, req kmsg.Request) (kmsg.Response, error) {
	l := c.line
	if l == nil || l.conn == nil {
		return nil, errors.New("the connection broke")
	}
	var head [4]byte
	if _, err := io.ReadFull(l.conn, head[:]); err != nil {
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
	if _, err := io.ReadFull(l.conn, body); err != nil {
		return nil, err
	}
	l.answered++
	if got := int32(binary.BigEndian.Uint32(body)); got != l.answered {
		c.mixedUp(got, l.answered)
		return nil, fmt.Errorf("response to request %d, want %d", got, l.answered)
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

// drop hangs up.
func (c *wireClient) drop() {
	for _, l := range c.lines {
		l.hangUp()
	}
}

// dropLine hangs up where something went wrong.
func (c *wireClient) dropLine() {
	if c.line != nil {
		c.line.hangUp()
		c.guide.lost(c.line.addr)
	}
}

func (l *line) hangUp() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}
