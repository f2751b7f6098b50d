package listgossip

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/weirmq/weir/host"
)

// keyLineEvery is the least time between two lines about a key.
const keyLineEvery = time.Minute

// lines takes what memberlist logs, one line a Write, and hands it on (L1, L2).
type lines struct {
	h host.Host

	mu      sync.Mutex // guards the fields below
	keyLine host.Time  // when the last line about a key was written; 0 = never
}

// levels are the marks that the library's lines begin with.
var levels = []struct {
	mark  string
	level slog.Level
}{
	{"[DEBUG]", slog.LevelDebug},
	{"[INFO]", slog.LevelInfo},
	{"[WARN]", slog.LevelWarn},
	{"[ERROR]", slog.LevelWarn}, // a hint that does not work is no error of this node
	{"[ERR]", slog.LevelWarn},
	{"", slog.LevelWarn},
}

// keyTrouble are the library's words for bytes that were encrypted otherwise than this node does.
var keyTrouble = []string{
	"no installed keys could decrypt the message",
	"encryption is configured but remote state is not encrypted",
	"remote state is encrypted and encryption is not configured",
	"cannot decrypt",
	"unsupported encryption version",
	"too small to decrypt",
}

func (l *lines) Write(p []byte) (int, error) {
	text := string(bytes.TrimSpace(p))
	level := slog.LevelWarn
	for _, of := range levels {
		if rest, ok := strings.CutPrefix(text, of.mark); ok {
			level, text = of.level, strings.TrimSpace(rest)
			break
		}
	}
	text = strings.TrimPrefix(text, "memberlist: ")
	if aboutKey(text) {
		l.key(text)
		return len(p), nil
	}
	l.h.Log().Log(context.Background(), level, "gossip: "+text)
	return len(p), nil
}

// aboutKey tells whether the library's line says that keys differ.
func aboutKey(text string) bool {
	text = strings.ToLower(text)
	for _, words := range keyTrouble {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// key writes the one line about keys that differ, unless it did lately.
func (l *lines) key(text string) {
	l.mu.Lock()
	now := l.h.Now()
	quiet := l.keyLine != 0 && now.Sub(l.keyLine) < keyLineEvery
	if !quiet {
		l.keyLine = now
	}
	l.mu.Unlock()
	if !quiet {
		l.h.Log().Error("gossip: another node has another gossip key, or only one of us has any, and neither sees the "+
			"other: give all nodes of the cluster the same key", "library", text)
	}
}
