package sim_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// outcomes runs fn on fresh machines under many seeds, kills each and returns the sets of files found,
// each once, with how often.
func outcomes(t *testing.T, fn func(v host.Volume) error) map[string]int {
	t.Helper()
	found := map[string]int{}
	for seed := range uint64(200) {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("a")
		must(t, w.Do(m, func(h host.Host, sc *host.Scope) error { return fn(volume(h, sc)) }))
		m.Kill()
		found[strings.Join(m.Volume("data").Files(), " ")]++
		w.Close()
	}
	return found
}

func touch(v host.Volume, paths ...string) error {
	for _, p := range paths {
		if _, err := v.Open(p, host.Create); err != nil {
			return err
		}
	}
	return nil
}

func TestUnsyncedNamesAreKeptOrLostEachByItself(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(v host.Volume) error
		expect []string // all of these come up, and nothing else
	}{
		{"create", func(v host.Volume) error { return touch(v, "a", "b") }, []string{"", "a", "b", "a b"}},
		{"create and sync", func(v host.Volume) error {
			return errors.Join(touch(v, "a", "b"), v.SyncDir(""))
		}, []string{"a b"}},
		{"a directory that is not synced loses all below", func(v host.Volume) error {
			return errors.Join(touch(v, "d/a"), v.SyncDir("d"))
		}, []string{"", "d/a"}},
		{"a directory that is synced loses what is in it", func(v host.Volume) error {
			return errors.Join(touch(v, "d/a"), v.SyncDir(""))
		}, []string{"", "d/a"}},
		{"a rename within a directory is atomic", func(v host.Volume) error {
			return errors.Join(touch(v, "a"), v.SyncDir(""), v.Rename("a", "b"))
		}, []string{"a", "b"}},
		{"a rename across directories never loses both names", func(v host.Volume) error {
			return errors.Join(touch(v, "d/a", "e/x"), v.SyncDir(""), v.SyncDir("d"), v.SyncDir("e"),
				v.Rename("d/a", "e/a"))
		}, []string{"d/a e/x", "d/a e/a e/x", "e/a e/x"}},
		{"syncing the old directory alone keeps the new name", func(v host.Volume) error {
			return errors.Join(touch(v, "d/a", "e/x"), v.SyncDir(""), v.SyncDir("d"), v.SyncDir("e"),
				v.Rename("d/a", "e/a"), v.SyncDir("d"))
		}, []string{"e/a e/x"}},
		{"link", func(v host.Volume) error {
			return errors.Join(touch(v, "a"), v.SyncDir(""), v.Link("a", "b"))
		}, []string{"a", "a b"}},
		{"remove", func(v host.Volume) error {
			return errors.Join(touch(v, "a"), v.SyncDir(""), v.Remove("a"))
		}, []string{"", "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := outcomes(t, c.do)
			for _, want := range c.expect {
				if found[want] == 0 {
					t.Errorf("%q never came up", want)
				}
			}
			for got, n := range found {
				if !slices.Contains(c.expect, got) {
					t.Errorf("%q came up %d times", got, n)
				}
			}
		})
	}
}

func TestASyncedFileKeepsItsContentUnderARenamedName(t *testing.T) {
	for seed := range uint64(50) {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("a")
		must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			v := volume(h, sc)
			f, err := v.Open("tmp", host.Create)
			if err != nil {
				return err
			}
			f.WriteAt([]byte("new"), 0)
			return errors.Join(f.Sync(), v.Rename("tmp", "current"), v.SyncDir(""))
		}))
		m.Kill()
		if got, _ := m.Volume("data").Current("current"); string(got) != "new" {
			t.Fatalf("seed %d: %q", seed, got)
		}
	}
}
