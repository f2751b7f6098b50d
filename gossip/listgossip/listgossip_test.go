package listgossip

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
)

// record keeps log records and tells a test when one comes.
type record struct {
	mu   sync.Mutex // guards all
	all  []slog.Record
	came *sync.Cond
}

func newRecord() *record {
	r := &record{}
	r.came = sync.NewCond(&r.mu)
	return r
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }
func (r *record) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *record) WithGroup(string) slog.Handler            { return r }

func (r *record) Handle(_ context.Context, of slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, of)
	r.came.Broadcast()
	return nil
}

// count is how many records have a level and a text.
func (r *record) count(level slog.Level, text string) int {
	n := 0
	for _, of := range r.all {
		if of.Level == level && strings.Contains(of.Message, text) {
			n++
		}
	}
	return n
}

// await waits until there are n records with a level and a text.
func (r *record) await(t *testing.T, n int, level slog.Level, text string) {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for range n {
			r.all = append(r.all, slog.NewRecord(time.Now(), slog.LevelError+1, "too late", 0))
		}
		r.came.Broadcast()
	})
	defer late.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.count(level, text) < n {
		if r.count(slog.LevelError+1, "too late") > 0 {
			t.Fatalf("only %d lines of level %s with %q in %s", r.count(level, text), level, text, patience)
		}
		r.came.Wait()
	}
}

// start starts a member on the loopback that ends with the test.
func start(t *testing.T, cfg Config) (*Gossip, *record) {
	t.Helper()
	log := newRecord()
	h := newHost(t, log)
	cfg.Listen, cfg.Pace = "127.0.0.1:0", testPace
	g, err := Start(h.Root(), h, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		h.Close(nil)
		h.Wait()
	})
	return g, log
}

func TestAnotherKeyIsOneLine(t *testing.T) {
	other := base64.StdEncoding.EncodeToString([]byte("another key here"))
	for _, c := range []struct{ name, first, second string }{
		{"another key", testKey, other},
		{"a key and none", testKey, ""},
		{"none and a key", "", testKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, atA := start(t, Config{Self: gossip.Self{Node: 1}, Key: c.first})
			b, atB := start(t, Config{Self: gossip.Self{Node: 2}, Key: c.second})
			b.Join([]string{a.Addr()})
			atB.await(t, 4, slog.LevelDebug, "nobody answers yet") // four tries
			atA.await(t, 1, slog.LevelError, "give all nodes of the cluster the same key")
			for _, log := range []*record{atA, atB} {
				log.mu.Lock()
				require.LessOrEqual(t, log.count(slog.LevelError, ""), 1)
				require.Zero(t, log.count(slog.LevelWarn, "decrypt"))
				log.mu.Unlock()
			}
			require.Len(t, a.Members().Members, 1)
			require.Len(t, b.Members().Members, 1)
		})
	}
}

func TestClustersWithAnotherLabelStayApart(t *testing.T) {
	t.Parallel()
	a, atA := start(t, Config{Self: gossip.Self{Node: 1}, Key: testKey, Label: "one"})
	b, atB := start(t, Config{Self: gossip.Self{Node: 2}, Key: testKey, Label: "two"})
	b.Join([]string{a.Addr()})
	atB.await(t, 2, slog.LevelDebug, "nobody answers yet")
	atA.await(t, 1, slog.LevelWarn, `unacceptable label "two"`)
	require.Len(t, a.Members().Members, 1)
	require.Len(t, b.Members().Members, 1)
}

func TestANameIsResolvedAtEachTry(t *testing.T) {
	t.Parallel()
	a, _ := start(t, Config{Self: gossip.Self{Node: 1}})
	b, log := start(t, Config{Self: gossip.Self{Node: 2}})
	b.Join([]string{"no such name:1", "localhost" + strings.TrimPrefix(a.Addr(), "127.0.0.1")})
	log.await(t, 1, slog.LevelDebug, "cannot be resolved")
	for version := uint64(0); len(b.Members().Members) < 2; {
		var err error
		version, err = b.Wait(b.sc, version, b.h.Now().Add(patience))
		require.NoError(t, err)
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	h := newHost(t, slog.DiscardHandler)
	defer h.Close(nil)
	for _, c := range []struct {
		says string
		cfg  Config
	}{
		{"not base64", Config{Key: "?"}},
		{"has 3 bytes, not 16, 24 or 32", Config{Key: "YWJj"}},
		{`the listen gossip address "localhost:1" is not an IP address`, Config{Listen: "localhost:1"}},
		{`the listen gossip address "127.0.0.1"`, Config{Listen: "127.0.0.1"}},
		{`the advertised gossip address "1.2.3.4:99999"`, Config{Advertise: "1.2.3.4:99999"}},
		{"label has 256 bytes", Config{Label: strings.Repeat("x", 256)}},
	} {
		_, err := Start(h.Root(), h, c.cfg)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, c.says)
	}
	_, err := Start(h.Root(), h, Config{Self: gossip.Self{Node: -1}})
	require.ErrorIs(t, err, gossip.ErrSelf)
}

func TestATakenAddressIsAnError(t *testing.T) {
	a, _ := start(t, Config{Self: gossip.Self{Node: 1}})
	_, err := Start(a.sc, a.h, Config{Listen: a.Addr()})
	require.ErrorContains(t, err, a.Addr())
}

func TestTheAdvertisedAddressIsWhatOthersHear(t *testing.T) {
	t.Parallel()
	h := newHost(t, slog.DiscardHandler)
	defer h.Close(nil)
	g, err := Start(h.Root(), h, Config{Listen: "127.0.0.1:0", Advertise: "192.0.2.7:4444"})
	require.NoError(t, err)
	require.Equal(t, "192.0.2.7:4444", g.Addr())
	require.NoError(t, g.Leave(h.Root()))
}

func TestLinesOfTheLibraryKeepTheirLevels(t *testing.T) {
	log := newRecord()
	h := newHost(t, log)
	defer h.Close(nil)
	l := &lines{h: h}
	for _, text := range []string{
		"[DEBUG] memberlist: one\n", "[INFO] memberlist: two\n", "[WARN] memberlist: three", "[ERR] memberlist: four",
		"[ERROR] memberlist: five", "Err: six", "[ERR] memberlist: No installed keys could decrypt the message",
		"[ERR] memberlist: no installed keys could decrypt the message",
	} {
		_, err := l.Write([]byte(text))
		require.NoError(t, err)
	}
	var got []string
	for _, of := range log.all {
		got = append(got, of.Level.String()+" "+of.Message)
	}
	require.Equal(t, []string{
		"DEBUG gossip: one", "INFO gossip: two", "WARN gossip: three", "WARN gossip: four", "WARN gossip: five",
		"WARN gossip: Err: six",
	}, got[:6])
	require.Len(t, got, 7)
	require.Contains(t, got[6], "ERROR gossip: another node has another gossip key")
}

func TestANodeThatIsNoneOfOursIsKeptOut(t *testing.T) {
	d := delegate{gossip.NewView(newHost(t, slog.DiscardHandler), gossip.Self{}, gossip.Patience{})}
	r := gossip.Report{Self: gossip.Self{Node: 3}, Instance: 0xabc}
	require.Equal(t, "3.0000000000000abc", nameOf(&r))
	require.EqualValues(t, 0xabc, instanceOf(nameOf(&r)))
	require.Zero(t, instanceOf("web-1"))
	node := nodeWith("3.0000000000000abc", r.Append(nil))
	require.NoError(t, d.NotifyAlive(node))
	require.ErrorIs(t, d.NotifyAlive(nodeWith("web-1", r.Append(nil))), gossip.ErrReport)
	require.ErrorIs(t, d.NotifyAlive(nodeWith("3.0000000000000abc", []byte("x"))), gossip.ErrReport)
}

func nodeWith(name string, meta []byte) *memberlist.Node {
	return &memberlist.Node{Name: name, Meta: meta}
}

func TestEndingTwiceIsOnce(t *testing.T) {
	h := newHost(t, slog.DiscardHandler)
	sc, cancel := h.Root().Child(0)
	g, err := Start(sc, h, Config{Listen: "127.0.0.1:0", Pace: testPace})
	require.NoError(t, err)
	cancel()
	h.Close(nil)
	h.Wait()
	require.NoError(t, g.Leave(nil), "after the end of the scope")
	_, err = g.Wait(nil, g.Members().Version, 0)
	require.ErrorIs(t, err, host.ErrClosed)
}
