package rpc

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
)

var update = flag.Bool("update", false, "write the golden files")

var sampleHello = hello{
	low: 1, high: 3, class: Bulk, verdict: wrongCluster,
	Identity: Identity{Cluster: Cluster{0xc1, 15: 0xcf}, Node: -2, Roles: RoleBroker | RoleController},
}

// sampleFrames are one frame of each kind.
func sampleFrames() []outgoing {
	return []outgoing{
		{header: header{kind: kindRequest, method: 7, id: 1 << 40, within: 1500}, payload: []byte("request")},
		{header: header{kind: kindAnswer, method: 7, id: 1 << 40}},
		{header: header{kind: kindRefusal, method: 7, id: 2}, payload: (&Status{
			Code: CodeBusy, Text: "zu groß", Detail: []byte{1, 2},
		}).append(nil, Urgent)},
		{header: header{kind: kindOneWay, method: 9}, payload: []byte("one-way")},
		{header: header{kind: kindCancel, id: 3}},
		{header: header{kind: kindPing}},
		{header: header{kind: kindPong}},
	}
}

func golden(t *testing.T, path string, lines ...[]byte) {
	t.Helper()
	var text strings.Builder
	for _, p := range lines {
		text.WriteString(hex.EncodeToString(p) + "\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text.String(), "the format changed: raise versionHigh or go back")
}

func TestBytesArePinned(t *testing.T) {
	golden(t, "testdata/hello.hex", sampleHello.append(nil))
	var lines [][]byte
	for _, o := range sampleFrames() {
		lines = append(lines, append(o.header.append(nil, o.payload), o.payload...))
	}
	golden(t, "testdata/frames.hex", lines...)
}

func TestAHelloIsReadAsItWasWritten(t *testing.T) {
	p := sampleHello.append(nil)
	require.Len(t, p, helloSize)
	got, err := decodeHello(p)
	require.NoError(t, err)
	require.Equal(t, sampleHello, got)
	for i := range p {
		p[i] ^= 0x10
		_, err := decodeHello(p)
		require.ErrorIs(t, err, ErrProtocol, "byte %d", i)
		p[i] ^= 0x10
	}
}

func TestHellosAreJudgedAtBothEnds(t *testing.T) {
	one, two := Cluster{1}, Cluster{2}
	for _, c := range []struct {
		name           string
		dialler, other hello
		verdict        verdict
		why            error
		diallerSays    error // when it reads the answer
	}{
		{"the same", hello{low: 1, high: 1, Identity: Identity{Cluster: one}},
			hello{low: 1, high: 1, Identity: Identity{Cluster: one}}, welcome, nil, nil},
		{"overlapping versions", hello{low: 2, high: 4, Identity: Identity{Cluster: one}},
			hello{low: 4, high: 9, Identity: Identity{Cluster: one}}, welcome, nil, nil},
		{"an old dialler", hello{low: 1, high: 1, Identity: Identity{Cluster: one}},
			hello{low: 2, high: 3, Identity: Identity{Cluster: one}}, wrongVersion, ErrVersion, ErrVersion},
		{"another cluster", hello{low: 1, high: 1, Identity: Identity{Cluster: one}},
			hello{low: 1, high: 1, Identity: Identity{Cluster: two}}, wrongCluster, ErrCluster, ErrCluster},
		{"a dialler without a cluster", hello{low: 1, high: 1},
			hello{low: 1, high: 1, Identity: Identity{Cluster: two}}, welcome, nil, nil},
		{"a listener without a cluster", hello{low: 1, high: 1, Identity: Identity{Cluster: one}},
			hello{low: 1, high: 1}, wrongCluster, ErrCluster, ErrCluster},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := c.other.admit(&c.dialler)
			require.Equal(t, c.verdict, v)
			require.ErrorIs(t, err, c.why)
			answer := c.other
			answer.verdict = v
			require.ErrorIs(t, c.dialler.accept(&answer), c.diallerSays)
		})
	}
	mine := hello{low: 1, high: 1, Identity: Identity{Cluster: one}}
	for v, want := range map[verdict]error{wrongVersion: ErrVersion, wrongCluster: ErrCluster, 9: ErrProtocol} {
		theirs := mine
		theirs.verdict = v // although we see no reason
		require.ErrorIs(t, mine.accept(&theirs), want)
	}
	theirs := mine
	theirs.class = Bulk
	require.ErrorIs(t, mine.accept(&theirs), ErrProtocol)
}

func TestHeadersThatBreakARuleAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		class Class
		d     header
		size  int
		edit  func(p []byte)
		ok    bool
	}{
		{"a request", Urgent, header{kind: kindRequest, method: 1, id: 1, within: 9}, 5, nil, true},
		{"the largest", Urgent, header{kind: kindRequest, method: 1, id: 1}, 1 << 20, nil, true},
		{"larger", Urgent, header{kind: kindRequest, method: 1, id: 1}, 1<<20 + 1, nil, false},
		{"larger, bulk", Bulk, header{kind: kindOneWay, method: BulkMethod | 1}, 1<<20 + 1, nil, true},
		{"a bulk method, urgent", Urgent, header{kind: kindOneWay, method: BulkMethod | 1}, 0, nil, false},
		{"an urgent method, bulk", Bulk, header{kind: kindOneWay, method: 1}, 0, nil, false},
		{"no kind", Urgent, header{}, 0, nil, false},
		{"an unknown kind", Urgent, header{kind: kindEnd}, 0, nil, false},
		{"flags", Urgent, header{kind: kindPing}, 0, func(p []byte) { p[9] = 1 }, false},
		{"a request without id", Urgent, header{kind: kindRequest, method: 1}, 0, nil, false},
		{"a request without method", Urgent, header{kind: kindRequest, id: 1}, 0, nil, false},
		{"a one-way message with id", Urgent, header{kind: kindOneWay, method: 1, id: 1}, 0, nil, false},
		{"a cancel without id", Urgent, header{kind: kindCancel}, 0, nil, false},
		{"a cancel with method", Urgent, header{kind: kindCancel, id: 1, method: 1}, 0, nil, false},
		{"a ping with a payload", Urgent, header{kind: kindPing}, 1, nil, false},
		{"an answer with a deadline", Urgent, header{kind: kindAnswer, method: 1, id: 1, within: 1}, 0, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.d.append(nil, make([]byte, c.size))
			if c.edit != nil {
				c.edit(p)
			}
			got, err := decodeHeader(p, c.class)
			if !c.ok {
				require.ErrorIs(t, err, ErrProtocol)
				return
			}
			require.NoError(t, err)
			c.d.size, c.d.sum = c.size, got.sum
			require.Equal(t, c.d, got)
		})
	}
}

func TestRefusalsKeepWhatFits(t *testing.T) {
	s := &Status{Code: 70, Text: strings.Repeat("x", statusTextMax-1) + "ü", Detail: []byte("d")}
	got, err := decodeStatus(s.append(nil, Urgent))
	require.NoError(t, err)
	require.Equal(t, &Status{Code: 70, Text: s.Text[:statusTextMax-1], Detail: []byte("d")}, got)
	s = &Status{Code: 70, Text: "t", Detail: make([]byte, 1<<20)}
	got, err = decodeStatus(s.append(nil, Urgent))
	require.NoError(t, err)
	require.Equal(t, &Status{Code: 70, Text: "t"}, got)
	for _, p := range []string{"", "\x01\x00\x00", "\x01\x00\x02\x00x", "\x00\x00\x01\x00x", "\x01\x00\x01\x04"} {
		_, err := decodeStatus([]byte(p))
		require.ErrorIs(t, err, ErrProtocol, "%q", p)
	}
	for code, never := range map[Code]bool{0: false, CodeFailed: false, CodeNoMethod: true, CodeStrangers: true,
		CodeStrangers + 1: false, CodeFirst: false} {
		require.Equal(t, never, (&Status{Code: code}).NeverRan(), "code %d", code)
	}
}

func TestDeadlinesAreRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000, 1 << 62: 1<<32 - 1, -1: 1,
	} {
		require.Equal(t, want, within(d), "%v", d)
	}
}

// tape is a connection that reads from memory, a few bytes at a time.
type tape struct {
	host.Conn
	in   []byte
	most int
}

func (c *tape) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, host.ErrReset
	}
	n := copy(p[:min(len(p), c.most)], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *tape) SetDeadlines(host.Time, host.Time) {}

// still is a host whose clock stands.
type still struct{ host.Host }

func (still) Now() host.Time { return 1 }

// framesOf reads frames until one is bad or the bytes end, and writes them again.
func framesOf(p []byte, class Class, most int) (again []byte, err error) {
	w := newWire(still{}, &tape{in: p, most: most})
	w.class = class
	for {
		d, err := w.next()
		if err != nil {
			return again, err
		}
		payload, err := w.payload(&d, nil)
		if err != nil {
			return again, err
		}
		again = append(d.append(again, payload), payload...)
		if d.kind == kindRefusal {
			if s, err := decodeStatus(payload); err == nil && !bytes.Equal(s.append(nil, class), payload) &&
				len(s.Text) < statusTextMax-4 {
				panic("a status is written otherwise than it was read")
			}
		}
	}
}

func TestFramesAreReadInAnyPieces(t *testing.T) {
	var all []byte
	for _, o := range sampleFrames() {
		all = append(o.header.append(all, o.payload), o.payload...)
	}
	large := outgoing{header: header{kind: kindOneWay, method: 3}, payload: bytes.Repeat([]byte("large"), 40_000)}
	all = append(large.header.append(all, large.payload), large.payload...)
	for _, most := range []int{1, 7, 24, 4096, 1 << 20} {
		again, err := framesOf(all, Urgent, most)
		require.ErrorIs(t, err, host.ErrReset)
		require.True(t, bytes.Equal(all, again), "pieces of %d", most)
	}
}

func TestAChangedByteIsFound(t *testing.T) {
	for _, o := range sampleFrames() {
		p := append(o.header.append(nil, o.payload), o.payload...)
		for i := range p {
			for bit := range 8 {
				p[i] ^= 1 << bit
				again, err := framesOf(p, Urgent, 100)
				require.Error(t, err)
				require.Empty(t, again, "kind %d, byte %d, bit %d", o.kind, i, bit)
				p[i] ^= 1 << bit
			}
		}
	}
}

func TestALengthThatIsOnlyPromisedTakesLittleMemory(t *testing.T) {
	d := header{kind: kindOneWay, method: BulkMethod | 1}
	p := d.append(nil, make([]byte, 60<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := framesOf(p, Bulk, 4096) // the payload never comes
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, host.ErrReset)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*promised))
}

func FuzzFrame(f *testing.F) {
	var all []byte
	for _, o := range sampleFrames() {
		all = append(o.header.append(all, o.payload), o.payload...)
	}
	f.Add(all, 5)
	f.Add(all[:40], 1)
	f.Fuzz(func(t *testing.T, p []byte, most int) {
		most = 1 + int(uint(most)%64)
		for class := range Class(classes) {
			again, err := framesOf(p, class, most)
			if err == nil || !bytes.HasPrefix(p, again) {
				t.Fatalf("%x is read as %x, %v", p, again, err)
			}
		}
		// Past the checksum: what a peer with a bug might send.
		if len(p) >= headerSize {
			d := header{kind: kind(p[8]), method: Method(p[10]) | Method(p[11])<<8, id: uint64(p[12]), within: uint32(p[20])}
			sealed := append(d.append(nil, p[headerSize:]), p[headerSize:]...)
			if again, _ := framesOf(sealed, d.method.Class(), most); len(again) > 0 && !bytes.Equal(again, sealed) {
				t.Fatalf("%x is read as %x", sealed, again)
			}
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(sampleHello.append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		mine := hello{low: versionLow, high: versionHigh, Identity: Identity{Cluster: Cluster{1}}}
		w := newWire(still{}, &tape{in: p, most: 7})
		if o, err := w.takeHello(2); err == nil {
			again := o.append(nil)
			reserved := bytes.Equal(p[38:44], make([]byte, 6))
			if reserved && !bytes.Equal(again, p[:helloSize]) {
				t.Fatalf("%x is read as %x", p, again)
			}
		}
		// Past the checksum.
		if len(p) < helloSize {
			return
		}
		o := hello{low: uint16(p[8]), high: uint16(p[10]), class: Class(p[36]), verdict: verdict(p[37])}
		copy(o.Cluster[:], p[12:])
		theirs, err := decodeHello(o.append(nil))
		if err != nil {
			return
		}
		v, refused := mine.admit(&theirs)
		if (v == welcome) != (refused == nil) {
			t.Fatalf("verdict %d with %v", v, refused)
		}
		if err := mine.accept(&theirs); err == nil && theirs.Cluster != mine.Cluster {
			t.Fatal("another cluster is accepted")
		}
	})
}
