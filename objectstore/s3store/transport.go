package s3store

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// Defaults of what objectstore.HTTPConfig leaves at zero.
const (
	dialTimeout           = 5 * time.Second
	tlsHandshakeTimeout   = 10 * time.Second
	responseHeaderTimeout = 30 * time.Second
	idleConnTimeout       = 60 * time.Second
	maxConnsPerHost       = 64
	maxIdleConnsPerHost   = 32
	connBuffer            = 64 << 10 // bytes, for each direction of a connection
)

func newTransport(cfg objectstore.HTTPConfig) *http.Transport {
	stall := or(cfg.ResponseHeaderTimeout, responseHeaderTimeout)
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &progressConn{Conn: conn, stall: stall}, nil
		},
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			// The operator's explicit choice for a server with a certificate of its own.
			InsecureSkipVerify: cfg.InsecureSkipVerify, //nolint:gosec // see above
		},
		TLSHandshakeTimeout:   or(cfg.TLSHandshakeTimeout, tlsHandshakeTimeout),
		ResponseHeaderTimeout: stall,
		IdleConnTimeout:       or(cfg.IdleConnTimeout, idleConnTimeout),
		MaxConnsPerHost:       or(cfg.MaxConnsPerHost, maxConnsPerHost),
		MaxIdleConnsPerHost:   or(cfg.MaxIdleConnsPerHost, maxIdleConnsPerHost),
		WriteBufferSize:       connBuffer,
		ReadBufferSize:        connBuffer,
		DisableCompression:    true, // objects are compressed already, and ranges must be exact
	}
}

// later remembers how long the last refusal of a call asked to be left alone. It travels in the call's context,
// because minio-go does not hand the header on.
type later struct{ after atomic.Int64 }

type laterKey struct{}

// withLater returns a context in which a laterReader notes what the server wishes.
func withLater(sc *host.Scope) (context.Context, *later) {
	l := &later{}
	return context.WithValue(sc, laterKey{}, l), l
}

// laterReader is a transport that reads Retry-After.
type laterReader struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t laterReader) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err == nil && resp.StatusCode >= http.StatusTooManyRequests {
		if l, ok := req.Context().Value(laterKey{}).(*later); ok {
			l.after.Store(int64(parseAfter(resp.Header.Get("Retry-After"), resp.Header.Get("Date"))))
		}
	}
	return resp, err
}

// parseAfter reads a Retry-After header, seconds or a date; 0 if it is neither.
func parseAfter(v, date string) time.Duration {
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	at, err := http.ParseTime(v)
	now, e := http.ParseTime(date)
	if err != nil || e != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

// or returns v, or def where v is zero.
func or[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// progressConn fails when nothing moves in either direction for stall. The transport's own timeouts leave
// out a server that stops taking a body or stops in the middle of an answer. A body whose own reader pauses
// that long fails as well, and so does an idle pooled connection, which is then dialled anew.
type progressConn struct {
	net.Conn
	stall time.Duration
}

// Read implements net.Conn.
func (c *progressConn) Read(p []byte) (int, error) {
	if err := c.Conn.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn. It moves the deadline of a read that waits for the answer meanwhile, too.
func (c *progressConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
