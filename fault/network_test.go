package fault_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// pair is a client that the plan does not see, and the machine's end of its connection.
type pair struct{ client, server host.Conn }

func (m *machine) listen(t *testing.T) host.Listener {
	t.Helper()
	l, err := m.h.Network().Listen("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func (m *machine) connect(t *testing.T, l host.Listener) pair {
	t.Helper()
	c, err := m.under.Network().Dial(m.root, l.Addr())
	require.NoError(t, err)
	s, err := l.Accept(m.root)
	require.NoError(t, err)
	return pair{c, s}
}

// took returns how long fn takes.
func (m *machine) took(fn func()) time.Duration {
	start := m.h.Now()
	fn()
	return m.h.Now().Sub(start)
}

func send(t *testing.T, c host.Conn, text string) {
	t.Helper()
	n, err := c.Write([]byte(text))
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}

func receive(t *testing.T, c host.Conn, text string) {
	t.Helper()
	p := make([]byte, len(text))
	_, err := io.ReadFull(c, p)
	require.NoError(t, err)
	require.Equal(t, text, string(p))
}

func TestAMessageIsLate(t *testing.T) {
	p := plan(t, "0s #2 clients>n1 N1.delay for=50ms\n0s #1 n1>clients N1.delay for=50ms")
	onDisk(t, p, func(m *machine) {
		c := m.connect(t, m.listen(t))
		send(t, c.client, "a")
		receive(t, c.server, "a")
		send(t, c.client, "b")
		require.GreaterOrEqual(t, m.took(func() { receive(t, c.server, "b") }), 50*time.Millisecond)
		require.GreaterOrEqual(t, m.took(func() { send(t, c.server, "c") }), 50*time.Millisecond)
		receive(t, c.client, "c")
		m.struck(t, fault.PacketDelay, 2)
	})
}

func TestAConnectionBreaksInAMessage(t *testing.T) {
	for _, kind := range []string{"N4.reset", "N1.drop"} {
		onDisk(t, plan(t, "0s #2 n1>clients "+kind+" arg=1"), func(m *machine) {
			c := m.connect(t, m.listen(t))
			send(t, c.server, "first")
			n, err := c.server.Writev([][]byte{nil, []byte("0123456789"), []byte("more")})
			require.ErrorIs(t, err, host.ErrReset)
			require.Less(t, n, int64(14))
			_, err = c.server.Write([]byte("x"))
			require.ErrorIs(t, err, host.ErrReset)
			_, err = c.server.Read(make([]byte, 1))
			require.ErrorIs(t, err, host.ErrReset)
			require.NoError(t, c.server.Close())
			got, _ := io.ReadAll(c.client)
			require.Equal(t, "first0123456789"[:5+n], string(got), "the peer sees what was sent, and the end")
		})
		onDisk(t, plan(t, "0s clients>n1 "+kind), func(m *machine) {
			c := m.connect(t, m.listen(t))
			send(t, c.client, "request")
			_, err := c.server.Read(make([]byte, 10))
			require.ErrorIs(t, err, host.ErrReset)
			_, err = c.client.Read(make([]byte, 1))
			require.Error(t, err, "the peer is told")
		})
	}
}

func TestACutLinkHoldsWhatItCarriesUntilItIsOpen(t *testing.T) {
	const length = 250 * time.Millisecond
	for _, c := range []struct {
		step    string
		in, out bool // the directions that are cut
	}{
		{"clients>n1 N2.one-way", true, false},
		{"n1>clients N2.one-way", false, true},
		{"clients>n1 N2.partition", true, true},
		{"n1>clients N2.partition", true, true},
		{"clients>n1 N3.clog", true, false},
		{"* N2.partition", true, true},
	} {
		p := plan(t, "0s "+c.step+" for="+length.String())
		held := func(m *machine, cut bool) {
			if cut {
				require.GreaterOrEqual(t, m.h.Now().Sub(m.start), length, c.step)
			}
			require.Equal(t, cut, len(m.i.Fired()) == 1, c.step)
		}
		onDisk(t, p, func(m *machine) {
			conn := m.connect(t, m.listen(t))
			send(t, conn.server, "answer")
			held(m, c.out)
			receive(t, conn.client, "answer")
		})
		onDisk(t, p, func(m *machine) {
			conn := m.connect(t, m.listen(t))
			send(t, conn.client, "request")
			receive(t, conn.server, "request")
			held(m, c.in)
		})
	}
}

func TestACutLinkStillEndsWithItsDeadlineAndClose(t *testing.T) {
	onDisk(t, plan(t, "0s n1>clients N2.partition for=1h"), func(m *machine) {
		c := m.connect(t, m.listen(t))
		send(t, c.client, "request")
		c.server.SetDeadlines(m.h.Now().Add(20*time.Millisecond), m.h.Now().Add(20*time.Millisecond))
		_, err := c.server.Read(make([]byte, 10))
		require.ErrorIs(t, err, host.ErrTimeout)
		_, err = c.server.Write([]byte("x"))
		require.ErrorIs(t, err, host.ErrTimeout)
		c.server.SetDeadlines(0, 0)
		done := make(chan error, 2)
		go func() { _, err := c.server.Read(make([]byte, 10)); done <- err }()
		go func() { _, err := c.server.Write([]byte("x")); done <- err }()
		require.NoError(t, m.h.Sleep(m.root, 20*time.Millisecond))
		require.NoError(t, c.server.Close())
		require.ErrorIs(t, <-done, host.ErrClosed)
		require.ErrorIs(t, <-done, host.ErrClosed)
	})
}

func TestASlowLinkCarriesSoManyBytesASecond(t *testing.T) {
	p := plan(t, "0s n1>clients N3.slow-link for=1h arg=2")
	onDisk(t, p, func(m *machine) {
		c := m.connect(t, m.listen(t))
		rate := p[0].BytesPerSecond()
		require.GreaterOrEqual(t, rate, int64(1<<10))
		require.LessOrEqual(t, rate, int64(64<<10))
		tenth := make([]byte, rate/10)
		require.GreaterOrEqual(t, m.took(func() { send(t, c.server, string(tenth)) }), 95*time.Millisecond)
	})
}

func TestAcceptedConnectionsHangAndDialsAreRefused(t *testing.T) {
	p := plan(t, `
		0s #1 clients>n1 N4.accept-hang
		0s #2 clients>n1 N4.refused
		0s n1>127.0.0.1:1 N4.refused`)
	onDisk(t, p, func(m *machine) {
		l := m.listen(t)
		var clients []host.Conn
		for range 3 {
			c, err := m.under.Network().Dial(m.root, l.Addr())
			require.NoError(t, err)
			clients = append(clients, c)
		}
		server, err := l.Accept(m.root)
		require.NoError(t, err)
		send(t, server, "hello")
		receive(t, clients[2], "hello")
		_, err = clients[1].Read(make([]byte, 1))
		require.Error(t, err, "the second was turned away")
		clients[0].SetDeadlines(m.h.Now().Add(30*time.Millisecond), 0)
		_, err = clients[0].Read(make([]byte, 1))
		require.ErrorIs(t, err, host.ErrTimeout, "the first hangs")
		require.NoError(t, l.Close())
		clients[0].SetDeadlines(0, 0)
		_, err = clients[0].Read(make([]byte, 1))
		require.Error(t, err, "until the listener closes")
		require.NotErrorIs(t, err, host.ErrTimeout)
		_, err = m.h.Network().Dial(m.root, "127.0.0.1:1")
		require.ErrorIs(t, err, host.ErrRefused)
		require.Empty(t, m.i.Unfired())
	})
}
