//go:build integration

package crashtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// objects lists the files of the embedded store.
func objects(t *testing.T, data string) []string {
	t.Helper()
	var out []string
	root := filepath.Join(data, "store", "objects", "objects")
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			out = append(out, path)
		}
		return nil // the server works there: what is gone is gone
	})
	return out
}

// objectWith returns the object that holds text, and where; "" if there is none.
func objectWith(t *testing.T, data, text string) (file string, at int) {
	t.Helper()
	for _, file := range objects(t, data) {
		if raw, err := os.ReadFile(file); err == nil {
			if at := bytes.Index(raw, []byte(text)); at >= 0 {
				return file, at
			}
		}
	}
	return "", 0
}

// uploaded is a killed server whose topics a and b have their first records in one object and their last in
// another, with topic c in objects of its own.
func uploaded(t *testing.T) (*server, map[string]*written) {
	t.Helper()
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB", "--upload-age", "500ms")
	s.start()
	topics := map[string]*written{}
	for _, name := range []string{"a", "b", "c"} {
		topics[name] = newTopic(t, s, name)
	}
	for _, step := range []struct{ names, n string }{{"ab", "early"}, {"c", "early"}, {"ab", "late"}} {
		for _, name := range strings.Split(step.names, "") {
			for i := range 3 {
				topics[name].add(value(name, fmt.Sprint(step.n, i)))
			}
		}
		last := value(step.names[len(step.names)-1:], step.n+"2")
		require.Eventually(t, func() bool { file, _ := objectWith(t, s.data, last); return file != "" }, callMax,
			20*time.Millisecond, "everything is uploaded")
		time.Sleep(100 * time.Millisecond) // and committed
	}
	s.kill()
	return s, topics
}

// TestOneChangedByteOfAnObjectIsRefused flips a byte of a block, the index and the footer.
func TestOneChangedByteOfAnObjectIsRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      string // of topic a: the records whose object is hit
		at      func(raw []byte, text int) int
		refused []string // topics
	}{
		{"block", "early", func(_ []byte, text int) int { return text }, []string{"a"}},
		{"block header", "early", func(raw []byte, text int) int { return bytes.LastIndex(raw[:text], []byte("WBLK")) + 9 },
			[]string{"a"}},
		{"index", "early", func(raw []byte, _ int) int { return indexOf(raw) + 20 }, []string{"a", "b"}},
		{"footer", "early", func(raw []byte, _ int) int { return len(raw) - 60 }, []string{"a", "b"}},
		{"block of the newest", "late", func(_ []byte, text int) int { return text }, []string{"a"}},
		{"index of the newest", "late", func(raw []byte, _ int) int { return indexOf(raw) + 20 }, []string{"a", "b"}},
		{"footer of the newest", "late", func(raw []byte, _ int) int { return len(raw) - 60 }, []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, topics := uploaded(t)
			file, at := objectWith(t, s.data, value("a", c.in+"1"))
			require.NotEmpty(t, file)
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Positive(t, bytes.Index(raw, []byte(value("b", c.in+"1"))), "a and b share the object")
			flip(t, file, c.at(raw, at))
			s.start()
			hit := map[string]bool{}
			for _, name := range c.refused {
				hit[name] = true
				topics[name].refusedFrom(map[string]int{"early": 0, "late": 3}[c.in])
			}
			s.says(filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file) + " is damaged at byte")
			for name, w := range topics {
				if hit[name] {
					continue
				}
				w.whole()
				w.add(value(name, "after"))
				w.whole()
			}
			after := newTopic(t, s, "after")
			after.add(value("after", "0"))
			after.whole()
		})
	}
}

// indexOf is where an object's footer says that its index lies.
func indexOf(raw []byte) int { return int(binary.LittleEndian.Uint64(raw[len(raw)-80+16:])) }
