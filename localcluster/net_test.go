package localcluster

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const soon = 5 * time.Second

// echo is a server that sends back what it gets, and ends a connection whose other half was closed.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", loopback+":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// behind puts a proxy before addr and returns its address.
func behind(t *testing.T, open func(listen string) error) string {
	t.Helper()
	l, err := net.Listen("tcp", loopback+":0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	require.NoError(t, open(addr))
	return addr
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

func expect(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

// silent checks that nothing comes for a while.
func silent(t *testing.T, c *net.TCPConn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
}

func TestAProxyCarriesBytesAndEnds(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	server := echo(t)
	c := dial(t, behind(t, func(at string) error { return n.Proxy(at, server, Link{Clients, "1"}) }))
	send(t, c, "hello")
	expect(t, c, "hello")
	require.Equal(t, 1, n.Carried())
	send(t, c, "last words")
	require.NoError(t, c.CloseWrite())
	rest, err := io.ReadAll(c)
	require.NoError(t, err, "an end in order is passed on as one")
	require.Equal(t, "last words", string(rest))
	require.Eventually(t, func() bool { return n.Carried() == 0 }, soon, time.Millisecond)
}

func TestWhatIsCutArrivesWhenItIsHealed(t *testing.T) {
	there, back := Link{Clients, "1"}, Link{"1", Clients}
	for _, cut := range []Link{there, back} {
		n := NewNet()
		t.Cleanup(n.Close)
		server := echo(t)
		c := dial(t, behind(t, func(at string) error { return n.Proxy(at, server, there) }))
		send(t, c, "a")
		expect(t, c, "a")
		n.Set(cut, Rule{Cut: true})
		require.Equal(t, []string{cut.String() + ": cut"}, n.Rules())
		send(t, c, "b")
		silent(t, c)
		n.Heal()
		expect(t, c, "b")
	}
}

func TestACutHoldsOneDirectionAlone(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	l, err := net.Listen("tcp", loopback+":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	c := dial(t, behind(t, func(at string) error { return n.Proxy(at, l.Addr().String(), Link{Clients, "1"}) }))
	s, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	n.Set(Link{Clients, "1"}, Rule{Cut: true})
	send(t, s, "from the server")
	expect(t, c, "from the server")
	send(t, c, "x")
	silent(t, s.(*net.TCPConn))
}

func TestAConnectionAlongACutIsAcceptedAndHeld(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	n.Set(Link{"1", Clients}, Rule{Cut: true})
	server := echo(t)
	c := dial(t, behind(t, func(at string) error { return n.Proxy(at, server, Link{Clients, "1"}) }))
	send(t, c, "hello")
	silent(t, c)
	n.Heal()
	expect(t, c, "hello")
}

func TestAResetIsNoEndInOrder(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	server := echo(t)
	addr := behind(t, func(at string) error { return n.Proxy(at, server, Link{Clients, "1"}) })
	c := dial(t, addr)
	send(t, c, "a")
	expect(t, c, "a")
	require.Zero(t, n.Reset(Link{"1", "2"}))
	require.Equal(t, 1, n.Reset(Link{"1", Clients}))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	c = dial(t, addr)
	send(t, c, "again")
	expect(t, c, "again")
}

func TestADelayDelays(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	server := echo(t)
	c := dial(t, behind(t, func(at string) error { return n.Proxy(at, server, Link{Clients, "1"}) }))
	n.Set(Link{Clients, "1"}, Rule{Delay: 50 * time.Millisecond})
	n.Set(Link{"1", Clients}, Rule{Delay: 50 * time.Millisecond})
	begin := time.Now()
	send(t, c, "slow")
	expect(t, c, "slow")
	require.GreaterOrEqual(t, time.Since(begin), 100*time.Millisecond)
}

func TestWhatNobodyListensForIsReset(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	l, err := net.Listen("tcp", loopback+":0")
	require.NoError(t, err)
	gone := l.Addr().String()
	require.NoError(t, l.Close())
	addr := behind(t, func(at string) error { return n.Proxy(at, gone, Link{Clients, "1"}) })
	c, err := net.DialTimeout("tcp", addr, soon)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		require.NoError(t, c.Close())
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// hello is a node's first words, as docs/format/rpc.md draws them.
func hello(node int32) []byte {
	p := make([]byte, helloSize)
	copy(p, helloMagic)
	p[8], p[10] = 1, 1
	binary.LittleEndian.PutUint32(p[helloNode:], uint32(node))
	binary.LittleEndian.PutUint32(p[helloSum:], crc32.Checksum(p[:helloSum], crc32.MakeTable(crc32.Castagnoli)))
	return p
}

func TestANodesProxyKnowsWhoDials(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	server := echo(t)
	addr := behind(t, func(at string) error { return n.NodeProxy(at, server, 1) })
	n.Set(Link{"2", "1"}, Rule{Cut: true})
	two, three := dial(t, addr), dial(t, addr)
	send(t, two, string(hello(2)))
	send(t, three, string(hello(3)))
	expect(t, three, string(hello(3)))
	silent(t, two)
	n.Heal()
	expect(t, two, string(hello(2)))
}

func TestWhoSaysNoHelloIsNoNode(t *testing.T) {
	n := NewNet()
	t.Cleanup(n.Close)
	server := echo(t)
	c := dial(t, behind(t, func(at string) error { return n.NodeProxy(at, server, 1) }))
	bad := hello(2)
	bad[30]++
	send(t, c, string(bad))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
