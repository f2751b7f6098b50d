package fault_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// plan reads steps; a test's plan is a text, as a reader of the test would write it.
func plan(t *testing.T, text string) fault.Plan {
	t.Helper()
	p, err := fault.Parse(text)
	require.NoError(t, err)
	return p
}

// struck asserts that kind was carried out so many times and told of in the log.
func (m *machine) struck(t *testing.T, kind fault.Kind, times uint64) {
	t.Helper()
	var got uint64
	for _, c := range m.i.Fired() {
		if c.Kind == kind {
			got = c.Fired
		}
	}
	require.Equal(t, times, got, "how often %s struck", kind)
	require.Equal(t, int(times), bytes.Count([]byte(m.said.String()), []byte("injected fault "+kind.String())))
}

func (m *machine) open(t *testing.T, name string, flag host.Flag) host.File {
	t.Helper()
	f, err := m.vol.Open(name, flag)
	require.NoError(t, err)
	return f
}

func write(t *testing.T, f host.File, off int64, p string) {
	t.Helper()
	n, err := f.WriteAt([]byte(p), off)
	require.NoError(t, err)
	require.Equal(t, len(p), n)
}

// content is what the file holds without the plan.
func (m *machine) content(t *testing.T, name string) string {
	t.Helper()
	p, err := os.ReadFile(filepath.Join(m.dir, name))
	require.NoError(t, err)
	return string(p)
}

func TestReadsAndWritesFailWhereThePlanSays(t *testing.T) {
	onDisk(t, plan(t, `
		0s #2 n1:v D6.read-error
		0s #2 n1:v D6.write-error arg=1
		0s #2 n1:v D6.dir-error
		0s #4 n1:v D8.no-space`), func(m *machine) {
		f := m.open(t, "f", host.Create) // the first opportunity of no-space
		write(t, f, 0, "0123456789")
		_, err := f.WriteAt([]byte("abcdefghij"), 0)
		require.ErrorIs(t, err, host.ErrIO)
		got := m.content(t, "f")
		for i := range got {
			require.Contains(t, []byte{"0123456789"[i], "abcdefghij"[i]}, got[i], "a part of the write was applied")
		}
		_, err = f.WriteAt([]byte("x"), 0)
		require.ErrorIs(t, err, host.ErrNoSpace)
		write(t, f, 0, "0123456789")
		p := make([]byte, 10)
		_, err = f.ReadAt(p, 0)
		require.NoError(t, err)
		_, err = f.ReadAt(p, 0)
		require.ErrorIs(t, err, host.ErrIO)
		_, err = f.ReadAt(p, 0)
		require.NoError(t, err, "once only")
		require.NoError(t, m.vol.SyncDir(""))
		require.ErrorIs(t, m.vol.SyncDir(""), host.ErrIO)
		require.NoError(t, m.vol.SyncDir(""))
		for _, k := range []fault.Kind{fault.ReadError, fault.WriteError, fault.DirError, fault.NoSpace} {
			m.struck(t, k, 1)
		}
		require.Empty(t, m.i.Unfired())
	})
}

func TestNothingIsCreatedWhereThereIsNoSpace(t *testing.T) {
	onDisk(t, plan(t, "0s n1:v D8.no-space"), func(m *machine) {
		_, err := m.vol.Open("f", host.Create)
		require.ErrorIs(t, err, host.ErrNoSpace)
		_, err = m.vol.Open("f", 0)
		require.ErrorIs(t, err, host.ErrNotExist)
	})
}

func TestShortReadsAndWritesSayHowMuch(t *testing.T) {
	onDisk(t, plan(t, "0s n1:v D8.short-write arg=5\n0s n1:v D8.short-read arg=5"), func(m *machine) {
		f := m.open(t, "f", host.Create)
		write(t, f, 0, "z") // one byte cannot be short
		n, err := f.WriteAt([]byte("0123456789"), 0)
		require.ErrorIs(t, err, io.ErrShortWrite)
		require.Less(t, n, 10)
		require.Positive(t, n)
		require.Equal(t, "0123456789"[:n], m.content(t, "f"))
		write(t, f, 0, "0123456789")
		p := make([]byte, 10)
		n, err = f.ReadAt(p, 0)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Less(t, n, 10)
		require.Positive(t, n)
		require.Equal(t, "0123456789"[:n], string(p[:n]))
	})
}

// TestAFailedSyncIsFinalAndLosesWhatWasUnsynced: what a sync had made durable stays, of the rest each write is
// there or as if it had not been, and over some seeds both are seen.
func TestAFailedSyncIsFinalAndLosesWhatWasUnsynced(t *testing.T) {
	seen := map[string]bool{}
	for _, arg := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"} {
		onDisk(t, plan(t, "0s #2 n1:v D7.sync-error arg="+arg), func(m *machine) {
			f := m.open(t, "f", host.Create)
			write(t, f, 0, "aaaabbbb----")
			require.NoError(t, f.Sync())
			write(t, f, 0, "AAAA")
			write(t, f, 4, "BBBB")
			require.ErrorIs(t, f.Sync(), host.ErrIO)

			_, err := f.ReadAt(make([]byte, 1), 0)
			require.ErrorIs(t, err, host.ErrIO)
			_, err = f.WriteAt(make([]byte, 1), 0)
			require.ErrorIs(t, err, host.ErrIO)
			require.ErrorIs(t, f.Sync(), host.ErrIO)
			require.ErrorIs(t, f.Resize(1), host.ErrIO)
			_, err = f.Size()
			require.ErrorIs(t, err, host.ErrIO)
			require.ErrorIs(t, f.Close(), host.ErrIO)

			again := m.open(t, "f", 0)
			require.NoError(t, again.Sync(), "another handle is told nothing")
			seen[m.content(t, "f")] = true
			m.struck(t, fault.SyncError, 1)
		})
	}
	for _, want := range []string{"aaaabbbb----", "AAAAbbbb----", "aaaaBBBB----", "AAAABBBB----"} {
		require.True(t, seen[want], "%s was never left", want)
		delete(seen, want)
	}
	require.Empty(t, seen)
}

func TestDirectWritesAreLostWholeToo(t *testing.T) {
	onDisk(t, plan(t, "0s #2 n1:v D7.sync-error arg=1\n0s n1:v D4.bit-rot arg=9"), func(m *machine) {
		f := m.open(t, "f", host.Create|host.Direct)
		p, err := m.h.Disk().Memory(8192)
		require.NoError(t, err)
		_, err = f.WriteAt(p, 0)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		_, err = f.ReadAt(p[:4096], 4096)
		require.NoError(t, err)
		require.Equal(t, 4095, bytes.Count(p[:4096], []byte{0}), "one bit of what was asked for has rotted")
		for i := range p {
			p[i] = 'x'
		}
		_, err = f.WriteAt(p, 0)
		require.NoError(t, err)
		require.ErrorIs(t, f.Sync(), host.ErrIO)
	})
}

func TestRotIsForGoodAndWithinTheRange(t *testing.T) {
	for _, flag := range []host.Flag{0, host.ReadOnly} {
		onDisk(t, plan(t, "0s n1:v D4.bit-rot arg=3"), func(m *machine) {
			f := m.open(t, "f", host.Create)
			want := "0123456789abcdef"
			write(t, f, 0, want)
			reader := m.open(t, "f", flag)
			p := make([]byte, 4)
			_, err := reader.ReadAt(p, 100)
			require.ErrorIs(t, err, io.EOF)
			m.struck(t, fault.BitRot, 0) // nothing is there to rot
			_, err = reader.ReadAt(p, 8)
			require.NoError(t, err)
			got := m.content(t, "f")
			require.Equal(t, string(p), got[8:12], "the read shows what the disk holds")
			bits := 0
			for i := range want {
				for d := want[i] ^ got[i]; d != 0; d &= d - 1 {
					bits++
					require.True(t, i >= 8 && i < 12)
				}
			}
			require.Equal(t, 1, bits)
			m.struck(t, fault.BitRot, 1)
		})
	}
}

func TestMisdirectedCallsEndElsewhereAndSayNothing(t *testing.T) {
	onDisk(t, plan(t, "0s n1:v D3.misdirected-write arg=4\n0s n1:v D3.misdirected-read arg=4"), func(m *machine) {
		f := m.open(t, "f", host.Create)
		write(t, f, 0, "0123456789abcdef") // the file is empty: there is no other place yet
		write(t, f, 4, "....")
		got := m.content(t, "f")
		require.Equal(t, "4567", got[4:8], "the old bytes stay where it belonged")
		require.Len(t, got, 16)
		require.Contains(t, got, "....")
		p := make([]byte, 16)
		_, err := f.ReadAt(p, 0)
		require.NoError(t, err)
		require.Equal(t, got, string(p), "a read of all the file has no other place")
		_, err = f.ReadAt(p[:3], 13)
		require.NoError(t, err)
		require.NotEqual(t, "def", string(p[:3]))
		_, err = f.ReadAt(p[:3], 13)
		require.NoError(t, err)
		require.Equal(t, "def", string(p[:3]), "the bytes are as they were")
	})
}

func TestADiskCallTakesAsLongAsItsStep(t *testing.T) {
	onDisk(t, plan(t, "0s #3 n1:v D9.stall for=60ms\n0s #5 n1:v D9.slow for=40ms"), func(m *machine) {
		took := func(fn func()) time.Duration {
			start := m.h.Now()
			fn()
			return m.h.Now().Sub(start)
		}
		f := m.open(t, "f", host.Create)
		write(t, f, 0, "x")
		require.GreaterOrEqual(t, took(func() { require.NoError(t, f.Sync()) }), 60*time.Millisecond)
		_, err := m.vol.List("")
		require.NoError(t, err)
		require.GreaterOrEqual(t, took(func() { require.NoError(t, m.vol.SyncDir("")) }), 40*time.Millisecond)
		m.struck(t, fault.DiskSlow, 1)
		m.struck(t, fault.DiskStall, 1)
	})
}

func TestAPlanForAnotherVolumeDoesNothing(t *testing.T) {
	onDisk(t, plan(t, "0s n1:other D6.write-error\n1h n1:v D6.write-error"), func(m *machine) {
		f := m.open(t, "f", host.Create)
		write(t, f, 0, "x")
		require.Len(t, m.i.Unfired(), 2)
		require.Empty(t, m.i.Fired())
	})
}
