package sim_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// count returns how often a kind of fault happened.
func count(w *sim.World, k fault.Kind) uint64 { return w.Fired()[k].Count }

// block is 512 bytes that no other number has.
func block(n byte) []byte { return bytes.Repeat([]byte{n}, sector) }

// blocks are the sectors numbered from 1 to n, one after the other.
func blocks(n byte) []byte {
	var p []byte
	for i := range n {
		p = append(p, block(i+1)...)
	}
	return p
}

// diskFault is a fault of a disk call, and what is seen of it.
type diskFault struct {
	kind fault.Kind
	do   func(f host.File) error // meets the fault
	err  error                   // what it is told
	left func(now []byte) bool   // what the file of 8 blocks holds afterwards
}

// readTwo reads the first two sectors and says what it got.
func readTwo(f host.File) (string, error) {
	p := make([]byte, 2*sector)
	n, err := f.ReadAt(p, 0)
	return fmt.Sprintf("%d bytes from %d", n, p[0]), err
}

var diskFaults = []diskFault{
	{fault.ReadError, func(f host.File) error { _, err := readTwo(f); return err }, host.ErrIO, nil},
	{fault.ShortRead, func(f host.File) error {
		if s, err := readTwo(f); s != "512 bytes from 1" && s != "0 bytes from 0" {
			return fmt.Errorf("%s, %w", s, err)
		}
		return host.ErrIO
	}, host.ErrIO, nil},
	{fault.MisdirectRead, func(f host.File) error {
		if s, err := readTwo(f); s == "1024 bytes from 1" || err != nil {
			return fmt.Errorf("%s, %w", s, err)
		}
		return nil
	}, nil, nil},
	{fault.BitRot, func(f host.File) error { _, err := readTwo(f); return err }, nil,
		func(now []byte) bool { return bits(now, blocks(8)) == 1 }},
	{fault.WriteError, func(f host.File) error { _, err := f.WriteAt(blocks(9)[8*sector:], 0); return err }, host.ErrIO,
		func(now []byte) bool { return bytes.Equal(now[sector:], blocks(8)[sector:]) }},
	{fault.ShortWrite, func(f host.File) error {
		n, err := f.WriteAt(append(block(20), block(21)...), 0)
		if n%sector != 0 || n >= 2*sector {
			return fmt.Errorf("wrote %d bytes, %w", n, err)
		}
		return err
	}, host.ErrIO, func(now []byte) bool { return now[sector] == 2 && (now[0] == 20 || now[0] == 1) }},
	{fault.MisdirectWrite, func(f host.File) error { _, err := f.WriteAt(block(30), 0); return err }, nil,
		func(now []byte) bool { return now[0] == 1 && bytes.Contains(now, block(30)) }},
	{fault.DiskSlow, func(f host.File) error { _, err := readTwo(f); return err }, nil, nil},
	{fault.DiskStall, func(f host.File) error { _, err := readTwo(f); return err }, nil, nil},
}

func TestDiskFaultsDoWhatTheySay(t *testing.T) {
	for _, c := range diskFaults {
		t.Run(c.kind.String(), func(t *testing.T) {
			for seed := range uint64(10) {
				w := newWorld(t, sim.Config{Seed: seed})
				m := w.Machine("a")
				must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
					f := create(h, sc, "f")
					if _, err := f.WriteAt(blocks(8), 0); err != nil {
						return err
					}
					if err := f.Sync(); err != nil {
						return err
					}
					before := w.Now()
					w.Inject(fault.Step{At: before, Target: "a:data", Kind: c.kind, Arg: seed * 77})
					if err := c.do(f); !errors.Is(err, c.err) {
						t.Errorf("seed %d: %v", seed, err)
					}
					took := w.Now().Sub(before)
					least, most := time.Duration(0), time.Millisecond
					if span := c.kind.Info(); span.Longest > 0 {
						least, most = span.Shortest, span.Longest+time.Millisecond
					}
					if took < least || took > most {
						t.Errorf("seed %d: it took %v", seed, took)
					}
					return nil
				}))
				if n := count(w, c.kind); n != 1 {
					t.Errorf("it fired %d times; left: %v", n, w.Unfired())
				}
				want := c.left
				if want == nil {
					want = func(now []byte) bool { return bytes.Equal(now, blocks(8)) }
				}
				if now, _ := m.Volume("data").Current("f"); len(now) != 8*sector || !want(now) {
					t.Errorf("seed %d: the file holds other than it should", seed)
				}
				w.Close()
			}
		})
	}
}

// bits counts the bits in which two strings of one length differ.
func bits(a, b []byte) (n int) {
	for i := range a {
		for x := a[i] ^ b[i]; x != 0; x &= x - 1 {
			n++
		}
	}
	return n
}

func TestWhatHappensToADiskWhileItsMachineIsDown(t *testing.T) {
	for _, c := range []struct {
		kind fault.Kind
		want func(files []string, f []byte) bool
	}{
		{fault.StaleChunk, func(_ []string, f []byte) bool { return len(f) == 8*sector && f[0] == 1 && f[8*sector-1] == 8 }},
		{fault.Truncated, func(_ []string, f []byte) bool { return len(f) < 8*sector }},
		{fault.FileMissing, func(files []string, _ []byte) bool { return len(files) == 0 }},
		{fault.Wipe, func(files []string, _ []byte) bool { return len(files) == 0 }},
		{fault.SwapVolumes, func(files []string, _ []byte) bool { return fmt.Sprint(files) == "[other]" }},
	} {
		for _, spare := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v spared %v", c.kind, !spare), func(t *testing.T) {
				asked := 0
				w := newWorld(t, sim.Config{Seed: 1, Plan: fault.Plan{{Target: "a:data", Nth: 2, Kind: c.kind, Arg: 3}},
					Spare: func(volume, _ string, _, n int64) bool {
						asked++
						return spare && n > 0
					}})
				m := w.Machine("a")
				m.Volume("data")
				must(t, w.Do(w.Machine("b"), func(h host.Host, sc *host.Scope) error {
					f := create(h, sc, "other")
					_, err := f.WriteAt(block(1), 0)
					return errors.Join(err, f.Sync())
				}))
				w.Machine("b").Kill()
				must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
					f := create(h, sc, "f")
					_, err := f.WriteAt(blocks(8), 0)
					err = errors.Join(err, f.Sync(), volume(h, sc).SyncDir(""))
					_, err2 := f.WriteAt(bytes.Repeat([]byte{99}, 8*sector), 0)
					return errors.Join(err, err2, f.Sync())
				}))
				m.KillWith(sim.LoseUnsynced)
				m.Boot(nil)
				files := m.Volume("data").Files()
				f, _ := m.Volume("data").Durable("f")
				whole := fmt.Sprint(files) == "[f]" && bytes.Equal(f, bytes.Repeat([]byte{99}, 8*sector))
				if asked == 0 || whole == spare || spare && !c.want(files, f) || (count(w, c.kind) == 1) != spare {
					t.Errorf("asked %d times, fired %d; files %v, %d bytes", asked, count(w, c.kind), files, len(f))
				}
			})
		}
	}
}

func TestAKilledProcessLeavesItsWritesInThePageCache(t *testing.T) {
	for _, c := range []struct {
		name   string
		synced bool
		want   string
	}{
		{"a loss of power takes them", false, "old"},
		{"a sync of somebody else keeps them", true, "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var shown []string
			w := newWorld(t, sim.Config{Seed: 1, Hooks: sim.Hooks{
				OnSynced: func(_ *sim.Volume, _ string, _ int64, p []byte) { shown = append(shown, string(p)) },
			}})
			m := w.Machine("a")
			must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
				f := create(h, sc, "f")
				f.WriteAt([]byte("old"), 0)
				if err := errors.Join(f.Sync(), volume(h, sc).SyncDir("")); err != nil {
					return err
				}
				_, err := f.WriteAt([]byte("new"), 0)
				_, err2 := volume(h, sc).Open("g", host.Create)
				return errors.Join(err, err2)
			}))
			m.KillWith(sim.KeepUnsynced)
			must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
				p := make([]byte, 3)
				f, err := volume(h, sc).Open("f", 0)
				if err != nil {
					return err
				}
				if _, err := f.ReadAt(p, 0); err != nil && err != io.EOF || string(p) != "new" {
					t.Errorf("the next process reads %q: %v", p, err)
				}
				if d, _ := m.Volume("data").Durable("f"); string(d) != "old" {
					t.Errorf("%q is durable", d)
				}
				if c.synced {
					return errors.Join(f.Sync(), volume(h, sc).SyncDir(""))
				}
				return nil
			}))
			m.KillWith(sim.LoseUnsynced)
			if got, _ := m.Volume("data").Current("f"); string(got) != c.want {
				t.Errorf("after the loss of power: %q", got)
			}
			if _, there := m.Volume("data").Current("g"); there != c.synced {
				t.Errorf("the new name is there: %v", there)
			}
			if lost := count(w, fault.LostWrites); lost != map[bool]uint64{false: 1, true: 0}[c.synced] {
				t.Errorf("lost writes were counted %d times", lost)
			}
			if last := shown[len(shown)-1]; last != c.want {
				t.Errorf("shown to the observer last: %q", last)
			}
		})
	}
}

func TestAPlannedLossOverridesAFate(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1, Plan: fault.Plan{{Target: "a:data", Kind: fault.LostWrites, Arg: 2}}})
	m := w.Machine("a")
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		_, err := create(h, sc, "f").WriteAt(block(1), 0)
		return err
	}))
	m.KillWith(sim.KeepUnsynced)
	if f, _ := m.Volume("data").Current("f"); count(w, fault.LostWrites) != 1 || len(f) > 0 {
		t.Errorf("%v; %d bytes are left", w.Unfired(), len(f))
	}
}

func TestMisalignedDirectIOIsRefusedAndCounted(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		f, err := volume(h, sc).Open("f", host.Create|host.Direct)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(make([]byte, 100), 0)
		return err
	})
	if err == nil || count(w, fault.Misaligned) != 1 {
		t.Errorf("%v", err)
	}
}

func TestSomebodyElseWritesUnderAPausedMachine(t *testing.T) {
	var w *sim.World
	w = newWorld(t, sim.Config{
		Seed: 1,
		Plan: fault.Plan{
			{At: host.Time(time.Second), Target: "a", Kind: fault.Pause, For: 5 * time.Second},
			{At: host.Time(time.Second), Target: "a", Kind: fault.Usurp},
		},
		Usurp: func(m *sim.Machine, _ fault.Step) bool { return m.Volume("data").Overwrite("f", 2, []byte("XY")) },
	})
	m := w.Machine("a")
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		f := create(h, sc, "f")
		f.WriteAt([]byte("abcdef"), 0)
		if err := f.Sync(); err != nil {
			return err
		}
		f.WriteAt([]byte("ABCD"), 0)
		for w.Now() < host.Time(2*time.Second) {
			h.Sleep(sc, 100*time.Millisecond)
		}
		if w.Now() < host.Time(6*time.Second) {
			t.Errorf("the machine was not paused")
		}
		p := make([]byte, 6)
		f.ReadAt(p, 0)
		if string(p) != "ABXYef" || count(w, fault.Usurp) != 1 {
			t.Errorf("read %q", p)
		}
		return nil
	}))
	m.KillWith(sim.LoseUnsynced)
	if d, _ := m.Volume("data").Durable("f"); string(d) != "abXYef" {
		t.Errorf("after a loss of power: %q", d)
	}
}
