package fault_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

func (m *machine) put(key, content string) error {
	return m.store.Put(m.root, key, objectstore.BytesBody([]byte(content)))
}

func (m *machine) create(key, content string) error {
	return m.store.PutIfAbsent(m.root, key, objectstore.BytesBody([]byte(content)))
}

// holds returns the object's content, "" when there is none.
func (m *machine) holds(t *testing.T, key string) string {
	t.Helper()
	info, err := m.store.Head(m.root, key)
	if err != nil {
		require.ErrorIs(t, err, objectstore.ErrNotFound)
		return ""
	}
	p := make([]byte, info.Size)
	if err := m.store.GetRange(m.root, key, 0, p); err != nil {
		require.ErrorIs(t, err, objectstore.ErrNotFound) // deleted a moment ago
		return ""
	}
	return string(p)
}

// waitUntil waits until this long after the plan's time 0.
func (m *machine) waitUntil(t *testing.T, at time.Duration) {
	t.Helper()
	require.NoError(t, m.h.Sleep(m.root, at+20*time.Millisecond-m.h.Now().Sub(m.start)))
}

// becomes waits until the object holds want.
func (m *machine) becomes(t *testing.T, key, want string) {
	t.Helper()
	for end := m.h.Now().Add(20 * time.Second); m.holds(t, key) != want; {
		require.Less(t, m.h.Now(), end, "%s never became %q", key, want)
		require.NoError(t, m.h.Sleep(m.root, time.Millisecond))
	}
}

func TestWhatAStoreCallMeets(t *testing.T) {
	put := func(m *machine) error { return m.put("k", "new") }
	create := func(m *machine) error { return m.create("k", "new") }
	remove := func(m *machine) error { return m.store.Delete(m.root, "k") }
	for _, c := range []struct {
		step string
		call func(*machine) error
		had  string
		want error
		left string // what the object holds at once afterwards
	}{
		{"O1.throttle", put, "old", fault.ErrUnavailable, "old"},
		{"O2.not-applied", put, "old", fault.ErrNoAnswer, "old"},
		{"O2.applied", put, "old", fault.ErrNoAnswer, "new"},
		{"O2.applied-late for=1h", put, "old", fault.ErrNoAnswer, "old"},
		{"O2.not-applied", create, "", fault.ErrNoAnswer, ""},
		{"O2.applied", create, "", fault.ErrNoAnswer, "new"},
		{"O2.applied", create, "old", objectstore.ErrExists, "old"},
		{"O3.conflict", create, "", fault.ErrConflict, ""},
		{"O3.own-retry", create, "", objectstore.ErrExists, "new"},
		{"O3.own-retry", create, "old", objectstore.ErrExists, "old"},
		{"O2.applied", remove, "old", fault.ErrNoAnswer, ""},
		{"O2.not-applied", remove, "old", fault.ErrNoAnswer, "old"},
		{"O2.applied-late for=1h", remove, "old", fault.ErrNoAnswer, "old"},
		{"O5.delete-lost", remove, "old", nil, "old"},
		{"O5.delete-late for=1h", remove, "old", nil, "old"},
		{"O6.expired", put, "old", fault.ErrForbidden, "old"},
		{"O6.clock-skew", put, "old", fault.ErrForbidden, "old"},
	} {
		t.Run(c.step+" "+c.had, func(t *testing.T) {
			onDisk(t, plan(t, "0s store "+c.step), func(m *machine) {
				if c.had != "" {
					require.NoError(t, m.files.Put(m.root, "k", objectstore.BytesBody([]byte(c.had))))
				}
				err := c.call(m)
				require.ErrorIs(t, err, c.want)
				definite := c.want != nil && objectstore.Definite(c.want)
				require.Equal(t, definite, err != nil && objectstore.Definite(err), "is it an answer: %v", err)
				require.Equal(t, c.left, m.holds(t, "k"))
				require.Len(t, m.i.Fired(), 1)
				require.Equal(t, uint64(1), m.i.Fired()[0].Fired)
			})
		})
	}
}

func TestALateCallTakesEffectAfterItsCallerHasGoneOn(t *testing.T) {
	onDisk(t, plan(t, "0s store O2.applied-late for=1s\n0s store O5.delete-late for=30ms"), func(m *machine) {
		body := []byte("new")
		err := m.store.Put(m.root, "k", objectstore.BytesBody(body))
		require.ErrorIs(t, err, fault.ErrNoAnswer)
		copy(body, "old") // it is the caller's again
		require.Equal(t, "", m.holds(t, "k"))
		m.becomes(t, "k", "new")
		require.NoError(t, m.store.Delete(m.root, "k"))
		m.becomes(t, "k", "")
	})
}

func TestWhatAGetMeets(t *testing.T) {
	text := "0123456789abcdef"
	get := func(m *machine) (string, error) {
		p := make([]byte, 6)
		err := m.store.GetRange(m.root, "k", 4, p)
		return string(p), err
	}
	for _, c := range []struct {
		step string
		see  func(t *testing.T, got string, err error)
	}{
		{"O6.truncated", func(t *testing.T, _ string, err error) { require.ErrorIs(t, err, fault.ErrNoAnswer) }},
		{"O6.flipped", func(t *testing.T, got string, err error) {
			require.NoError(t, err)
			bits := 0
			for i := range got {
				for d := got[i] ^ text[4+i]; d != 0; d &= d - 1 {
					bits++
				}
			}
			require.Equal(t, 1, bits)
		}},
		{"O6.wrong-range", func(t *testing.T, got string, err error) {
			require.NoError(t, err)
			require.Contains(t, text, got)
			require.NotEqual(t, text[4:10], got)
		}},
	} {
		for arg := range 5 {
			t.Run(fmt.Sprint(c.step, arg), func(t *testing.T) {
				onDisk(t, plan(t, fmt.Sprintf("0s store %s arg=%d", c.step, arg)), func(m *machine) {
					require.NoError(t, m.put("k", text))
					got, err := get(m)
					c.see(t, got, err)
					got, err = get(m)
					require.NoError(t, err)
					require.Equal(t, text[4:10], got, "once only")
				})
			})
		}
	}
}

// TestAListThatEndsEarlyIsGoneOnWith: the second half is a call of its own, which sees what happened meanwhile and may
// fail.
func TestAListThatEndsEarlyIsGoneOnWith(t *testing.T) {
	onDisk(t, plan(t, "0s store O5.partial-list arg=2\n0s #6 store O1.throttle"), func(m *machine) {
		for i := range 4 {
			require.NoError(t, m.put(fmt.Sprint("k", i), "x"))
		}
		_, err := m.store.List(m.root, "k", "", 10)
		require.ErrorIs(t, err, fault.ErrUnavailable, "the fifth call lists the first half, the sixth the rest")
		require.Empty(t, m.i.Unfired())
	})
	onDisk(t, plan(t, "0s store O5.partial-list arg=2"), func(m *machine) {
		for i := range 5 {
			require.NoError(t, m.put(fmt.Sprint("k", i), "x"))
		}
		page, err := m.store.List(m.root, "k", "", 4)
		require.NoError(t, err)
		require.Len(t, page, 4)
		for i := range page {
			require.Equal(t, fmt.Sprint("k", i), page[i].Key)
		}
		m.struck(t, fault.PartialList, 1)
	})
}

func TestAStormLetsFewCallsThroughAndPasses(t *testing.T) {
	onDisk(t, plan(t, "0s store O1.storm for=1500ms"), func(m *machine) {
		failed, through := 0, 0
		for range 50 {
			if err := m.put("k", "x"); err != nil {
				require.ErrorIs(t, err, fault.ErrUnavailable)
				failed++
			} else {
				through++
			}
		}
		require.Equal(t, 45, failed)
		require.Equal(t, 5, through)
		m.waitUntil(t, 1500*time.Millisecond)
		require.NoError(t, m.put("k", "x"))
		m.struck(t, fault.StoreStorm, 1)
	})
}

func TestAnOutageAnswersNothingUntilItIsOver(t *testing.T) {
	onDisk(t, plan(t, "0s store O7.outage for=600ms\n0s store O7.slow for=20ms"), func(m *machine) {
		short, cancel := m.root.Child(m.h.Now().Add(50 * time.Millisecond))
		defer cancel()
		_, err := m.store.Head(short, "k")
		require.ErrorIs(t, err, host.ErrTimeout, "the caller's own deadline")
		require.ErrorIs(t, m.put("k", "x"), fault.ErrNoAnswer)
		require.GreaterOrEqual(t, m.h.Now().Sub(m.start), 600*time.Millisecond)
		require.NoError(t, m.put("k", "x"))
		m.struck(t, fault.StoreOutage, 1)
		m.struck(t, fault.StoreSlow, 1)
	})
}

// TestRetriesComeThroughWhatTheStoreMeets: a store behind WithRetry is one that works.
func TestRetriesComeThroughWhatTheStoreMeets(t *testing.T) {
	p := plan(t, `
		0s #1 store O1.throttle
		0s #3 store O2.not-applied
		0s #2 store O2.applied
		0s #4 store O6.expired
		0s #1 store O6.truncated`)
	onDisk(t, p, func(m *machine) {
		s := objectstore.WithRetry(m.h, m.store, objectstore.Policy{First: time.Millisecond})
		for i := range 4 {
			require.NoError(t, s.Put(m.root, fmt.Sprint("k", i), objectstore.BytesBody(bytes.Repeat([]byte("x"), 100))))
		}
		got := make([]byte, 100)
		require.NoError(t, s.GetRange(m.root, "k3", 0, got))
		require.Empty(t, m.i.Unfired())
	})
}
