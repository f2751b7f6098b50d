package s3store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/s3store"
)

// against returns a store whose server is handler.
func against(t *testing.T, handler http.HandlerFunc) *s3store.Store {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	s, err := s3store.New(objectstore.S3Config{
		Bucket: "bucket", Endpoint: strings.TrimPrefix(srv.URL, "http://"), AccessKey: "a", SecretKey: "s",
		Region: "here", Insecure: true,
		HTTP: objectstore.HTTPConfig{ResponseHeaderTimeout: 200 * time.Millisecond},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// answer is a handler that refuses everything.
func answer(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		if code != "" && r.Method != http.MethodHead {
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
		}
	}
}

func TestAnswersAreClassified(t *testing.T) {
	body := objectstore.BytesBody([]byte("x"))
	put := func(s *s3store.Store) error { return s.Put(nil, "k", body) }
	absent := func(s *s3store.Store) error { return s.PutIfAbsent(nil, "k", body) }
	get := func(s *s3store.Store) error { return s.GetRange(nil, "k", 0, make([]byte, 1)) }
	head := func(s *s3store.Store) error { _, err := s.Head(nil, "k"); return err }
	list := func(s *s3store.Store) error { _, err := s.List(nil, "", "", 1); return err }
	remove := func(s *s3store.Store) error { return s.Delete(nil, "k") }
	transient := errors.New("neither definite nor terminal")
	for _, c := range []struct {
		status int
		code   string
		call   func(*s3store.Store) error
		want   error
	}{
		{412, "PreconditionFailed", absent, objectstore.ErrExists},
		{412, "PreconditionFailed", put, transient},
		{409, "ConditionalRequestConflict", absent, transient},
		{404, "NoSuchKey", get, objectstore.ErrNotFound},
		{404, "NoSuchKey", put, transient},
		{404, "", head, objectstore.ErrNotFound},
		{404, "NoSuchKey", remove, nil},
		{204, "", remove, nil},
		{416, "InvalidRange", get, objectstore.ErrRange},
		{404, "NoSuchBucket", get, objectstore.ErrTerminal},
		{404, "NoSuchBucket", put, objectstore.ErrTerminal},
		{404, "NoSuchBucket", list, objectstore.ErrTerminal},
		{403, "AccessDenied", list, objectstore.ErrDenied},
		{403, "AccessDenied", put, objectstore.ErrDenied},
		{403, "", head, objectstore.ErrDenied},
		{401, "", get, objectstore.ErrDenied},
		{403, "InvalidAccessKeyId", get, objectstore.ErrDenied},
		{403, "SignatureDoesNotMatch", remove, objectstore.ErrDenied},
		{403, "RequestTimeTooSkewed", put, transient},
		{400, "ExpiredToken", put, transient},
		{400, "AuthorizationHeaderMalformed", put, objectstore.ErrTerminal},
		{400, "RequestTimeout", put, transient},
		{501, "NotImplemented", absent, objectstore.ErrTerminal},
		{500, "InternalError", put, transient},
		{503, "SlowDown", list, transient},
		{503, "", get, transient},
		{429, "", put, transient},
	} {
		name := fmt.Sprintf("%d %s", c.status, c.code)
		s := against(t, answer(c.status, c.code))
		err := c.call(s)
		switch {
		case c.want == nil:
			require.NoError(t, err, name)
		case c.want == transient: //nolint:errorlint // a marker of this table
			require.Error(t, err, name)
			require.False(t, objectstore.Definite(err), "%s: %v", name, err)
		default:
			require.ErrorIs(t, err, c.want, name)
		}
		if err != nil {
			require.ErrorContains(t, err, s.Name(), name)
			require.NotContains(t, err.Error(), "\n", name)
		}
	}
}

// TestARefusalWithRetryAfterIsWaitedFor goes through the retry layer, which is who reads the wish.
func TestARefusalWithRetryAfterIsWaitedFor(t *testing.T) {
	var calls atomic.Int64
	s := against(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Node: "n"})
	require.NoError(t, err)
	start := time.Now()
	policy := objectstore.Policy{First: time.Millisecond}
	require.NoError(t, objectstore.WithRetry(h, s, policy).Put(nil, "k", objectstore.BytesBody([]byte("x"))))
	require.Equal(t, int64(2), calls.Load())
	require.GreaterOrEqual(t, time.Since(start), time.Second)
}

// watched is a body that counts reads made after its put returned.
type watched struct {
	size     int64
	returned atomic.Bool
	late     atomic.Int64
}

func (b *watched) Size() int64                { return b.size }
func (b *watched) Open(*host.Scope) io.Reader { return &watchedReader{b, b.size} }

type watchedReader struct {
	b    *watched
	left int64
}

func (r *watchedReader) Read(p []byte) (int, error) {
	if r.b.returned.Load() {
		r.b.late.Add(1)
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.left)
	r.left -= n
	return int(n), nil
}

func TestNoOneReadsTheBodyOfAPutThatReturned(t *testing.T) {
	s := against(t, func(w http.ResponseWriter, _ *http.Request) { // answers before it reads
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	for range 20 {
		b := &watched{size: 64 << 20}
		require.Error(t, s.Put(nil, "k", b))
		b.returned.Store(true)
		time.Sleep(2 * time.Millisecond)
		require.Zero(t, b.late.Load())
	}
}

func TestAServerThatStopsReadingDoesNotHangAPut(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := against(t, func(http.ResponseWriter, *http.Request) { <-release })
	start := time.Now()
	err := s.Put(nil, "k", &watched{size: 1 << 30})
	require.Error(t, err)
	require.False(t, objectstore.Definite(err), err)
	require.Less(t, time.Since(start), 20*time.Second)
}

func TestASlowBodyIsNotTakenForADeadServer(t *testing.T) {
	got := make(chan int64, 1)
	s := against(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got <- n
	})
	require.NoError(t, s.Put(nil, "k", slow{}))
	require.GreaterOrEqual(t, <-got, int64(slowPieces*slowPiece))
}

// slow is a body that takes more than twice the server's response timeout, without a long pause.
type slow struct{}

const slowPieces, slowPiece = 25, 100 << 10

func (slow) Size() int64                { return slowPieces * slowPiece }
func (slow) Open(*host.Scope) io.Reader { return &slowReader{left: slowPieces * slowPiece} }

type slowReader struct{ left int }

func (r *slowReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.left%slowPiece == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	n := min(len(p), 1+(r.left-1)%slowPiece)
	r.left -= n
	return n, nil
}

func TestAnEndedScopeEndsACallUnderWay(t *testing.T) {
	h := newHost(t)
	arrived := make(chan struct{}, 1)
	release := make(chan struct{})
	defer close(release)
	s := against(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release })
	sc, cancel := h.Root().Child(0)
	go func() { <-arrived; cancel() }()
	require.ErrorIs(t, s.GetRange(sc, "k", 0, make([]byte, 1)), host.ErrCancelled)

	sc, cancel = h.Root().Child(h.Now().Add(20 * time.Millisecond))
	defer cancel()
	require.ErrorIs(t, s.Put(sc, "k", objectstore.BytesBody(nil)), host.ErrTimeout)
}

func TestAWrongRangeIsRefused(t *testing.T) {
	for _, c := range []struct {
		contentRange string
		status       int
		body         string
		off          int64
		n            int
		text         string // "" = right
	}{
		{"bytes 2-4/10", 206, "abc", 2, 3, ""},
		{"bytes 7-9/10", 206, "abc", -3, 3, ""},
		{"", 200, "abc", 0, 3, ""},
		{"", 200, "abc", -3, 3, ""},
		{"", 200, "abcdef", 0, 3, "ignored the range"},
		{"", 200, "abc", 1, 3, "beyond the object"},
		{"bytes 3-5/10", 206, "abc", 2, 3, "answered Content-Range"},
		{"bytes 2-3/4", 206, "ab", 2, 3, "beyond the object"},
		{"bytes x", 206, "abc", 2, 3, "Content-Range"},
		{"bytes 0-1/2", 206, "ab", -3, 3, "beyond the object"},
	} {
		s := against(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.contentRange != "" {
				w.Header().Set("Content-Range", c.contentRange)
			}
			w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		dst := make([]byte, c.n)
		err := s.GetRange(nil, "k", c.off, dst)
		if c.text == "" {
			require.NoError(t, err, "%v", c)
			require.True(t, bytes.Equal(dst, []byte(c.body)))
			continue
		}
		require.ErrorContains(t, err, c.text, "%v", c)
	}
}

func TestAListingOutOfOrderIsRefused(t *testing.T) {
	s := against(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<ListBucketResult><Name>bucket</Name><KeyCount>2</KeyCount>
			<Contents><Key>b</Key><Size>1</Size></Contents><Contents><Key>a</Key><Size>1</Size></Contents>
			</ListBucketResult>`)
	})
	_, err := s.List(nil, "", "", 10)
	require.ErrorIs(t, err, objectstore.ErrTerminal)
	require.ErrorContains(t, err, "does not list in key order")
}

func TestAnObjectTooLargeForOneRequestIsRefused(t *testing.T) {
	s := against(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was made") })
	err := s.Put(nil, "k", &watched{size: s3store.MaxSize + 1})
	require.ErrorIs(t, err, objectstore.ErrTerminal)
}

// TestABucketNameThatNoServerTakesIsRefusedAtOnce: a start does not try it again for ten seconds.
func TestABucketNameThatNoServerTakesIsRefusedAtOnce(t *testing.T) {
	for _, name := range []string{"b", "Two Words", strings.Repeat("x", 64), "../up"} {
		_, err := s3store.New(objectstore.S3Config{Bucket: name, Endpoint: "127.0.0.1:1"})
		require.ErrorIs(t, err, objectstore.ErrTerminal, name)
		require.ErrorContains(t, err, "correct bucket", name)
	}
}
