package sim_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"pgregory.net/rapid"
)

const sector = 512

// sectors returns n sectors filled with b.
func sectors(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n*sector) }

func TestACrashKeepsAnySubsetOfUnsyncedSectors(t *testing.T) {
	all, none, some, torn := 0, 0, 0, 0
	for seed := range uint64(300) {
		w := newWorld(t, sim.Config{Seed: seed, Faults: sim.Faults{TornSector: 100_000}})
		m := w.Machine("a")
		must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			f := create(h, sc, "f")
			f.WriteAt(sectors('o', 8), 0)
			if err := f.Sync(); err != nil {
				return err
			}
			_, err := f.WriteAt(sectors('n', 8), 0)
			return err
		}))
		m.Kill()
		got, there := m.Volume("data").Current("f")
		if !there || len(got) != 8*sector {
			t.Fatalf("seed %d: %d bytes, there: %v", seed, len(got), there)
		}
		kept := 0
		for i := range 8 {
			switch s := got[i*sector : (i+1)*sector]; {
			case bytes.Equal(s, sectors('n', 1)):
				kept++
			case s[0] == 'n':
				torn++
				if n := bytes.LastIndexByte(s, 'n'); bytes.IndexByte(s, 'o') != n+1 {
					t.Fatalf("seed %d: a torn sector is no prefix", seed)
				}
			case !bytes.Equal(s, sectors('o', 1)):
				t.Fatalf("seed %d: sector %d holds neither content", seed, i)
			}
		}
		switch kept {
		case 8:
			all++
		case 0:
			none++
		default:
			some++
		}
		w.Close()
	}
	t.Logf("all %d, none %d, some %d, torn sectors %d", all, none, some, torn)
	if all < 50 || none < 50 || some < 30 || torn < 10 {
		t.Errorf("all %d, none %d, some %d, torn sectors %d", all, none, some, torn)
	}
}

func TestTheFateOfUnsyncedWritesCanBeChosen(t *testing.T) {
	for _, c := range []struct {
		fate sim.Fate
		want byte
	}{{sim.KeepUnsynced, 'n'}, {sim.LoseUnsynced, 'o'}} {
		t.Run(c.fate.String(), func(t *testing.T) {
			w := newWorld(t, sim.Config{Seed: 1})
			m := w.Machine("a")
			must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
				f := create(h, sc, "f")
				f.WriteAt(sectors('o', 2), 0)
				f.Sync()
				f.WriteAt(sectors('n', 2), 0)
				return f.Resize(10 * sector)
			}))
			if d, _ := m.Volume("data").Durable("f"); !bytes.Equal(d, sectors('o', 2)) {
				t.Errorf("durable before the kill: %.20q", d)
			}
			m.KillWith(c.fate)
			got, _ := m.Volume("data").Current("f")
			if got[0] != c.want || (len(got) == 2*sector) != (c.want == 'o') {
				t.Errorf("%d bytes of %q", len(got), got[:1])
			}
		})
	}
}

func TestAWriteThatHasNotReturnedIsNotCoveredByASync(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1, Disk: sim.DiskConfig{
		Write: sim.Latency{Min: 50 * time.Millisecond, Max: 50 * time.Millisecond},
	}})
	m := w.Machine("a")
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		f := create(h, sc, "f")
		f.WriteAt([]byte("before"), 0)
		h.Go(sc, "writer", func(*host.Scope) { f.WriteAt([]byte("during"), 100) })
		h.Sleep(sc, time.Millisecond)
		return f.Sync()
	}))
	if d, _ := m.Volume("data").Durable("f"); string(d) != "before" {
		t.Errorf("durable: %q", d)
	}
}

func TestAFailedSyncLosesPagesAndTheFile(t *testing.T) {
	lost := false
	for seed := range uint64(20) {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("a")
		must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			f, other := create(h, sc, "f"), create(h, sc, "f")
			f.WriteAt(sectors('n', 4), 0)
			w.SetFaults(sim.Faults{SyncError: sim.Always})
			err := f.Sync()
			w.SetFaults(sim.Faults{})
			if !errors.Is(err, host.ErrIO) {
				t.Errorf("sync: %v", err)
			}
			for range 2 {
				if err := f.Sync(); !errors.Is(err, host.ErrIO) {
					t.Errorf("sync after a failed one: %v", err)
				}
			}
			if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, host.ErrIO) {
				t.Errorf("read after a failed sync: %v", err)
			}
			if err := other.Sync(); !errors.Is(err, host.ErrIO) {
				t.Errorf("the other handle's sync: %v", err)
			}
			again := create(h, sc, "f") // a new handle: its sync succeeds, and the data is gone
			return again.Sync()
		}))
		d, _ := m.Volume("data").Durable("f")
		lost = lost || !bytes.Equal(d, sectors('n', 4))
	}
	if !lost {
		t.Error("a failed sync never lost anything")
	}
}

func TestSyncedWritesAreShownToTheObserver(t *testing.T) {
	seen := ""
	w := newWorld(t, sim.Config{Seed: 1, Hooks: sim.Hooks{
		OnSynced: func(v *sim.Volume, path string, off int64, p []byte) {
			seen += fmt.Sprintf("%s:%s@%d=%s ", v.Name(), path, off, p)
		},
	}})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		f := create(h, sc, "f")
		f.WriteAt([]byte("x"), 0)
		f.WriteAt([]byte("y"), 7)
		f.Sync()
		return f.Sync()
	}))
	if seen != "a/data:f@0=x a/data:f@7=y " {
		t.Errorf("seen %q", seen)
	}
}

func TestOverlappingWritesUnderWayFailTheWorld(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		f := create(h, sc, "f")
		g := host.NewGroup(h, sc)
		for i := range 2 {
			g.Go("writer", func(*host.Scope) error {
				_, err := f.WriteAt(make([]byte, 100), int64(i)*99)
				return err
			})
		}
		return g.Wait()
	})
	if !errors.Is(err, sim.ErrOverlap) {
		t.Fatalf("got %v", err)
	}
}

func TestAFullVolumeRefusesNewPagesOnly(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1, Disk: sim.DiskConfig{Capacity: 3 * 4096}})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		v := volume(h, sc)
		f := create(h, sc, "f")
		if _, err := f.WriteAt(make([]byte, 2*4096), 0); err != nil {
			return err
		}
		if _, err := f.WriteAt(make([]byte, 4097), 2*4096); !errors.Is(err, host.ErrNoSpace) {
			t.Errorf("write: %v", err)
		}
		if _, err := f.WriteAt(make([]byte, 100), 0); err != nil {
			t.Errorf("overwrite: %v", err)
		}
		if free, total, _ := v.Space(); free != 4096 || total != 3*4096 {
			t.Errorf("free %d of %d", free, total)
		}
		if err := v.Remove("f"); err != nil {
			return err
		}
		if free, _, _ := v.Space(); free != 3*4096 {
			t.Errorf("free %d after remove", free)
		}
		return nil
	}))
}

func TestABitFlipStays(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		f := create(h, sc, "f")
		f.WriteAt([]byte{0, 0, 0}, 0)
		f.Sync()
		f.WriteAt([]byte{0}, 0) // the page has an unsynced change: both copies must flip
		if !m.Volume("data").Flip("f", 1, 0x10) || m.Volume("data").Flip("f", 3, 1) {
			t.Error("flip: wrong answer")
		}
		p := make([]byte, 3)
		f.ReadAt(p, 0)
		if p[1] != 0x10 {
			t.Errorf("read %x", p)
		}
		return nil
	}))
	m.KillWith(sim.LoseUnsynced)
	if got, _ := m.Volume("data").Current("f"); !bytes.Equal(got, []byte{0, 0x10, 0}) {
		t.Errorf("after the crash: %x", got)
	}
}

func TestALockDiesWithItsHolder(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	a, b := w.Machine("a"), w.Machine("b")
	shared := w.NewVolume("shared")
	a.Attach("data", shared)
	b.Attach("data", shared)
	lock := func(m *sim.Machine) error {
		return w.Do(m, func(h host.Host, sc *host.Scope) error {
			_, err := volume(h, sc).Lock("lock")
			return err
		})
	}
	must(t, lock(a))
	if err := lock(b); !errors.Is(err, host.ErrLocked) {
		t.Fatalf("second lock: %v", err)
	}
	a.Kill()
	must(t, lock(b))
}

func TestADetachedVolumeFailsAndGoesToAnother(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	a, b := w.Machine("a"), w.Machine("b")
	must(t, w.Do(a, func(h host.Host, sc *host.Scope) error {
		f := create(h, sc, "f")
		f.WriteAt([]byte("kept"), 0)
		if err := f.Sync(); err != nil {
			return err
		}
		b.Attach("data", a.Detach("data"))
		if _, err := f.WriteAt([]byte("late"), 0); !errors.Is(err, host.ErrIO) {
			t.Errorf("write of the old holder: %v", err)
		}
		return nil
	}))
	must(t, w.Do(b, func(h host.Host, sc *host.Scope) error {
		p := make([]byte, 4)
		f, err := volume(h, sc).Open("f", 0)
		if err != nil {
			return err
		}
		f.ReadAt(p, 0)
		if string(p) != "kept" {
			t.Errorf("read %q", p)
		}
		return nil
	}))
}

// TestSyncedSectorsSurviveAnythingAndOthersHoldWhatWasWritten checks a file against a model through
// random writes, resizes, syncs and crashes: after a crash each byte is one that was there at the last
// sync or was written since.
func TestSyncedSectorsSurviveAnythingAndOthersHoldWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := sim.New(sim.Config{Seed: rapid.Uint64().Draw(rt, "seed")})
		defer w.Close()
		m := w.Machine("a")
		cur := make([]byte, 0)      // as a reader sees it
		may := []map[byte]bool(nil) // what each byte may be after a crash, beyond the size too
		open := func(h host.Host, sc *host.Scope) host.File { return create(h, sc, "f") }
		steps := rapid.IntRange(1, 12).Draw(rt, "steps")
		for range steps {
			op := rapid.SampledFrom([]string{"write", "resize", "sync", "crash"}).Draw(rt, "op")
			off := rapid.IntRange(0, 6000).Draw(rt, "off")
			n := rapid.IntRange(1, 6000).Draw(rt, "n")
			b := rapid.Byte().Draw(rt, "byte")
			if err := w.Do(m, func(h host.Host, sc *host.Scope) error {
				f := open(h, sc)
				switch op {
				case "write":
					f.WriteAt(bytes.Repeat([]byte{b}, n), int64(off))
					cur = grow(cur, max(len(cur), off+n))
					may = allow(may, 0, len(cur), 0)
					for i := off; i < off+n; i++ {
						cur[i] = b
					}
					may = allow(may, off, off+n, b)
				case "resize":
					f.Resize(int64(off))
					may = allow(may, 0, max(off, len(cur)), 0)
					cur = grow(cur, off)
				case "sync":
					if err := f.Sync(); err != nil {
						return err
					}
					may = nil
					for i, c := range cur {
						may = allow(may, i, i+1, c)
					}
				}
				return nil
			}); err != nil {
				rt.Fatal(err)
			}
			fate := rapid.SampledFrom([]sim.Fate{sim.KeepUnsynced, sim.LoseUnsynced, sim.MixUnsynced}).Draw(rt, "fate")
			if op == "crash" {
				m.KillWith(fate)
			}
			got, _ := m.Volume("data").Current("f")
			if op != "crash" || fate == sim.KeepUnsynced {
				if !bytes.Equal(got, cur) {
					rt.Fatalf("after %s a reader sees other bytes than were written", op)
				}
				continue
			}
			for i, c := range got {
				if i >= len(may) || !may[i][c] {
					rt.Fatalf("byte %d is %d after the crash; it never was", i, c)
				}
			}
			cur, may = got, nil
			for i, c := range cur {
				may = allow(may, i, i+1, c)
			}
			if d, _ := m.Volume("data").Durable("f"); !bytes.Equal(d, got) {
				rt.Fatal("after a crash something is still not durable")
			}
		}
	})
}

func grow(p []byte, n int) []byte {
	if n <= len(p) {
		return p[:n:n]
	}
	return append(p[:len(p):len(p)], make([]byte, n-len(p))...)
}

func allow(may []map[byte]bool, from, to int, b byte) []map[byte]bool {
	for len(may) < to {
		may = append(may, map[byte]bool{})
	}
	for i := from; i < to; i++ {
		may[i][b] = true
	}
	return may
}

func TestACloneHoldsWhatWasDurableAndGoesItsOwnWay(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	var old *sim.Volume
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		v := volume(h, sc)
		f := create(h, sc, "f")
		f.WriteAt([]byte("one"), 5000)
		if err := errors.Join(f.Sync(), v.Link("f", "g"), v.SyncDir("")); err != nil {
			return err
		}
		create(h, sc, "d/x")
		f.WriteAt([]byte("two"), 5000)
		old = m.Volume("data").Clone("old")
		return f.Sync()
	}))
	if got, _ := old.Current("g"); len(got) != 5003 || string(got[5000:]) != "one" {
		t.Errorf("the clone's file ends in %q", got[5000:])
	}
	if fmt.Sprint(old.Files()) != "[f g]" || old.Used() != 4096 {
		t.Errorf("the clone has %v in %d bytes", old.Files(), old.Used())
	}
	m.Kill()
	m.Attach("data", old)
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		p := make([]byte, 3)
		_, err := create(h, sc, "f").ReadAt(p, 5000)
		if string(p) != "one" {
			t.Errorf("read %q", p)
		}
		return err
	}))
}

func TestSpaceIsCountedThroughRenamesLinksAndCrashes(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	used := func(want int64) {
		t.Helper()
		if got := m.Volume("data").Used(); got != want*4096 {
			t.Errorf("%d pages are used, want %d", got/4096, want)
		}
	}
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		v := volume(h, sc)
		f, g := create(h, sc, "f"), create(h, sc, "g")
		f.WriteAt(make([]byte, 4096), 0)
		g.WriteAt(make([]byte, 8192), 0)
		used(3)
		v.Link("g", "h")
		v.Rename("f", "g") // g's content lives on as h
		used(3)
		v.Remove("h")
		used(1)
		g.WriteAt(make([]byte, 4096), 8192) // still open, on no volume's account
		used(1)
		return errors.Join(f.Sync(), g.Sync())
	}))
	m.KillWith(sim.LoseUnsynced) // and none of the names was synced but f and g
	used(4)
}

func TestManySyncedFilesAreForgottenByTheCrash(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		for i := range 500 {
			f := create(h, sc, fmt.Sprint(i))
			f.WriteAt([]byte("x"), 0)
			if err := errors.Join(f.Sync(), f.Close()); err != nil {
				return err
			}
		}
		create(h, sc, "7").WriteAt([]byte("y"), 0)
		return nil
	}))
	m.KillWith(sim.LoseUnsynced)
	for i := range 500 {
		if got, _ := m.Volume("data").Current(fmt.Sprint(i)); string(got) != "x" {
			t.Fatalf("file %d holds %q", i, got)
		}
	}
}

func TestAnUnsyncedResizeIsLostWhole(t *testing.T) {
	for _, size := range []int64{0, 100, 4096, 5000, 20_000} {
		w := newWorld(t, sim.Config{Seed: 1})
		m := w.Machine("a")
		content := bytes.Repeat([]byte("content."), 1500)
		must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			f := create(h, sc, "f")
			f.WriteAt(content, 0)
			return errors.Join(f.Sync(), f.Resize(size), f.Resize(30_000))
		}))
		m.KillWith(sim.LoseUnsynced)
		if got, _ := m.Volume("data").Current("f"); !bytes.Equal(got, content) {
			t.Errorf("resized to %d: %d bytes are left, or others", size, len(got))
		}
	}
}
