package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/objectstore"
)

// quietStore answers only after a while, and then with an error that is final.
type quietStore struct {
	objectstore.Store
	h     host.Host
	after time.Duration
}

func (s quietStore) PutIfAbsent(sc *host.Scope, _ string, _ objectstore.Body) error {
	if err := s.h.Sleep(sc, s.after); err != nil {
		return err
	}
	return objectstore.Terminal(errors.New("no such bucket"))
}

func (quietStore) Name() string { return "s3 bucket b at host" }

// transcript keeps what is logged by several tasks.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *transcript) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// TestAStoreThatDoesNotAnswerIsNamedWhileItIsWaitedFor: a start is not silent for as long as its store is.
func TestAStoreThatDoesNotAnswerIsNamedWhileItIsWaitedFor(t *testing.T) {
	for after, want := range map[time.Duration]int{0: 0, 300 * time.Millisecond: 1} {
		var said transcript
		h, err := oshost.New(oshost.Config{Data: t.TempDir(), Node: "n", Log: slog.NewTextHandler(&said, nil)})
		require.NoError(t, err)
		_, err = onHost(h, func(sc *host.Scope) (struct{}, error) {
			return struct{}{}, probeAloud(sc, h, quietStore{h: h, after: after}, 100*time.Millisecond)
		})
		require.ErrorContains(t, err, "no such bucket")
		text := said.text()
		require.Equal(t, want, strings.Count(text, `msg="checking the object store"`), text)
		require.Equal(t, want, strings.Count(text, `store="s3 bucket b at host"`), text)
	}
}
