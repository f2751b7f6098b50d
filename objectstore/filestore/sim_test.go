package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/filestore"
	"github.com/weirmq/weir/objectstore/storetest"
	"github.com/weirmq/weir/sim"
)

// openSim opens the store on volume "v" of the task's machine.
func openSim(h host.Host, sc *host.Scope) (*filestore.Store, error) {
	vol, err := h.Disk().Volume(sc, "v")
	if err != nil {
		return nil, err
	}
	return filestore.New(h, vol, "some/store", "test")
}

func TestConformsUnderTheScheduler(t *testing.T) {
	for seed := range uint64(5) {
		storetest.Run(t, func(t *testing.T, task storetest.Task) {
			w := sim.New(sim.Config{Seed: seed})
			require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
				s, err := openSim(h, sc)
				if err != nil {
					return err
				}
				return task(sc, h, s)
			}))
			require.NoError(t, w.Close())
		})
	}
}

func TestRetriesMendAFaultyDisk(t *testing.T) {
	faults := sim.Faults{
		WriteError: 20_000, ReadError: 20_000, SyncError: 20_000, DirError: 20_000, NoSpace: 5_000, DiskStall: 1_000,
	}
	patience := objectstore.Policy{Total: 2 * time.Minute, Attempt: time.Hour}
	for seed := range uint64(3) {
		storetest.Run(t, func(t *testing.T, task storetest.Task) {
			w := sim.New(sim.Config{Seed: seed})
			require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
				s, err := openSim(h, sc)
				if err != nil {
					return err
				}
				w.SetFaults(faults)
				return task(sc, h, objectstore.WithRetry(h, s, patience))
			}))
			require.NoError(t, w.Close())
		})
	}
}

// step is one change of the crash script. nil content is a delete.
type step struct {
	key     string
	content []byte
	absent  bool // put-if-absent
}

func (s step) do(sc *host.Scope, store objectstore.Store) error {
	switch {
	case s.content == nil:
		return store.Delete(sc, s.key)
	case s.absent:
		return store.PutIfAbsent(sc, s.key, objectstore.BytesBody(s.content))
	}
	return store.Put(sc, s.key, objectstore.BytesBody(s.content))
}

// script changes keys in shared and separate directories, by small and large objects.
var script = []step{
	{key: "a/b/1", content: []byte("first")},
	{key: "a/b/2", content: []byte("second"), absent: true},
	{key: "a/b/1", content: bytes.Repeat([]byte("third"), 60_000)},
	{key: "a/b/2"},
	{key: "c", content: bytes.Repeat([]byte("4"), 1<<20+100), absent: true},
	{key: "a/b/1"},
	{key: "a/b/1", content: []byte("sixth"), absent: true},
	{key: "d/e/f/g", content: []byte{}},
}

var scriptKeys = []string{"a/b/1", "a/b/2", "c", "d/e/f/g"}

// stateAfter returns what key holds after the first n steps; nil is nothing.
func stateAfter(n int, key string) []byte {
	var held []byte
	for _, s := range script[:n] {
		if s.key == key {
			held = s.content
		}
	}
	return held
}

// runScript does the steps and counts, in done, those that were acknowledged.
func runScript(done *int) func(host.Host, *host.Scope) error {
	return func(h host.Host, sc *host.Scope) error {
		s, err := openSim(h, sc)
		if err != nil {
			return err
		}
		for ; *done < len(script); *done++ {
			if err := script[*done].do(sc, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// read returns what key holds, nil if nothing.
func read(sc *host.Scope, s objectstore.Store, key string) ([]byte, error) {
	info, err := s.Head(sc, key)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := make([]byte, info.Size)
	return p, s.GetRange(sc, key, 0, p)
}

// same compares contents, where nothing is not the same as an empty object.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// survives checks that each key holds what the acknowledged steps left, or what the step under way makes of
// it, and that the listing says the same.
func survives(sc *host.Scope, s objectstore.Store, done int) error {
	var want []objectstore.Info
	for _, key := range scriptKeys {
		got, err := read(sc, s, key)
		if err != nil {
			return err
		}
		if !same(got, stateAfter(done, key)) && !same(got, stateAfter(min(done+1, len(script)), key)) {
			return fmt.Errorf("after %d acknowledged steps %s holds %d bytes %.10q", done, key, len(got), got)
		}
		if got != nil {
			want = append(want, objectstore.Info{Key: key, Size: int64(len(got))})
		}
	}
	page, err := s.List(sc, "", "", 100)
	if err == nil && !slices.Equal(page, want) {
		err = fmt.Errorf("after %d acknowledged steps: list %v, want %v", done, page, want)
	}
	return err
}

// again repeats the step that the crash interrupted, as a caller does that does not know its outcome, and
// returns an error if the answer is none it can build on.
func again(sc *host.Scope, s objectstore.Store, done int) error {
	if done == len(script) {
		return nil
	}
	err := script[done].do(sc, s)
	if script[done].absent && errors.Is(err, objectstore.ErrExists) {
		return nil
	}
	return err
}

// crashScript runs the script on a world that crashes at the n-th call, checks what is left, repeats the
// interrupted step, takes the power away, and checks again that the repeated step holds.
func crashScript(n uint64, when sim.When, fate sim.Fate) error {
	w := sim.New(sim.Config{Seed: n})
	m := w.Machine("a")
	m.CrashAt(n, when, fate)
	done := 0
	if err := w.Do(m, runScript(&done)); err != nil && !errors.Is(err, host.ErrKilled) {
		return err
	}
	err := w.Do(m, func(h host.Host, sc *host.Scope) error {
		s, err := openSim(h, sc)
		if err != nil {
			return fmt.Errorf("open after the crash: %w", err)
		}
		if err := survives(sc, s, done); err != nil {
			return err
		}
		return again(sc, s, done)
	})
	if err != nil {
		return err
	}
	m.KillWith(sim.LoseUnsynced)
	done = min(done+1, len(script))
	err = w.Do(m, func(h host.Host, sc *host.Scope) error {
		s, err := openSim(h, sc)
		if err != nil {
			return fmt.Errorf("open after the second crash: %w", err)
		}
		for _, key := range scriptKeys {
			got, err := read(sc, s, key)
			if err != nil {
				return err
			}
			if !same(got, stateAfter(done, key)) {
				return fmt.Errorf("after step %d was repeated %s holds %d bytes %.10q", done, key, len(got), got)
			}
		}
		return leftovers(h, sc)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

// leftovers returns an error if a temporary file of a dead session is left.
func leftovers(h host.Host, sc *host.Scope) error {
	vol, err := h.Disk().Volume(sc, "v")
	if err != nil {
		return err
	}
	sessions, err := vol.List("some/store/tmp")
	if err != nil {
		return err
	}
	if len(sessions) != 1 {
		return fmt.Errorf("after two crashes tmp holds %v, want one session", sessions)
	}
	return nil
}

func TestACrashAtAnyCallLosesNothingAcknowledged(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	done := 0
	require.NoError(t, w.Do(w.Machine("a"), runScript(&done)))
	calls := w.Machine("a").Calls()
	require.NoError(t, w.Close())
	require.Greater(t, calls, uint64(60))
	for n := uint64(1); n <= calls; n++ {
		for _, when := range []sim.When{sim.BeforeEffect, sim.AfterEffect} {
			for _, fate := range []sim.Fate{sim.KeepUnsynced, sim.LoseUnsynced, sim.MixUnsynced} {
				require.NoError(t, crashScript(n, when, fate), "crash at call %d, moment %d, fate %v", n, when, fate)
			}
		}
	}
}

// TestAnAnswerAboutAnEarlierAttemptIsDurable fails the directory sync of a first attempt: its name is given,
// or gone, but not durably. What the next attempt answers must survive the power.
func TestAnAnswerAboutAnEarlierAttemptIsDurable(t *testing.T) {
	body := objectstore.BytesBody([]byte("x"))
	for name, c := range map[string]struct {
		change func(*host.Scope, objectstore.Store, string) error
		second error // what the second attempt answers
		there  bool  // whether the object is there in the end
	}{
		"put-if-absent": {func(sc *host.Scope, s objectstore.Store, key string) error {
			return s.PutIfAbsent(sc, key, body)
		}, objectstore.ErrExists, true},
		"put": {func(sc *host.Scope, s objectstore.Store, key string) error {
			return s.Put(sc, key, body)
		}, nil, true},
		"delete": {func(sc *host.Scope, s objectstore.Store, key string) error {
			return s.Delete(sc, key)
		}, nil, false},
	} {
		w := sim.New(sim.Config{Seed: 1})
		m, key := w.Machine("a"), "new/key"
		if name == "delete" {
			key = "old/key"
		}
		require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			s, err := openSim(h, sc)
			if err == nil {
				err = s.Put(sc, "old/key", body)
			}
			if err != nil {
				return err
			}
			w.SetFaults(sim.Faults{DirError: sim.Always})
			if err := c.change(sc, s, key); !errors.Is(err, host.ErrIO) {
				return fmt.Errorf("with a failing directory sync: %w", err)
			}
			w.SetFaults(sim.Faults{})
			if err := c.change(sc, s, key); !errors.Is(err, c.second) {
				return fmt.Errorf("again: %w", err)
			}
			return nil
		}), name)
		m.KillWith(sim.LoseUnsynced)
		require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			s, err := openSim(h, sc)
			if err != nil {
				return err
			}
			if _, err = s.Head(sc, key); errors.Is(err, objectstore.ErrNotFound) == c.there {
				return fmt.Errorf("after the power came back: %w", err)
			}
			return nil
		}), name)
		require.NoError(t, w.Close())
	}
}
